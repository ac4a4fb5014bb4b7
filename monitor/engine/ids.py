"""Which event ids were seen: the first arrival counts, a repeat changes nothing."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from xxhash import xxh3_64_intdigest

from monitor.engine import limits
from monitor.engine.rows import IdRow

if TYPE_CHECKING:
    from collections.abc import Callable

# Any where an int only goes from one container to another: compiled, it is then not unboxed and boxed again.
_hash_of: Final[Callable[[bytes], Any]] = xxh3_64_intdigest

KEY_CUT: Final = 4
CONTENT_MASK: Final = (1 << 30) - 1

# What an id's earlier arrivals say about it.
NEW: Final = 0
DUPLICATE: Final = 1
REUSED: Final = 2


class Ids:
    """60-bit hashes of ids with 30 bits of a hash of their content, for twice the lateness after arrival.

    Two things with the same hash within that time would be taken for one: with the 400,000 ids of 20 minutes
    at 350 events/s the chance that any two are is below 1 in 10 million, at the limit of 8 M 3 in 100,000.
    Python keeps 30 bits a digit: more would cost half as much again.
    """

    __slots__ = ("_arrivals", "_begins", "_content", "_first", "_gone", "_keys", "horizon_ms")

    def __init__(self, lateness_ms: int = limits.LATENESS_MS) -> None:
        self.horizon_ms = 2 * lateness_ms
        self._content: dict[int, int] = {}
        self._keys: list[int] = []  # in order of arrival
        self._arrivals: list[int] = []  # each once
        self._begins: list[int] = []  # the first key of each arrival
        self._first = 0  # the first arrival whose keys are still remembered
        self._gone = 0  # keys that are in no list any more

    def __len__(self) -> int:
        return len(self._content)

    @property
    def taken(self) -> int:
        """How many were ever remembered."""
        return self._gone + len(self._keys)

    @property
    def oldest_ms(self) -> int:
        """The first arrival that is still remembered; 0: none is."""
        return self._arrivals[self._first] if self._first < len(self._arrivals) else 0

    def since(self, taken: int) -> IdRow:
        """Those remembered after the first ``taken``, but for what is forgotten."""
        keys, content, end = self._keys, self._content, len(self._arrivals)
        at = bisect_right(self._begins, taken - self._gone, self._first, end) - 1
        row = IdRow([], [], b"", b"")
        found = array("Q")
        for place in range(max(at, self._first), end):
            begin = max(self._begins[place], taken - self._gone)
            last = self._begins[place + 1] if place + 1 < end else len(keys)
            if last > begin:
                row.arrivals.append(self._arrivals[place])
                row.counts.append(last - begin)
                found.extend(keys[begin:last])
        row.keys = found.tobytes()
        row.contents = array("Q", [content[key] for key in found]).tobytes()
        return row

    def remember(self, row: IdRow, from_ms: int) -> None:
        """Take in what was stored, but for what arrived before ``from_ms``; rows come in order."""
        keys, contents = array("Q"), array("Q")
        keys.frombytes(row.keys)
        contents.frombytes(row.contents)
        end = 0
        for arrival_ms, count in zip(row.arrivals, row.counts, strict=True):
            begin, end = end, end + count
            if arrival_ms < from_ms:
                continue
            if not self._arrivals or self._arrivals[-1] != arrival_ms:
                self._arrivals.append(arrival_ms)
                self._begins.append(len(self._keys))
            self._keys += keys[begin:end]
            self._content.update(zip(keys[begin:end], contents[begin:end], strict=True))

    def check(self, shop_key: str, event_id: str, content: int, arrival_ms: int) -> int:
        """Say whether ``event_id`` of the shop is ``NEW``, a ``DUPLICATE`` or ``REUSED``; remember a new one.

        Args:
            shop_key: ``platform:shop_id``.
            event_id: As sent.
            content: The event's ``content_of``.
            arrival_ms: The record's arrival; never less than at the call before.
        """
        if not self._arrivals or self._arrivals[-1] != arrival_ms:
            self._forget(arrival_ms)
            self._arrivals.append(arrival_ms)
            self._begins.append(len(self._keys))
        key = _hash_of(f"{shop_key}\0{event_id}".encode()) >> KEY_CUT
        known = self._content.get(key)
        content &= CONTENT_MASK
        if known is not None:
            return DUPLICATE if known == content else REUSED
        self._content[key] = content
        self._keys.append(key)
        return NEW

    def _forget(self, now_ms: int) -> None:
        arrivals, begins, content = self._arrivals, self._begins, self._content
        oldest_ms = now_ms - self.horizon_ms
        first, end = self._first, len(arrivals)
        while first < end and (arrivals[first] < oldest_ms or len(content) > limits.IDS_MAX):
            last = begins[first + 1] if first + 1 < end else len(self._keys)
            gone: list[Any] = self._keys[begins[first] : last]
            for key in gone:
                del content[key]
            first += 1
        if 2 * first > end:  # no list is more than twice as long as what is remembered
            count = begins[first] if first < end else len(self._keys)
            self._gone += count
            del self._keys[:count]
            del arrivals[:first]
            self._begins = [begin - count for begin in begins[first:]]
            first = 0
        self._first = first
