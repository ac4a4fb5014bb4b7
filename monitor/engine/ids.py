"""Which event ids were seen: the first arrival counts, a repeat changes nothing."""

from __future__ import annotations

from array import array
from typing import Final

from librt.strings import BytesWriter, write_i64_le
from librt.vecs import append, vec
from mypy_extensions import i32, i64, mypyc_attr

from monitor.engine import limits
from monitor.engine.fields import hash_of
from monitor.engine.limits import CONTENT_MASK
from monitor.engine.rows import IdRow

KEY_CUT: Final = 4
KEY_MASK: Final[i64] = (1 << 60) - 1
FEWEST: Final = 64  # slots of an empty table

# What an id's earlier arrivals say about it.
NEW: Final = 0
DUPLICATE: Final = 1
REUSED: Final = 2


@mypyc_attr(acyclic=True)
class Contents:
    """60-bit key → 30-bit content: 12 bytes a slot, a quarter to two thirds of them taken.

    Open addressing with linear probing; a key that is taken out has those behind it moved up, so that nothing
    is left in its place. A slot without a key has 0; a key of 0 is never found (1 in 10^18).
    """

    __slots__ = ("_contents", "_keys", "_mask", "count")

    def __init__(self) -> None:
        self.count: i64 = 0
        self._lay_out(FEWEST)

    def _lay_out(self, slots: i64) -> None:
        self._keys = vec[i64]([0] * slots)
        self._contents = vec[i32]([0] * slots)
        self._mask: i64 = slots - 1

    def get(self, key: i64) -> i64:
        """The content under a key; -1: there is none."""
        keys, mask = self._keys, self._mask
        at: i64 = key & mask
        while keys[at]:
            if keys[at] == key:
                return i64(self._contents[at])
            at = (at + 1) & mask
        return -1

    def put(self, key: i64, content: i64) -> None:
        """Put a content under a key that has none."""
        self._set(key, content)
        self.count += 1
        if 3 * self.count > 2 * self._mask:
            self.fit()

    def _set(self, key: i64, content: i64) -> None:
        keys, mask = self._keys, self._mask
        at: i64 = key & mask
        while keys[at]:
            at = (at + 1) & mask
        keys[at] = key
        self._contents[at] = i32(content)

    def drop(self, key: i64) -> None:
        """Take a key out that is in."""
        keys, contents, mask = self._keys, self._contents, self._mask
        hole: i64 = key & mask
        while keys[hole] and keys[hole] != key:
            hole = (hole + 1) & mask
        at: i64 = (hole + 1) & mask
        while keys[at]:
            if ((at - keys[at]) & mask) >= ((at - hole) & mask):  # it may lie as far up as the hole
                keys[hole], contents[hole] = keys[at], contents[at]
                hole = at
            at = (at + 1) & mask
        keys[hole] = 0
        self.count -= 1

    def fit(self) -> None:
        """Have as many slots as go with what is in."""
        slots: i64 = self._mask + 1
        if 3 * self.count > 2 * self._mask:
            slots *= 2
        while slots > FEWEST and 4 * self.count < slots:
            slots //= 2
        if slots == self._mask + 1:
            return
        keys, contents, at = self._keys, self._contents, i64(0)
        self._lay_out(slots)
        while at < len(keys):
            if keys[at]:
                self._set(keys[at], i64(contents[at]))
            at += 1


