"""A time zone as a table of its offsets: where a service day begins, and what time of day it is."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

DAY_MS: Final = 86_400_000


class Zone:
    """A time zone as a table: from ``starts[i]`` (UTC ms) on, local time is UTC + ``offsets[i]``."""

    __slots__ = ("offset", "offsets", "plain", "starts")

    def __init__(self, offsets: tuple[int, ...], starts: tuple[int, ...] = (0,)) -> None:
        self.offsets = offsets
        self.starts = starts
        self.plain = len(offsets) == 1  # no shift of the clock
        self.offset = offsets[0]

    def local(self, at_ms: int) -> int:
        """Local milliseconds: ``// DAY_MS`` is the service day, ``% DAY_MS`` the time of day."""
        if self.plain:
            return at_ms + self.offset
        return at_ms + self.offsets[max(0, bisect_right(self.starts, at_ms) - 1)]

    def midnight(self, day: int) -> int:
        """UTC ms at which the service day begins.

        Where a shift of the clock skips or repeats midnight, the first instant whose local day is ``day``.
        """
        if self.plain:
            return day * DAY_MS - self.offset
        first = min(day * DAY_MS - offset for offset in self.offsets)
        last = max(day * DAY_MS - offset for offset in self.offsets)
        candidates = {first, last, *(start for start in self.starts if first <= start <= last)}
        candidates.update(day * DAY_MS - offset for offset in self.offsets)
        return min(at for at in candidates if self.local(at) >= day * DAY_MS)
