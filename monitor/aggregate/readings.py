"""The figures of a subject over several shops, as rules read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.responses import Responses
from monitor.engine.zone import DAY_MS
from monitor.shard.response_reading import ResponseReading
from monitor.zones import zone_of

if TYPE_CHECKING:
    from monitor.aggregate.sums import Sums
    from rules.pack import Pack


class SumReading(ResponseReading):
    """One aim on one subject at a whole second."""

    __slots__ = ("_answers", "_pack", "sums")

    def __init__(self, sums: Sums, pack: Pack, now_ms: int) -> None:
        self.sums = sums
        self.now_ms = now_ms
        self.blind = sums.dark == sums.shops  # of nothing nothing is known
        self.complete = not sums.partial
        self._pack = pack
        self._answers: Responses | None = None

    @property
    def asked(self) -> int:
        """Units asked; of an agent, rounds answered; of response times, as many."""
        return self.sums.asked

    @property
    def late(self) -> int:
        """Units late."""
        return self.sums.late

    @property
    def open(self) -> int:
        """Units that could still become late."""
        return self.sums.open

    @property
    def at_risk(self) -> int:
        """Open units are not late yet: each that is lost costs budget."""
        return self.sums.open

    @property
    def expected(self) -> int:
        """Units still expected today: those of each shop, summed."""
        return self.sums.expected

    @property
    def newly_asked(self) -> int:
        """Units first asked in the last 30 minutes."""
        return self.sums.newly_asked

    @property
    def newly_late(self) -> int:
        """Units that became late in the last 30 minutes."""
        return self.sums.newly_late

    @property
    def waiting(self) -> int:
        """Unanswered rounds now."""
        return self.sums.waiting

    @property
    def oldest_wait_ms(self) -> int | None:
        """How long the oldest of them has waited."""
        ask_ms = self.sums.oldest_ask_ms
        return self.now_ms - ask_ms if ask_ms else None

    def _times(self) -> Responses | None:
        if self._answers is None and self.sums.answers is not None:
            self._answers = Responses(self.sums.answers)
        return self._answers

    @property
    def agents_online(self) -> int | None:
        """Agents online; None when no agent event was ever seen of any shop."""
        return self.sums.online if self.sums.manned else None

    @property
    def in_service(self) -> bool:
        """Whether now lies in the pack's service hours."""
        of_day = zone_of(self._pack.timezone).local(self.now_ms) % DAY_MS
        return any(span.start_ms <= of_day < span.end_ms for span in self._pack.service_hours)
