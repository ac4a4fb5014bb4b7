"""Compact maps from texts to what is at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.keys import Numbers, key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.packer import Packer


BLOCK_ROWS: Final = 16
MERGED: Final = 8
SMALL_ONES: Final = [BLOCK_ROWS] * MERGED

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], list[bytes]]] = msgspec.msgpack.Decoder(list[bytes]).decode


class Shelf:
    """Packed rows by the key of a name, for some 40 bytes a row in place of 200 in a dict.

    Rows come to lie in blocks of ``BLOCK_ROWS``, compressed when full, and ``MERGED`` such blocks become one;
    what is taken out leaves a hole in its block until half is holes. Two names of one shop and day with the
    same 64-bit hash would be taken for one: at 10 000 rows, 3 in a million million.
    """

    __slots__ = ("blocks", "counts", "last", "packer", "places", "rows")

    def __init__(self, packer: Packer) -> None:
        self.packer = packer
        self.places = Numbers()  # of the rows that are no holes
        self.blocks: list[bytes] = []
        self.counts: list[int] = []  # rows of each block
        self.last: list[bytes] = []  # the rows that fill no block yet
        self.rows = 0  # holes and all

    @classmethod
    def of(
        cls, packer: Packer, places: bytes, blocks: list[bytes], counts: list[int], last: list[bytes]
    ) -> Shelf:
        """A shelf of what one had."""
        shelf = cls(packer)
        shelf.places, shelf.blocks, shelf.counts, shelf.last = Numbers(places), blocks, counts, last
        shelf.rows = sum(counts) + len(last)
        return shelf

    def __len__(self) -> int:
        return len(self.places)

    def pop(self, name: str) -> bytes | None:
        """Take what was put under a name out."""
        at, block = self.places.pop(key_of(name)), 0
        if at < 0:
            return None
        while block < len(self.blocks) and at >= self.counts[block]:
            at -= self.counts[block]
            block += 1
        found = self._rows(block)[at]
        if block == len(self.blocks):
            self.last[at] = b""
        holes = self.rows - len(self)
        if holes > BLOCK_ROWS and holes > len(self):
            self._fill(self._live())
        return found

    def put(self, name: str, packed: bytes) -> None:
        """Put something under a name that has nothing."""
        self._append(key_of(name), packed)

    def values(self) -> list[bytes]:
        """All of it, in the order in which it was put."""
        return [row for _, row in self._live()]

    def keep(self, kept: list[bool]) -> None:
        """Leave out those of ``values`` that are not to be kept."""
        self._fill([row for row, wanted in zip(self._live(), kept, strict=True) if wanted])

    def _rows(self, block: int) -> list[bytes]:
        return _decode(self.packer.unzip(self.blocks[block])) if block < len(self.blocks) else self.last

    def _live(self) -> list[tuple[bytes, bytes]]:
        rows = [row for block in range(len(self.blocks) + 1) for row in self._rows(block)]
        return [(key, rows[place]) for place, key in self.places.items()]

    def _fill(self, rows: list[tuple[bytes, bytes]]) -> None:
        self.places, self.rows = Numbers(), 0
        self.blocks, self.counts, self.last = [], [], []
        for key, row in rows:
            self._append(key, row)

    def _append(self, key: bytes, row: bytes) -> None:
        self.places.put(key, self.rows)
        self.rows += 1
        self.last.append(row)
        if len(self.last) == BLOCK_ROWS:
            self.blocks.append(self.packer.fastest(_encode(self.last)))
            self.counts.append(BLOCK_ROWS)
            self.last = []
            if self.counts[-MERGED:] == SMALL_ONES:
                first = len(self.blocks) - MERGED
                rows = [row for block in range(first, first + MERGED) for row in self._rows(block)]
                self.blocks[first:] = [self.packer.small(_encode(rows))]
                self.counts[first:] = [len(rows)]


class UnitTable:
    """When a unit was first asked, by its key, and of a few what else there is to know.

    12 bytes for most, against about 300 as objects in a dict.
    """

    __slots__ = ("asked", "more")

    def __init__(self, asked: bytes = b"", more: dict[bytes, tuple[int, int]] | None = None) -> None:
        self.asked = Numbers(asked)  # ms since the day's midnight
        self.more: dict[bytes, tuple[int, int]] = more or {}

    def pop(self, unit: str) -> tuple[int, tuple[int, int] | None] | None:
        """Take what was put of a unit out."""
        if not len(self.asked):
            return None
        key = key_of(unit)
        asked = self.asked.pop(key)
        return (asked, self.more.pop(key, None)) if asked >= 0 else None

    def put(self, unit: str, asked: int, more: tuple[int, int] | None) -> None:
        """Put a unit in that is not there."""
        key = key_of(unit)
        self.asked.put(key, asked)
        if more is not None:
            self.more[key] = more
