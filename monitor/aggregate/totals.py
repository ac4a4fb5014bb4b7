"""What shops give to a subject, put in and taken out: the sums of one subject under one aim."""

from __future__ import annotations

from operator import add, sub
from typing import NamedTuple

from monitor.aggregate.sums import COUNTS, Sums, sums_of
from monitor.engine.responses import Responses
from monitor.engine.rows import ResponsesRow

Counts = tuple[int, ...]  # in the order of Sums
DARK: Counts = (1, 1, *(0,) * (COUNTS - 2))
ASKED = 3  # the place of what was asked among them


class Given(NamedTuple):
    """What one shop gives to one subject."""

    counts: Counts
    oldest_ask_ms: int = 0
    answers: ResponsesRow | None = None


GIVEN_DARK = Given(DARK)


class Total:
    """The sums of one subject under one aim."""

    __slots__ = ("answers", "asks", "counts", "longest")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * len(DARK)
        self.asks: dict[str, int] = {}  # shop → its oldest ask that waits
        self.answers = Responses()
        self.longest: dict[str, int] = {}  # shop → its longest answer

    def put(self, shop: str, given: Given) -> None:
        """Add what a shop gives."""
        self.counts = list(map(add, self.counts, given.counts))
        if given.oldest_ask_ms:
            self.asks[shop] = given.oldest_ask_ms
        if given.answers is not None:
            self.answers.merge(Responses(given.answers))
            self.longest[shop] = given.answers.max_ms

    def take(self, shop: str, given: Given) -> None:
        """Take out what it gave."""
        self.counts = list(map(sub, self.counts, given.counts))
        self.asks.pop(shop, None)
        if given.answers is not None:
            self.answers.count -= given.answers.count
            self.answers.sum_ms -= given.answers.sum_ms
            for index, count in given.answers.bins.items():
                self.answers.bins[index] -= count
            del self.longest[shop]

    def sums(self) -> Sums:
        """As they are now."""
        answers = None
        if self.longest:
            bins = {index: count for index, count in self.answers.bins.items() if count}
            longest_ms = max(self.longest.values())
            answers = ResponsesRow(self.answers.count, self.answers.sum_ms, longest_ms, bins)
        return sums_of(self.counts, min(self.asks.values(), default=0), answers)
