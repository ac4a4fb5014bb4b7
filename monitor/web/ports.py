"""What the web asks of the daemon: protocols and the plain values that pass through them.

The runtime implements them; ``monitor.app`` passes them in. Times are epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.engine.events import Event
    from monitor.sources.found import Rejected
    from rules.pack import Text

Health = Literal["ok", "warn", "crit", "unknown", "partial"]
"""A verdict of the rules on a shop, the worst first shown; ``unknown`` is blind and never looks healthy."""


class EntranceClosedError(MonitorError):
    """All of it is to be sent again. Too much comes at once (``busy``): 429; low disk, starts or stops: 503.

    Parts of a large batch may have been taken: their ids make the repeat harmless.
    """

    def __init__(self, what: str, *, mend: str, code: str = "closed", retry_after_s: int = 5) -> None:
        """Say why it is not taken, its mend, and when to try again."""
        super().__init__(what, mend=mend, code=code)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Refused:
    """An event the entrance refused after it was decoded, by its place in the batch it was given."""

    place: int  # in ``events`` as passed to ``accept``
    code: str  # stable: reused | limit
    reason: str  # a sentence with the mend


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch, once what was accepted is durable. The three sum to the batch."""

    accepted: int
    duplicates: int = 0
    rejected: tuple[Refused, ...] = ()


class UnknownError(MonitorError):
    """What is asked about is not there, or not yet. Answered 404, 503 with code ``starting``."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way from a rule to a phone."""

    at_ms: int
    step: str  # rule verdict route inhibit silence group intent send settle acknowledge
    verdict: str
    reason: str


class ReasonsPort(Protocol):
    """Why somebody was told, or was not."""

    async def why(self, rule_id: str, subject: dict[str, str]) -> list[Step]:
        """What was noted of a rule on a subject, then what the rule says now and what becomes of it.

        Args:
            rule_id: The rule.
            subject: ``{"shop": "platform:shop_id"}`` or ``{"source": name}``.

        Raises:
            UnknownError: There is no such rule, or the subject was never seen.
        """
        ...


class EntrancePort(Protocol):
    """Where events go in."""

    async def accept(self, source: str, events: Sequence[Event], arrival_ms: int) -> Receipt:
        """Make a batch durable and say what became of it.

        Args:
            source: Name of the source: a token's, an endpoint's.
            events: Decoded and checked; may be empty. The web keeps no reference afterwards.
            arrival_ms: When the request had arrived; the log's own arrival is never less.

        Raises:
            EntranceClosedError: All of it is to be sent again, though parts of it may be durable.
        """
        ...

    async def refuse(self, source: str, rejected: Sequence[Rejected], arrival_ms: int) -> None:
        """Put into the dead letters what did not decode, or was refused later. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of a shop over one period, as counts; a rate is shown as ``(of - bad) / of``."""

    measure: str
    period: str
    title: dict[str, str]  # zh, en
    kind: str
    parts: dict[str, int | None]  # asked late open, count sum_ms max_ms mean_ms p50_ms …: design §11
    value: str | None = None  # decimal with 4 places, half up
    worst: str | None = None
    since_ms: int = 0
    partial: bool = False


@dataclass(frozen=True, slots=True)
class LineView:
    """A shop against one of its platform's lines."""

    line: str
    measure: str
    period: str
    limit: str  # "≥ 50%"
    penalty: dict[str, str]
    budget_left: int | None  # None: cannot be told (blind, nothing asked)
    budget_left_today: int | None = None
    breach_in_s: int | None = None  # None: not at this pace
    penalty_cny: int = 0  # 0: no amount is known
    at_risk: int = 0
    asked: int = 0
    late: int = 0
    title: dict[str, str] = field(default_factory=dict)  # of its measure: zh, en
    kind: str = "reply_rate"  # of its measure; an order_rate counts orders, and `late` those with the event
    since_ms: int = 0  # from when its figures are complete
    partial: bool = False  # that is later than the period begins

    @property
    def crossed(self) -> bool:
        """Whether the line is crossed, as far as is known."""
        return self.budget_left is not None and self.budget_left < 0


