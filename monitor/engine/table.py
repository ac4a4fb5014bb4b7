"""A compact map from text to small fixed records, for what is at rest."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Generic, TypeVar

import xxhash

V = TypeVar("V")


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


class Table(Generic[V]):
    """Sorted 64-bit keys beside a list of values: 16 bytes a row and the value, against about 200 in a dict.

    A shop has some hundred rows a day, so that the move at an insert costs less than a hash of the text.
    Two texts of one shop and day with the same hash would be taken for one: at 10 000 rows, 3 in a million
    million.
    """

    __slots__ = ("keys", "values")

    def __init__(self, keys: bytes = b"", values: list[V] | None = None) -> None:
        self.keys = array("Q", keys)
        self.values: list[V] = values or []

    def __len__(self) -> int:
        return len(self.keys)

    def pop(self, text: str) -> V | None:
        """Take the value put under a text out."""
        keys = self.keys
        if not keys:
            return None
        key = key_of(text)
        index = bisect_left(keys, key)
        if index == len(keys) or keys[index] != key:
            return None
        del keys[index]
        return self.values.pop(index)

    def put(self, text: str, value: V) -> None:
        """Put a value under a text that has none."""
        key = key_of(text)
        index = bisect_left(self.keys, key)
        self.keys.insert(index, key)
        self.values.insert(index, value)
