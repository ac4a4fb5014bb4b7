"""Sorted keys of texts, as bytes: a set of 8 bytes an element, a map to numbers of 12.

They are found by halves, in which no object is made.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from librt.strings import BytesWriter, read_i32_le, read_i64_be, write_i32_le
from mypy_extensions import i32, i64, mypyc_attr
from xxhash import xxh3_64_digest

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES: Final = 8
ROW_BYTES: Final = 12
NEW_BYTES: Final = 64 * ROW_BYTES  # lie apart, unsorted: to put one among thousands copies them all
NEGATIVE: Final = b"\x80"  # from here on a key, read as a number, is less than all before

_digest: Final[Callable[[bytes], bytes]] = xxh3_64_digest


def key_of(text: str) -> bytes:
    """The key of a text."""
    return _digest(text.encode())


def _at(rows: bytes, width: i64, key: i64) -> i64:
    """Where the first row begins whose key is not less."""
    low: i64 = 0
    high: i64 = len(rows) // width
    while low < high:
        middle = (low + high) >> 1
        if read_i64_be(rows, middle * width) < key:
            low = middle + 1
        else:
            high = middle
    return low * width


def _is_at(rows: bytes, at: i64, key: i64) -> bool:
    return at < len(rows) and read_i64_be(rows, at) == key


@mypyc_attr(acyclic=True)
class Keys:
    """A set of keys."""

    __slots__ = ("rows",)

    def __init__(self, rows: bytes = b"") -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows) // KEY_BYTES

    def __contains__(self, key: bytes) -> bool:
        number = read_i64_be(key, 0)
        return _is_at(self.rows, _at(self.rows, KEY_BYTES, number), number)

    def add(self, key: bytes) -> bool:
        """Put a key in; say whether it is new."""
        rows, number = self.rows, read_i64_be(key, 0)
        at = _at(rows, KEY_BYTES, number)
        if _is_at(rows, at, number):
            return False
        self.rows = b"".join((rows[:at], key, rows[at:]))
        return True

    def discard(self, key: bytes) -> None:
        """Take a key out, if it is in."""
        rows, number = self.rows, read_i64_be(key, 0)
        at = _at(rows, KEY_BYTES, number)
        if _is_at(rows, at, number):
            self.rows = rows[:at] + rows[at + KEY_BYTES :]


@mypyc_attr(acyclic=True)
class Numbers:
    """Keys, each with a number from 0 to 2^31 - 1."""

    __slots__ = ("_new", "_sorted")

    def __init__(self, rows: bytes = b"") -> None:
        self._sorted = rows
        self._new = b""

    def __len__(self) -> int:
        return (len(self._sorted) + len(self._new)) // ROW_BYTES

    def rows(self) -> bytes:
        """All of it, sorted."""
        if self._new:
            new = sorted(_cut(self._new))
            first = bisect_left(new, NEGATIVE)
            begin, pieces = 0, []
            for row in new[first:] + new[:first]:
                at = int(_at(self._sorted, ROW_BYTES, read_i64_be(row, 0)))
                pieces.append(self._sorted[begin:at])
                pieces.append(row)
                begin = at
            pieces.append(self._sorted[begin:])
            self._sorted, self._new = b"".join(pieces), b""
        return self._sorted

    def items(self) -> list[tuple[int, bytes]]:
        """Every number with its key, by number."""
        return sorted([(int(read_i32_le(row, KEY_BYTES)), row[:KEY_BYTES]) for row in _cut(self.rows())])

    def put(self, key: bytes, number: int) -> None:
        """Put a key in that is not in."""
        row = BytesWriter()
        row.write(key)
        write_i32_le(row, i32(number))
        self._new += row.getvalue()
        if len(self._new) == NEW_BYTES:
            self.rows()

    def pop(self, key: bytes) -> int:
        """Take a key out, and say its number; -1: it is not in."""
        rows, wanted = self._sorted, read_i64_be(key, 0)
        at = _at(rows, ROW_BYTES, wanted)
        if _is_at(rows, at, wanted):
            self._sorted = rows[:at] + rows[at + ROW_BYTES :]
            return int(read_i32_le(rows, at + KEY_BYTES))
        rows, at = self._new, 0
        while at < len(rows):
            if read_i64_be(rows, at) == wanted:
                self._new = rows[:at] + rows[at + ROW_BYTES :]
                return int(read_i32_le(rows, at + KEY_BYTES))
            at += ROW_BYTES
        return -1


def _cut(rows: bytes) -> list[bytes]:
    return [rows[at : at + ROW_BYTES] for at in range(0, len(rows), ROW_BYTES)]
