"""What is at rest: packed rows in blocks, and units as columns, against plain dictionaries."""

from __future__ import annotations

import random

import pytest

from monitor.engine.table import BLOCK_ROWS, Shelf, UnitTable


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
        assert len(shelf) == len(known)
        assert len(shelf.keys) <= 8 * (2 * len(known) + BLOCK_ROWS + 1), "holes are closed"


@pytest.mark.parametrize("count", [0, 5, 16, 100])
def test_a_shelf_is_cut_in_blocks_and_put_together_again(count):
    shelf = Shelf()
    for number in range(count):
        shelf.put(f"c{number}", b"%d" % number)
    shelf.pop("c3")
    again = Shelf.of(shelf.cut())
    assert again.cut() == shelf.cut()
    assert again.values() == shelf.values()
    for one in (again, shelf):
        assert one.pop("c3") is None
        assert one.pop("c4") == (b"4" if count else None)
        one.put("more", b"x")
    assert again.cut() == shelf.cut()
    assert len(again) == len(shelf) == max(1, count - 1) if count else 1


def test_one_more_conversation_changes_one_block():
    shelf = Shelf()
    for number in range(100):
        shelf.put(f"c{number}", b"%d" % number)
    before = shelf.cut()
    shelf.put("one more", b"x")
    assert [a == b for a, b in zip(before, shelf.cut(), strict=True)] == [True] * 6 + [False]


def test_one_that_is_taken_out_changes_the_keys_of_one_block():
    shelf = Shelf()
    for number in range(100):
        shelf.put(f"c{number}", b"%d" % number)
    before = shelf.cut()
    shelf.pop("c20")
    assert [a == b for a, b in zip(before, shelf.cut(), strict=True)] == [True, False] + [True] * 5


def test_units_at_rest_come_back_once():
    table, known = UnitTable(), {}
    for number in range(300):
        known[f"u{number}"] = (number * 1_000, None if number % 5 else (number + (3 << 40), number * 7))
        table.put(f"u{number}", *known[f"u{number}"])
    for name, unit in known.items():
        assert table.pop(name) == unit
        assert table.pop(name) is None