class Ids:
    """60-bit hashes of ids with 30 bits of a hash of their content, for twice the lateness after arrival.

    Two things with the same hash within that time would be taken for one: with the 400,000 ids of 20 minutes
    at 350 events/s the chance that any two are is below 1 in 10 million, at the limit of 8 M 3 in 100,000.
    Machine integers throughout: 40 bytes an id in place of 140 to 230 as Python's, in two thirds of the time.
    """

    __slots__ = ("_arrivals", "_begins", "_contents", "_first", "_gone", "_keys", "_last_ms", "horizon_ms")

    def __init__(self, lateness_ms: int = limits.LATENESS_MS) -> None:
        self.horizon_ms = 2 * lateness_ms
        self._contents = Contents()
        self._keys = vec[i64]()  # in order of arrival
        self._arrivals = vec[i64]()  # each once
        self._begins = vec[i64]()  # the first key of each arrival
        self._last_ms: i64 = -1  # the last of them
        self._first: i64 = 0  # the first arrival whose keys are still remembered
        self._gone: i64 = 0  # keys that are in no list any more

    def __len__(self) -> int:
        return int(self._contents.count)

    @property
    def taken(self) -> int:
        """How many were ever remembered."""
        return int(self._gone) + len(self._keys)

    @property
    def oldest_ms(self) -> int:
        """The first arrival that is still remembered; 0: none is."""
        return int(self._arrivals[self._first]) if self._first < len(self._arrivals) else 0

    def since(self, taken: int) -> IdRow:
        """Those remembered after the first ``taken``, but for what is forgotten."""
        row, found, contents = IdRow([], [], b"", b""), BytesWriter(), BytesWriter()
        wanted: i64 = i64(taken) - self._gone
        place: i64 = len(self._arrivals)
        while place > self._first and self._end(place - 1) > wanted:
            place -= 1
        while place < len(self._arrivals):
            at, end = max(self._begins[place], wanted), self._end(place)
            if at < end:
                row.arrivals.append(int(self._arrivals[place]))
                row.counts.append(int(end - at))
            while at < end:
                write_i64_le(found, self._keys[at])
                write_i64_le(contents, self._contents.get(self._keys[at]))
                at += 1
            place += 1
        row.keys, row.contents = found.getvalue(), contents.getvalue()
        return row

    def _end(self, place: i64) -> i64:
        """The key behind the last one of an arrival."""
        return self._begins[place + 1] if place + 1 < len(self._begins) else i64(len(self._keys))

    def remember(self, row: IdRow, from_ms: int) -> None:
        """Take in what was stored, but for what arrived before ``from_ms``; rows come in order."""
        keys, contents = array("Q", row.keys), array("Q", row.contents)
        end = 0
        for arrival_ms, count in zip(row.arrivals, row.counts, strict=True):
            begin, end = end, end + count
            if arrival_ms < from_ms:
                continue
            self._begin(i64(arrival_ms))
            for key, content in zip(keys[begin:end], contents[begin:end], strict=True):
                self._keep(i64(key), i64(content))

    def check(self, shop_seed: int, event_id: str, content: i64, arrival_ms: i64) -> int:
        """Say whether ``event_id`` of the shop is ``NEW``, a ``DUPLICATE`` or ``REUSED``; remember a new one.

        Args:
            shop_seed: ``fields.seed_of`` the shop.
            event_id: As sent.
            content: The event's ``content_of``.
            arrival_ms: The record's arrival; never less than at the call before.
        """
        if arrival_ms != self._last_ms:
            self._forget(arrival_ms)
            self._begin(arrival_ms)
        key = hash_of(event_id.encode(), shop_seed) >> KEY_CUT & KEY_MASK
        known = self._contents.get(key)
        if known >= 0:
            return DUPLICATE if known == content & CONTENT_MASK else REUSED
        self._keep(key, content & CONTENT_MASK)
        return NEW

    def _keep(self, key: i64, content: i64) -> None:
        self._contents.put(key, content)
        self._keys = append(self._keys, key)

    def _begin(self, arrival_ms: i64) -> None:
        if arrival_ms != self._last_ms:
            self._last_ms = arrival_ms
            self._arrivals = append(self._arrivals, arrival_ms)
            self._begins = append(self._begins, i64(len(self._keys)))

    def _forget(self, now_ms: i64) -> None:
        oldest_ms = now_ms - i64(self.horizon_ms)
        first, end = self._first, i64(len(self._arrivals))
        while first < end and (self._arrivals[first] < oldest_ms or self._contents.count > limits.IDS_MAX):
            at, last = self._begins[first], self._end(first)
            while at < last:
                self._contents.drop(self._keys[at])
                at += 1
            first += 1
        self._first = first
        if 2 * first > end:
            self._trim()

    def _trim(self) -> None:
        """No list is more than twice as long as what is remembered."""
        first, end = self._first, i64(len(self._arrivals))
        count = self._begins[first] if first < end else i64(len(self._keys))
        begins = vec[i64]()
        for begin in self._begins[first:]:
            begins = append(begins, begin - count)
        self._keys, self._arrivals, self._begins = self._keys[count:], self._arrivals[first:], begins
        self._gone, self._first = self._gone + count, 0
        if first == end:
            self._last_ms = -1
        self._contents.fit()
