"""Sliding windows over buckets of the ask, and the pace of the last half hour."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

from monitor.engine.limits import PACE_MS

BUCKETS_MS: Final = tuple(s * 1000 for s in (5, 10, 30, 60, 120, 300, 600, 900, 1800))
PACE_BUCKET_MS: Final = 30_000
PACE_BUCKETS: Final = PACE_MS // PACE_BUCKET_MS
PACE_KEPT: Final = PACE_BUCKETS + 20  # and what lateness can still take back


def bucket_ms(width_ms: int) -> int:
    """The least bucket of which at most 60 make the window (design §5)."""
    return next(bucket for bucket in BUCKETS_MS if width_ms <= 60 * bucket)


def edges_ms(width_ms: int, now_ms: int) -> tuple[int, int]:
    """The half-open interval a window covers at ``now_ms``: it ends with the running bucket."""
    bucket = bucket_ms(width_ms)
    end = (now_ms // bucket + 1) * bucket
    return end - width_ms, end


class StateLog:
    """Rounds by state in buckets of their ask, for one window of one meter."""

    __slots__ = ("bucket_ms", "buckets", "floor_ms", "width_ms")

    def __init__(self, width_ms: int) -> None:
        self.width_ms = width_ms
        self.bucket_ms = bucket_ms(width_ms)
        self.buckets: dict[int, list[int]] = {}
        self.floor_ms = 0  # asks before it are no longer kept

    def shift(self, ask_ms: int, old: int, new: int) -> None:
        """Move a round asked at ``ask_ms`` from one state to another."""
        if ask_ms < self.floor_ms:
            return
        bucket = self.buckets.get(ask_ms // self.bucket_ms)
        if bucket is None:
            bucket = self.buckets[ask_ms // self.bucket_ms] = [0, 0, 0, 0]
        bucket[old] -= 1
        bucket[new] += 1

    def prune(self, now_ms: int) -> None:
        """Forget what no later clock can show."""
        self.floor_ms = max(self.floor_ms, edges_ms(self.width_ms, now_ms)[0])
        first = self.floor_ms // self.bucket_ms
        for index in [index for index in self.buckets if index < first]:
            del self.buckets[index]

    def read(self, now_ms: int) -> tuple[int, int, int]:
        """``(open, late, good)`` rounds whose ask lies in the window."""
        start, end = edges_ms(self.width_ms, now_ms)
        totals = [0, 0, 0, 0]
        for index in range(start // self.bucket_ms, end // self.bucket_ms):
            bucket = self.buckets.get(index)
            if bucket is not None:
                for state in (1, 2, 3):
                    totals[state] += bucket[state]
        return totals[1], totals[2], totals[3]


class WaitLog:
    """Waits of answered rounds in buckets of their ask, for one window of a response time."""

    __slots__ = ("bucket_ms", "buckets", "floor_ms", "width_ms")

    def __init__(self, width_ms: int) -> None:
        self.width_ms = width_ms
        self.bucket_ms = bucket_ms(width_ms)
        self.buckets: dict[int, list[int]] = {}
        self.floor_ms = 0

    def add(self, ask_ms: int, wait_ms: int) -> None:
        """Count an answered round."""
        if ask_ms >= self.floor_ms:
            self.buckets.setdefault(ask_ms // self.bucket_ms, []).append(wait_ms)

    def remove(self, ask_ms: int, wait_ms: int) -> None:
        """Take one back."""
        if ask_ms >= self.floor_ms:
            self.buckets[ask_ms // self.bucket_ms].remove(wait_ms)

    def prune(self, now_ms: int) -> None:
        """Forget what no later clock can show."""
        self.floor_ms = max(self.floor_ms, edges_ms(self.width_ms, now_ms)[0])
        first = self.floor_ms // self.bucket_ms
        for index in [index for index in self.buckets if index < first]:
            del self.buckets[index]

    def read(self, now_ms: int) -> list[int]:
        """The waits of rounds whose ask lies in the window."""
        start, end = edges_ms(self.width_ms, now_ms)
        span = range(start // self.bucket_ms, end // self.bucket_ms)
        return [wait for index in span for wait in self.buckets.get(index, ())]


@mypyc_attr(acyclic=True)
class Pace:
    """Moments in buckets of 30 s: how many lie in the last 30 minutes.

    The sum of the window read last is kept, and moved on by the buckets that enter and leave it.
    """

    __slots__ = ("_last", "_sum", "buckets")

    def __init__(self, buckets: dict[int, int] | None = None) -> None:
        self.buckets = buckets or {}
        self._last = -1  # the last bucket of the window whose sum is kept
        self._sum = 0

    def add(self, at_ms: int, count: int) -> None:
        """Count (or, below 0, take back) moments at ``at_ms``."""
        index = at_ms // PACE_BUCKET_MS
        buckets = self.buckets
        buckets[index] = buckets.get(index, 0) + count
        if self._last - PACE_BUCKETS < index <= self._last:
            self._sum += count
        if len(buckets) > PACE_KEPT:  # older ones are never read again, not even to be taken back
            for old in [known for known in buckets if known < index - PACE_KEPT]:
                del buckets[old]

    def read(self, now_ms: int) -> int:
        """How many lie in [e − 30 min, e), where e ends the running bucket."""
        last = now_ms // PACE_BUCKET_MS
        if last != self._last:
            get = self.buckets.get
            if self._last < last < self._last + PACE_BUCKETS:
                for index in range(self._last + 1, last + 1):
                    self._sum += get(index, 0) - get(index - PACE_BUCKETS, 0)
            else:
                self._sum = sum(get(index, 0) for index in range(last - PACE_BUCKETS + 1, last + 1))
            self._last = last
        return self._sum

    def most(self, now_ms: int) -> int:
        """The most that ``read`` can come to from now on: what lies ahead of the clock may yet join."""
        first = now_ms // PACE_BUCKET_MS - PACE_BUCKETS + 1
        return sum(count for index, count in self.buckets.items() if index >= first)


UNPACED: Final = Pace()  # of every meter whose pace nobody asks for: nothing is ever added to it
