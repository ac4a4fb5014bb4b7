"""What a platform counts: packs, measures and lines, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.problems import Place

HOUR_MS = 3_600_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Text:
    """A text in the languages we speak; Chinese is the default."""

    zh: str
    en: str = ""

    def in_language(self, language: str) -> str:
        """The text in ``language`` (``zh`` or ``en``), or in the other one when it has none."""
        return (self.en or self.zh) if language == "en" else (self.zh or self.en)


NO_TEXT = Text("")


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open hours of a day, in milliseconds since local midnight (24:00 is 86 400 000)."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with a definition (design §5). Durations are milliseconds, dates are ``YYYY-MM-DD``."""

    id: str
    title: Text
    kind: str  # reply_rate | response_time | waiting | order_rate
    within_ms: int | None = None
    unit: str = "round"  # message | round | session | customer_day
    late_if: str = "any_round"  # any_round | first_round
    answered_by: tuple[str, ...] = ("agent",)  # sorted; of agent, assist, bot
    counts: str = "all"  # all | human_stage
    hours_by: str = "ask"  # ask | session_start
    on_handover: str = "opens"  # opens | waits
    periods: tuple[str, ...] = ("day",)  # day, 7d, 30d, and windows such as 15m, 1h
    by: tuple[str, ...] = ()  # agent
    event: str | None = None  # order_rate: the event that puts an order in the numerator, "dispute.opened"
    outcome: tuple[str, ...] = ()  # order_rate: only events with one of these outcomes; empty: any
    service_hours: tuple[Span, ...] | None = None  # None: the pack's
    exempt_dates: tuple[str, ...] = ()
    sure: str = "C"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion as a reduced pair of integers: 90 % is 9/10, 0.3 % is 3/1000."""

    of: int
    per: int


@dataclass(frozen=True, slots=True)
class Line:
    """A platform's limit on a measure over a period, and what it costs to cross it."""

    id: str
    measure: str
    period: str
    at_least: Share | None = None  # exactly one of at_least and at_most
    at_most: Share | None = None
    min_count: int = 1
    sure: str = "C"
    penalty: Text = NO_TEXT
    penalty_cny: int = 0
    source: str = ""
    place: Place = field(default=Place(1, 1), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Pack:
    """One platform's rules from one date to another, in one time zone."""

    id: str
    version: str
    timezone: str
    service_hours: tuple[Span, ...]
    measures: dict[str, Measure]
    platform: str = ""  # the platform whose shops it serves; the pack's id where the file names none
    lines: dict[str, Line] = field(default_factory=dict)
    from_date: str | None = None  # first service day, YYYY-MM-DD; None: always
    until_date: str | None = None  # first service day no longer covered
    verified: str = ""
    title: Text = NO_TEXT
    exempt_dates: tuple[str, ...] = ()
    profile: tuple[int, ...] = (1,) * 48  # weight of each half-hour of the day in its traffic
    path: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """The share of units that may go wrong under a line: ``of`` in ``per``, whichever way it is written."""

    of: int
    per: int

    @classmethod
    def of_line(cls, line: Line) -> Limit:
        """10 % for "at least 90 %", 0.3 % for "at most 0.3 %"."""
        if line.at_least is not None:
            return cls(line.at_least.per - line.at_least.of, line.at_least.per)
        assert line.at_most is not None, line.id
        return cls(line.at_most.of, line.at_most.per)
