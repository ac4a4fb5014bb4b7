"""Response times: a histogram whose share within 1 … 300 s is exact (decision 7)."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from mypy_extensions import mypyc_attr

from monitor.engine.rows import ResponsesRow

FINE_BINS: Final = 300  # of one second


def _edges() -> tuple[int, ...]:
    edges = [second * 1000 for second in range(1, FINE_BINS + 1)]
    while edges[-1] < 40 * 86_400_000:
        edges.append(edges[-1] * 102 // 100)
    return tuple(edges)


EDGES_MS: Final = _edges()  # upper edge of each bin


def bin_of(wait_ms: int) -> int:
    """The index of the bin a wait falls in."""
    if wait_ms <= FINE_BINS * 1000:
        return (wait_ms - 1) // 1000 if wait_ms > 0 else 0
    return min(bisect_left(EDGES_MS, wait_ms), len(EDGES_MS) - 1)


@mypyc_attr(acyclic=True)
class Responses:
    """Answered, counted rounds of one measure: count, sum and waits by bin.

    ``max_ms`` is not invertible: -1 means that a maximum was taken away and must be looked up again.
    """

    __slots__ = ("bins", "count", "max_ms", "sum_ms")

    def __init__(self, row: ResponsesRow | None = None) -> None:
        self.count = row.count if row is not None else 0
        self.sum_ms = row.sum_ms if row is not None else 0
        self.max_ms = row.max_ms if row is not None else 0
        self.bins = row.bins if row is not None else {}

    def row(self) -> ResponsesRow:
        """What is kept of it."""
        return ResponsesRow(self.count, self.sum_ms, self.max_ms, self.bins)

    def add(self, wait_ms: int) -> None:
        """Count one answered round."""
        self.count += 1
        self.sum_ms += wait_ms
        if 0 <= self.max_ms < wait_ms:
            self.max_ms = wait_ms
        index = (wait_ms - 1) // 1000 if 0 < wait_ms <= 300_000 else bin_of(wait_ms)
        bins = self.bins
        bins[index] = bins.get(index, 0) + 1

    def remove(self, wait_ms: int) -> None:
        """Take one back."""
        self.count -= 1
        self.sum_ms -= wait_ms
        if not self.count:
            self.max_ms = 0
        elif wait_ms == self.max_ms:
            self.max_ms = -1
        index = bin_of(wait_ms)
        left = self.bins[index] - 1
        if left:
            self.bins[index] = left
        else:
            del self.bins[index]

    def merge(self, other: Responses) -> None:
        """Add all of another period; both maxima must be known."""
        self.count += other.count
        self.sum_ms += other.sum_ms
        self.max_ms = max(self.max_ms, other.max_ms)
        for index, count in other.bins.items():
            self.bins[index] = self.bins.get(index, 0) + count

    def percentile_ms(self, per_cent: int) -> int | None:
        """Nearest rank: the upper edge of the bin that holds the ⌈count · p / 100⌉-th smallest wait."""
        if not self.count:
            return None
        rank = -(-self.count * per_cent // 100)
        for index in sorted(self.bins):
            rank -= self.bins[index]
            if rank <= 0:
                return EDGES_MS[index]
        raise AssertionError("bins and count disagree")

    def mean_ms(self) -> int | None:
        """The mean, rounded half up."""
        return (2 * self.sum_ms + self.count) // (2 * self.count) if self.count else None