@dataclass(frozen=True, slots=True)
class ShopView:
    """A shop as lists and pages show it. ``lines`` come with the nearest to being crossed first."""

    platform: str
    shop_id: str
    health: Health
    blind: bool = False
    name: str = ""
    team: str = ""
    waiting: int = 0
    oldest_wait_ms: int | None = None
    lines: tuple[LineView, ...] = ()
    figures: tuple[Figure, ...] = ()  # only of one shop asked for by name
    as_of_ms: int = 0
    platform_name: dict[str, str] = field(default_factory=dict)  # zh, en; empty: its id is all we know
    timezone: str = ""

    @property
    def key(self) -> str:
        """``platform:shop_id``."""
        return f"{self.platform}:{self.shop_id}"

    @property
    def crossed(self) -> bool:
        """Whether a line is crossed, as far as is known."""
        return any(line.crossed for line in self.lines)

    @property
    def partial_since_ms(self) -> int:
        """From when its figures are complete, where that is later than a line's period begins; else 0."""
        return max((line.since_ms for line in self.lines if line.partial), default=0)


@dataclass(frozen=True, slots=True)
class WaitingView:
    """A conversation that is about to time out, or just did; ids in clear, for who must find the chat."""

    platform: str
    shop_id: str
    conversation_id: str
    customer_id: str
    measure: str
    ask_ms: int
    deadline_ms: int
    agent_id: str = ""
    costs_budget: bool = True
    shop_name: str = ""
    agent_name: str = ""
    url: str = ""  # the shop's conversation_url with the ids filled in


@dataclass(frozen=True, slots=True)
class AlertView:
    """An open alert."""

    id: str
    rule: str
    title: dict[str, str]
    subject: dict[str, str]  # {"shop": "pinduoduo:s1"} or {"source": "erp"}
    state: str  # pending firing holding
    severity: Literal["warn", "crit"]
    since_ms: int
    reason: dict[str, str]  # a sentence with the figures, as of `reason_ms`
    acknowledged_by: str = ""
    silenced_until_ms: int = 0
    advice: dict[str, str] = field(default_factory=dict)
    reason_ms: int = 0
    name: dict[str, str] = field(default_factory=dict)  # of the subject: the shop's, else what it is
    timezone: str = ""  # of its shop; empty: it is of none
    incident: str = ""  # this firing of it
    acknowledged_until_ms: int = 0  # 0: to its end


@dataclass(frozen=True, slots=True)
class Headline:
    """What an alert is about: the rule's title, the subject's name, zh and en; its zone, empty: of none."""

    title: dict[str, str]
    name: dict[str, str]
    timezone: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source and whether it can be trusted."""

    name: str
    blind: bool
    last_heard_ms: int | None = None
    late_dropped: int = 0  # events that came too late to count, since the start


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is. ``ready`` is what /readyz answers; ``problems`` say why it is not.

    ``notices`` are what somebody should see to although nothing is wrong with the daemon.
    """

    ready: bool
    now_ms: int  # the shard's clock
    version: str = ""
    started_ms: int = 0
    shops: int = 0
    lag_ms: int = 0  # between the wall clock and the shard's
    sources: tuple[SourceStatus, ...] = ()
    problems: tuple[Text, ...] = ()
    notices: tuple[Text, ...] = ()


class ViewPort(Protocol):
    """Where pages and API read figures. Calls return at once, from memory."""

    def shops(self) -> list[ShopView]:
        """Every shop, the nearest to a line first."""
        ...

    def shop(self, platform: str, shop_id: str) -> ShopView | None:
        """One shop with its figures; None when it was never seen."""
        ...

    def at_risk(
        self, limit: int, covers: Callable[[str], bool] | None = None
    ) -> tuple[list[WaitingView], int]:
        """Open rounds by deadline, the soonest first; those just lost may lead.

        Args:
            limit: How many.
            covers: Of which shops, by ``platform:shop_id``; None: of all.

        Returns:
            They, and how many there are in all.
        """
        ...

    def alerts(self) -> list[AlertView]:
        """Open alerts: crit first, then the oldest."""
        ...

    def headline(self, rule: str, subject: dict[str, str]) -> Headline:
        """What an alert is about, in words, be it open or long over."""
        ...

    def status(self) -> Status:
        """How the daemon is."""
        ...
