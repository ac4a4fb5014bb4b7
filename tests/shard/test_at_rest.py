"""What is at rest: a block of bytes by key, and units as columns, against plain dictionaries."""

from __future__ import annotations

import random

import pytest

from monitor.engine.table import Shelf, UnitTable


@pytest.mark.parametrize("seed", range(8))
def test_a_shelf_gives_back_what_was_put_under_a_name_whatever_came_and_went(seed):
    chance, shelf, known = random.Random(seed), Shelf(), dict[str, bytes]()
    for _ in range(2_000):
        name = f"c{chance.randrange(60)}"
        if name in known:
            assert shelf.pop(name) == known.pop(name)
        else:
            assert shelf.pop(name) is None
            known[name] = chance.randbytes(chance.randrange(1, 40))
            shelf.put(name, known[name])
        assert sorted(shelf.values()) == sorted(known.values())
        assert len(shelf.data) <= 1.5 * sum(map(len, known.values())) + 40, "holes are closed"


@pytest.mark.parametrize("count", [1, 8])
def test_a_shelf_is_cut_by_its_keys_and_put_together_again(count):
    shelf = Shelf()
    for number in range(100):
        shelf.put(f"c{number}", b"%d" % number)
    shelf.pop("c7")
    shelf.compact()
    chunks = shelf.cut(count)
    assert len(chunks) == count
    again = Shelf(*(b"".join(column) for column in zip(*chunks, strict=True)))
    assert again.values() == shelf.values()
    assert again.pop("c8") == b"8"


def test_one_more_conversation_changes_one_chunk():
    shelf = Shelf()
    for number in range(100):
        shelf.put(f"c{number}", b"%d" % number)
    shelf.compact()
    before = shelf.cut(8)
    shelf.put("one more", b"x")
    shelf.compact()
    assert sum(a != b for a, b in zip(before, shelf.cut(8), strict=True)) == 1


def test_units_at_rest_come_back_once():
    table, known = UnitTable(), {}
    for number in range(300):
        known[f"u{number}"] = (number + (3 << 40), number * 1_000, number * 7)
        table.put(f"u{number}", *known[f"u{number}"])
    for name, unit in known.items():
        assert table.pop(name) == unit
        assert table.pop(name) is None
