"""Response times as rules read them, of one shop or of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.reading import Reading

if TYPE_CHECKING:
    from monitor.engine.responses import Responses


class ResponseReading(Reading):
    """A reading whose response times are those that ``_times`` finds."""

    __slots__ = ()

    def _times(self) -> Responses | None:
        """The response times over the period; None: its measure has none."""
        return None

    def _percentile_ms(self, per_cent: int) -> int | None:
        times = self._times()
        return times.percentile_ms(per_cent) if times is not None else None

    @property
    def mean_ms(self) -> int | None:
        """Mean response time."""
        times = self._times()
        return times.mean_ms() if times is not None else None

    @property
    def p50_ms(self) -> int | None:
        """Median response time."""
        return self._percentile_ms(50)

    @property
    def p90_ms(self) -> int | None:
        """Response time that nine of ten are within."""
        return self._percentile_ms(90)

    @property
    def p95_ms(self) -> int | None:
        """Response time that nineteen of twenty are within."""
        return self._percentile_ms(95)

    @property
    def max_ms(self) -> int | None:
        """The longest response time."""
        times = self._times()
        return times.max_ms if times is not None and times.count else None
