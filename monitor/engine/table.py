"""Compact maps from texts to what is at rest."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import pairwise

import xxhash


def key_of(text: str) -> int:
    """The 64-bit key of a text."""
    return xxhash.xxh3_64_intdigest(text.encode())


class Keys:
    """Sorted 64-bit keys of texts: a set of 8 bytes an element."""

    __slots__ = ("keys",)

    def __init__(self, keys: bytes = b"") -> None:
        self.keys = array("Q", keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: int) -> bool:
        index = bisect_left(self.keys, key)
        return index < len(self.keys) and self.keys[index] == key

    def add(self, key: int) -> bool:
        """Put a key in; say whether it is new."""
        index = bisect_left(self.keys, key)
        if index < len(self.keys) and self.keys[index] == key:
            return False
        self.keys.insert(index, key)
        return True

    def discard(self, key: int) -> None:
        """Take a key out, if it is there."""
        index = bisect_left(self.keys, key)
        if index < len(self.keys) and self.keys[index] == key:
            del self.keys[index]


class Shelf:
    """Packed bytes by the key of a name: 16 bytes a row beside them, against about 100 in a dict.

    All lie behind one another in one block of bytes; what is taken out leaves a hole until a third is holes.
    A shop has some hundred rows a day, so that the move at an insert costs less than a hash of the name.
    Two names of one shop and day with the same hash would be taken for one: at 10 000 rows, 3 in a million
    million.
    """

    __slots__ = ("begins", "data", "holes", "keys", "sizes")

    def __init__(self, keys: bytes = b"", sizes: bytes = b"", data: bytes = b"") -> None:
        self._fill(array("Q", keys), array("I", sizes), data)

    def __len__(self) -> int:
        return len(self.keys)

    def pop(self, name: str) -> bytes | None:
        """Take what was put under a name out."""
        keys = self.keys
        if not keys:
            return None
        key = key_of(name)
        index = bisect_left(keys, key)
        if index == len(keys) or keys[index] != key:
            return None
        found = self.at(index)
        del keys[index], self.begins[index], self.sizes[index]
        self.holes += len(found)
        if 3 * self.holes > len(self.data):
            self.compact()
        return found

    def put(self, name: str, packed: bytes) -> None:
        """Put something under a name that has nothing."""
        key = key_of(name)
        index = bisect_left(self.keys, key)
        self.keys.insert(index, key)
        self.begins.insert(index, len(self.data))
        self.sizes.insert(index, len(packed))
        self.data += packed

    def at(self, index: int) -> bytes:
        """What lies at a place."""
        begin: int = self.begins[index]
        return bytes(self.data[begin : begin + self.sizes[index]])

    def values(self) -> list[bytes]:
        """All of it, by key."""
        return [self.at(index) for index in range(len(self.keys))]

    def compact(self) -> None:
        """Put all in the order of the keys, without holes."""
        kept = self.values()
        self._fill(self.keys, self.sizes, b"".join(kept))

    def cut(self, count: int) -> list[tuple[bytes, bytes, bytes]]:
        """All of it in so many ranges of the keys, each ``(keys, sizes, data)``; there must be no holes."""
        places = [bisect_left(self.keys, (place << 64) // count) for place in range(count)]
        places.append(len(self.keys))
        begins = [*self.begins, len(self.data)]
        return [
            (
                self.keys[first:last].tobytes(),
                self.sizes[first:last].tobytes(),
                bytes(self.data[begins[first] : begins[last]]),
            )
            for first, last in pairwise(places)
        ]

    def keep(self, kept: list[bool]) -> None:
        """Leave out the places that are not to be kept."""
        chosen = [index for index, wanted in enumerate(kept) if wanted]
        keys = array("Q", [self.keys[index] for index in chosen])
        sizes = array("I", [self.sizes[index] for index in chosen])
        self._fill(keys, sizes, b"".join([self.at(index) for index in chosen]))

    def _fill(self, keys: array[int], sizes: array[int], data: bytes) -> None:
        self.keys, self.sizes, self.data, self.holes = keys, sizes, bytearray(data), 0
        self.begins = array("I")
        begin = 0
        for size in sizes:
            self.begins.append(begin)
            begin += size


class UnitTable:
    """Three integers by the key of a unit: 24 bytes a row, against about 300 as objects in a dict."""

    __slots__ = ("asked", "keys", "missed", "rounds")

    def __init__(
        self, keys: bytes = b"", rounds: bytes = b"", asked: bytes = b"", missed: bytes = b""
    ) -> None:
        self.keys = array("Q", keys)
        self.rounds = array("Q", rounds)
        self.asked = array("I", asked)  # ms since the day's midnight; 0 in `missed`: none was
        self.missed = array("I", missed)

    def pop(self, unit: str) -> tuple[int, int, int] | None:
        """Take ``(rounds, asked, missed)`` of a unit out."""
        keys = self.keys
        if not keys:
            return None
        key = key_of(unit)
        index = bisect_left(keys, key)
        if index == len(keys) or keys[index] != key:
            return None
        found = (self.rounds[index], self.asked[index], self.missed[index])
        del keys[index], self.rounds[index], self.asked[index], self.missed[index]
        return found

    def put(self, unit: str, rounds: int, asked: int, missed: int) -> None:
        """Put a unit in that is not there."""
        key = key_of(unit)
        index = bisect_left(self.keys, key)
        self.keys.insert(index, key)
        self.rounds.insert(index, rounds)
        self.asked.insert(index, asked)
        self.missed.insert(index, missed)
