"""Compact maps from texts to what is at rest."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import msgspec
import xxhash

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.packer import Packer


BLOCK_ROWS: Final = 16
MERGED: Final = 8
SMALL_ONES: Final = [BLOCK_ROWS] * MERGED
KEY_BYTES: Final = 8
GONE: Final = bytes(KEY_BYTES)  # the key of a row that was taken out

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], list[bytes]]] = msgspec.msgpack.Decoder(list[bytes]).decode


def key_of(text: str) -> int:
    """The 64-bit key of a text."""
    return xxhash.xxh3_64_intdigest(text.encode())


def place_of(keys: array[int], key: int) -> int:
    """Where a key stands among sorted ones; -1: nowhere."""
    index = bisect_left(keys, key)
    return index if index < len(keys) and keys[index] == key else -1


class Keys:
    """Sorted 64-bit keys of texts: a set of 8 bytes an element."""

    __slots__ = ("keys",)

    def __init__(self, keys: bytes = b"") -> None:
        self.keys = array("Q", keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: int) -> bool:
        return place_of(self.keys, key) >= 0

    def add(self, key: int) -> bool:
        """Put a key in; say whether it is new."""
        index = bisect_left(self.keys, key)
        if index < len(self.keys) and self.keys[index] == key:
            return False
        self.keys.insert(index, key)
        return True

    def discard(self, key: int) -> None:
        """Take a key out, if it is there."""
        index = place_of(self.keys, key)
        if index >= 0:
            del self.keys[index]


class Shelf:
    """Packed rows by the key of a name, for some 35 bytes a row in place of 200 in a dict.

    Rows come to lie in blocks of ``BLOCK_ROWS``, compressed when full, and ``MERGED`` such blocks become one;
    what is taken out leaves a hole in its block until half is holes. Two names of one shop and day with the
    same 64-bit hash would be taken for one: at 10 000 rows, 3 in a million million.
    """

    __slots__ = ("blocks", "counts", "heads", "holes", "keys", "last", "packer")

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.keys = bytearray()  # by place
        self.heads = bytearray()  # the first byte of each: looked through for a name, thirty at a time
        self.blocks: list[bytes] = []
        self.counts: list[int] = []  # rows of each block
        self.last: list[bytes] = []  # the rows that fill no block yet
        self.holes = 0

    @classmethod
    def of(
        cls, packer: Packer, keys: bytes, blocks: list[bytes], counts: list[int], last: list[bytes]
    ) -> Shelf:
        """A shelf of what one had."""
        shelf = cls(packer)
        shelf.keys, shelf.blocks, shelf.counts, shelf.last = bytearray(keys), blocks, counts, last
        shelf.heads = shelf.keys[::KEY_BYTES]
        if GONE in keys:
            shelf.holes = sum(keys.startswith(GONE, at) for at in range(0, len(keys), KEY_BYTES))
        return shelf

    def __len__(self) -> int:
        return len(self.keys) // KEY_BYTES - self.holes

    def pop(self, name: str) -> bytes | None:
        """Take what was put under a name out."""
        place = self._place(_key(name))
        if place < 0:
            return None
        block, at = 0, place
        while block < len(self.blocks) and at >= self.counts[block]:
            at -= self.counts[block]
            block += 1
        found = self._rows(block)[at]
        self.keys[place * KEY_BYTES : (place + 1) * KEY_BYTES] = GONE
        self.holes += 1
        if block == len(self.blocks):
            self.last[at] = b""
        if self.holes > BLOCK_ROWS and self.holes > len(self):
            self._fill(list(self._live()))
        return found

    def put(self, name: str, packed: bytes) -> None:
        """Put something under a name that has nothing."""
        self._append(_key(name), packed)

    def values(self) -> list[bytes]:
        """All of it, in the order in which it was put."""
        return [row for _, row in self._live()]

    def keep(self, kept: list[bool]) -> None:
        """Leave out those of ``values`` that are not to be kept."""
        self._fill([row for row, wanted in zip(self._live(), kept, strict=True) if wanted])

    def _place(self, key: bytes) -> int:
        head = key[0]
        place = self.heads.find(head)
        while place >= 0 and not self.keys.startswith(key, place * KEY_BYTES):
            place = self.heads.find(head, place + 1)
        return place

    def _rows(self, block: int) -> list[bytes]:
        return _decode(self.packer.unzip(self.blocks[block])) if block < len(self.blocks) else self.last

    def _live(self) -> list[tuple[bytes, bytes]]:
        keys = bytes(self.keys)
        rows = [row for block in range(len(self.blocks) + 1) for row in self._rows(block)]
        cut = [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)]
        return [(key, row) for key, row in zip(cut, rows, strict=True) if key != GONE]

    def _fill(self, rows: list[tuple[bytes, bytes]]) -> None:
        self.keys, self.heads = bytearray(), bytearray()
        self.blocks, self.counts, self.last, self.holes = [], [], [], 0
        for key, row in rows:
            self._append(key, row)

    def _append(self, key: bytes, row: bytes) -> None:
        self.keys += key
        self.heads.append(key[0])
        self.last.append(row)
        if len(self.last) == BLOCK_ROWS:
            self.blocks.append(self.packer.small(_encode(self.last)))
            self.counts.append(BLOCK_ROWS)
            self.last = []
            if self.counts[-MERGED:] == SMALL_ONES:
                first = len(self.blocks) - MERGED
                rows = [row for block in range(first, first + MERGED) for row in self._rows(block)]
                self.blocks[first:] = [self.packer.small(_encode(rows))]
                self.counts[first:] = [len(rows)]


def _key(name: str) -> bytes:
    return (key_of(name) or 1).to_bytes(KEY_BYTES, "little")  # 0 is that of a hole


class UnitTable:
    """When a unit was first asked, by its key, and of a few what else there is to know.

    12 bytes for most, against about 300 as objects in a dict.
    """

    __slots__ = ("asked", "keys", "more")

    def __init__(
        self, keys: bytes = b"", asked: bytes = b"", more: dict[int, tuple[int, int]] | None = None
    ) -> None:
        self.keys = array("Q", keys)
        self.asked = array("I", asked)  # ms since the day's midnight
        self.more: dict[int, tuple[int, int]] = more or {}

    def pop(self, unit: str) -> tuple[int, tuple[int, int] | None] | None:
        """Take what was put of a unit out."""
        if not self.keys:
            return None
        key = key_of(unit)
        index = place_of(self.keys, key)
        if index < 0:
            return None
        found = (self.asked[index], self.more.pop(key, None))
        del self.keys[index], self.asked[index]
        return found

    def put(self, unit: str, asked: int, more: tuple[int, int] | None) -> None:
        """Put a unit in that is not there."""
        key = key_of(unit)
        index = bisect_left(self.keys, key)
        self.keys.insert(index, key)
        self.asked.insert(index, asked)
        if more is not None:
            self.more[key] = more
