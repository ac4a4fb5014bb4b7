"""What is at rest: packed rows in blocks, and units as columns, against plain dictionaries."""

from __future__ import annotations

import random

import pytest

from monitor.engine.keys import Keys, Numbers, key_of
from monitor.engine.packer import Packer
from monitor.engine.table import BLOCK_ROWS, MERGED, Shelf, UnitTable


@pytest.mark.parametrize("seed", range(8))
def test_a_shelf_gives_back_what_was_put_under_a_name_whatever_came_and_went(seed):
    chance, shelf, known = random.Random(seed), Shelf(Packer()), dict[str, bytes]()
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
        assert shelf.rows <= 2 * len(known) + BLOCK_ROWS + 1, "holes are closed"


def cut(shelf: Shelf) -> tuple:
    """What is stored of a shelf."""
    return shelf.places.rows(), list(shelf.blocks), list(shelf.counts), list(shelf.last)


def filled(count: int) -> Shelf:
    shelf = Shelf(Packer())
    for number in range(count):
        shelf.put(f"c{number}", b"%d" % number)
    return shelf


@pytest.mark.parametrize("count", [0, 5, 16, 100, 127, 128, 300])
def test_a_shelf_is_cut_in_blocks_and_put_together_again(count):
    shelf = filled(count)
    shelf.pop("c3")
    again = Shelf.of(shelf.packer, *cut(shelf))
    assert cut(again) == cut(shelf)
    assert again.values() == shelf.values()
    for one in (again, shelf):
        assert one.pop("c3") is None
        assert one.pop("c4") == (b"4" if count else None)
        one.put("more", b"x")
    assert cut(again) == cut(shelf)
    assert len(again) == len(shelf) == max(1, count - 1) if count else 1


def test_what_fills_no_block_changes_no_block():
    shelf = filled(100)
    before = cut(shelf)
    shelf.put("one more", b"x")
    shelf.pop("c20")
    after = cut(shelf)
    assert after[1:3] == before[1:3]
    assert after[0] != before[0]


def test_full_blocks_become_one():
    shelf = filled(2 * MERGED * BLOCK_ROWS + BLOCK_ROWS + 1)
    assert shelf.counts == [MERGED * BLOCK_ROWS] * 2 + [BLOCK_ROWS]
    assert [shelf.pop(f"c{n}") for n in (0, 127, 128, 255, 256, 272)] == [
        b"%d" % n for n in (0, 127, 128, 255, 256, 272)
    ]


def test_units_at_rest_come_back_once():
    table, known = UnitTable(), {}
    for number in range(300):
        known[f"u{number}"] = (number * 1_000, None if number % 5 else (number + (3 << 40), number * 7))
        table.put(f"u{number}", *known[f"u{number}"])
    for name, unit in known.items():
        assert table.pop(name) == unit
        assert table.pop(name) is None


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_a_dictionary_whatever_came_and_went(seed):
    chance, numbers, known = random.Random(seed), Numbers(), dict[bytes, int]()
    for _ in range(3_000):
        key = key_of(f"n{chance.randrange(500)}")
        if key in known or chance.random() < 0.2:
            assert numbers.pop(key) == known.pop(key, -1)
        else:
            known[key] = chance.choice([0, 86_399_999, 2**31 - 1, chance.randrange(1_000)])
            numbers.put(key, known[key])
        if chance.random() < 0.01:
            assert numbers.items() == sorted((number, key) for key, number in known.items())
            numbers = Numbers(numbers.rows())
        assert len(numbers) == len(known)
    assert len(known) > 100


@pytest.mark.parametrize("seed", range(4))
def test_keys_are_those_of_a_set(seed):
    chance, keys, known = random.Random(seed), Keys(), set[bytes]()
    for _ in range(2_000):
        key = key_of(f"n{chance.randrange(200)}")
        assert (key in keys) == (key in known)
        if chance.random() < 0.6:
            assert keys.add(key) == (key not in known)
            known.add(key)
        else:
            keys.discard(key)
            known.discard(key)
        assert len(keys) == len(known)
    assert sorted(known) == sorted(keys.rows[at : at + 8] for at in range(0, len(keys.rows), 8))
