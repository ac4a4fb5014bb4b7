"""What a rule is judged on: the raw integers of one subject at one second.

The shard extends ``Reading`` over its live figures, tests use ``FixedReading``. Everything that a rule
compares (value, budget_left, breach_in …) is derived from these in ``rules.figures``.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.transition import Item  # noqa: TC001 - a dataclass is compiled with its annotations


class Reading:
    """The figures of one subject for one measure and period; what is not said of it is 0 or None.

    A class and not a protocol: rules are judged millions of times a day, and compiled code calls what a class
    declares without looking it up. ``now_ms``: the whole second that is judged; ``blind``: a source of the
    shop is blind, so the figures are unknown; ``complete``: they were complete for the whole period.
    """

    __slots__ = ("blind", "complete", "now_ms")

    now_ms: int
    blind: bool
    complete: bool

    @property
    def asked(self) -> int:
        """Units asked (order_rate: orders formed; response_time: rounds answered)."""
        return 0

    @property
    def late(self) -> int:
        """Units late (order_rate: orders with the event)."""
        return 0

    @property
    def open(self) -> int:
        """Units asked, not late, that could still become late."""
        return 0

    @property
    def expected(self) -> int:
        """R: units still expected today, see ``rules.budget.expected``."""
        return 0

    @property
    def newly_asked(self) -> int:
        """Units first asked in the last 30 minutes."""
        return 0

    @property
    def newly_late(self) -> int:
        """Units that became late in the last 30 minutes."""
        return 0

    @property
    def at_risk(self) -> int:
        """Open units that would cost budget."""
        return 0

    @property
    def waiting(self) -> int:
        """Unanswered rounds now."""
        return 0

    @property
    def oldest_wait_ms(self) -> int | None:
        """How long the oldest of them has waited."""
        return None

    @property
    def mean_ms(self) -> int | None:
        """Mean response time; this and the next four: None without an answer."""
        return None

    @property
    def p50_ms(self) -> int | None:
        """Median response time."""
        return None

    @property
    def p90_ms(self) -> int | None:
        """Response time that nine of ten are within."""
        return None

    @property
    def p95_ms(self) -> int | None:
        """Response time that nineteen of twenty are within."""
        return None

    @property
    def max_ms(self) -> int | None:
        """The longest response time."""
        return None

    @property
    def agents_online(self) -> int | None:
        """Agents online; None when no agent event was ever seen."""
        return None

    @property
    def in_service(self) -> bool:
        """Whether now lies in the pack's service hours."""
        return True

    @property
    def silent_ms(self) -> int:
        """Of a source: since when nothing was heard, in service hours."""
        return 0

    @property
    def items(self) -> tuple[Item, ...]:
        """Open counted rounds of the measure, soonest deadline first."""
        return ()


class Bound(Reading):
    """Counts at the worst that can come of them: nobody else is expected, every miss is a new one."""

    __slots__ = ("_asked", "_late")

    def __init__(self, asked: int, late: int) -> None:
        self._asked = asked
        self._late = late

    @property
    def asked(self) -> int:
        """Units asked."""
        return self._asked

    @property
    def late(self) -> int:
        """Units late."""
        return self._late

    @property
    def newly_late(self) -> int:
        """The most that may lie in the last half hour."""
        return self._late


@dataclass
class FixedReading(Reading):
    """A reading with given figures, for tests."""

    now_ms: int
    asked: int = 0
    late: int = 0
    open: int = 0
    expected: int = 0
    newly_asked: int = 0
    newly_late: int = 0
    at_risk: int = 0
    waiting: int = 0
    oldest_wait_ms: int | None = None
    mean_ms: int | None = None
    p50_ms: int | None = None
    p90_ms: int | None = None
    p95_ms: int | None = None
    max_ms: int | None = None
    agents_online: int | None = None
    in_service: bool = True
    complete: bool = True
    blind: bool = False
    silent_ms: int = 0
    items: tuple[Item, ...] = ()
