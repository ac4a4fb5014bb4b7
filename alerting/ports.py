"""What alerting needs from outside, passed in by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from rules.pack import Line, Text

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alerting.policy.records import (
        AccountState,
        Changes,
        Cursor,
        Delivery,
        Flight,
        Input,
        Intent,
        Queued,
        Result,
        Sibling,
        State,
        Trace,
    )
    from rules.transition import Transition


P = ParamSpec("P")
R = TypeVar("R")


class Clock(Protocol):
    """Time as epoch milliseconds, and waiting for it."""

    def now_ms(self) -> int:
        """Read the clock."""

    async def wait(self, event: asyncio.Event, until_ms: int) -> None:
        """Return when ``event`` is set or it is ``until_ms``, whichever is first."""


class Tapped(Protocol):
    """Somebody tapped a button of a card."""

    @property
    def user(self) -> str:
        """Who, as the provider knows them."""

    @property
    def key(self) -> str:
        """What the button says to do."""

    @property
    def task_id(self) -> str:
        """On which card."""


class TapReader(Protocol):
    """The callback address of an app."""

    def echo(self, query: Mapping[str, str]) -> str:
        """What to answer when the provider tries the address; AlertingError when it is another."""

    def read(self, query: Mapping[str, str], body: bytes) -> Tapped | None:
        """A tap, or None for something else; AlertingError when it is forged or old."""

    def reply(self, user: str, button: str) -> str:
        """What to answer to a tap: the button's new name."""


class DeskStore(Protocol):
    """The desk's part of the store. Sync, called from one thread; each write is one transaction."""

    def lead_desk(self, owner: str, now_ms: int, until_ms: int) -> bool:
        """Take or renew the lead among several desks, or let go (0); False while another's lease runs."""

    def desk_cursor(self) -> Cursor:
        """How far the desk has folded."""

    def take_desk(self, owner: str = "") -> tuple[int, Cursor]:
        """Become the desk's owner: ``(epoch, cursor)``; writes of the former owner then fail.

        A desk that is one of several names itself, and must lead.

        Raises:
            Fenced: Another desk leads.
        """

    def desk_rows(self) -> Iterator[tuple[str, str, bytes]]:
        """All desk rows: kind, key, body."""

    def transitions_after(self, cursor: Cursor) -> list[Transition]:
        """Transitions past the cursor, by shard and position; all of a record or none."""

    def inputs_after(self, seq: int) -> list[tuple[int, Input]]:
        """Inputs past ``seq``, in order, with their sequence."""

    def add_input(self, item: Input) -> int:
        """Append an input; its sequence."""

    def commit_desk(self, epoch: int, changes: Changes, cursor: Cursor) -> None:
        """Write changed rows, intents and the cursor.

        A move or void touches an intent only while it is queued.

        Raises:
            Fenced: Another desk took over.
            StoreFull: Nothing was written; call again with the same arguments.
        """

    def traces(self, alert: str) -> list[Trace]:
        """The last hundred traces of an alert, oldest first."""


class SenderStore(Protocol):
    """The sender's part of the store."""

    def lease(self, account: str, owner: str, now_ms: int, until_ms: int) -> bool:
        """Take or renew the account; False while another owner's lease runs.

        An ``until_ms`` of now lets go of it.
        """

    def recover(self, account: str, now_ms: int) -> int:
        """Make what a dead sender left in flight ambiguous; how many deliveries that were.

        Their intents are queued again, marked: nobody knows whether they left, and a lost one is a fine.
        """

    def flights(self, account: str, since_ms: int) -> list[Flight]:
        """What a dead sender left in flight since then."""

    def account(self, account: str, since_ms: int) -> AccountState:
        """Attempts at or after ``since_ms``, and until when the account is closed."""

    def close_account(self, account: str, until_ms: int) -> None:
        """Remember that the provider refuses everything until then."""

    def due(self, account: str, now_ms: int, limit: int) -> list[Queued]:
        """Queued intents that may be sent now: crit first, then the oldest."""

    def ended(self, account: str, limit: int) -> list[Queued]:
        """Queued intents that name an ended alert, due or not: they ride with a digest."""

    def next_due_ms(self, account: str, now_ms: int) -> int | None:
        """When the next queued intent after now becomes due; None when there is none."""

    def siblings(self, incidents: Sequence[str], account: str) -> dict[str, list[Sibling]]:
        """What became of the intents of incidents, by incident."""

    def begin(self, delivery: Delivery, owner: str) -> int:
        """Write a delivery as ``sending`` with its payload and intents; its id.

        Raises:
            Fenced: The lease is not ours.
            StoreFull: Nothing was written.
        """

    def finish(
        self,
        delivery: int,
        state: State,
        result: Result,
        *,
        requeue: bool = False,
        code: str = "",
        provider_id: str = "",
        detail: str = "",
        bad: bool = False,
        traces: Sequence[Trace] = (),
    ) -> None:
        """Record what became of a delivery, and why; once, however often it is called.

        Without ``requeue`` its intents take the state and ``result`` becomes a desk input; with it they
        are queued again (``bad``: counted as refused; state ``ambiguous``: marked as a second try).
        """

    def settle(self, result: Result, traces: Sequence[Trace] = ()) -> None:
        """Give intents their last state without sending them, and tell the desk."""


class Store(DeskStore, SenderStore, Protocol):
    """All that alerting needs of a store."""


class Worker(Protocol):
    """Where calls that may wait for the disk are made."""

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call and return its result, or raise its exception."""


class InPlace:
    """Make calls where they are asked for."""

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make the call at once."""
        return call(*args, **kwargs)


class Metrics(Protocol):
    """Failures by name and few labels; what became of messages."""

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        """Add ``n``."""

    def delivered(self, number: int, account: str, kind: str, alerts: int, took_ms: Sequence[int]) -> None:
        """Take in what became of a message; ``took_ms`` of its news, from the transition to the answer."""


class NoMetrics:
    """Count nothing."""

    def count(self, name: str, n: int = 1, **labels: str) -> None:
        """Do nothing."""

    def delivered(self, number: int, account: str, kind: str, alerts: int, took_ms: Sequence[int]) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class ShopInfo:
    """A shop as messages show it."""

    name: str
    url: str = ""
    timezone: str = "Asia/Shanghai"
    platform: Text = field(default_factory=lambda: Text(""))  # what people call its platform
    team: str = ""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule as messages show it."""

    title: Text
    advice: Text = field(default_factory=lambda: Text(""))
    measure: Text = field(default_factory=lambda: Text(""))  # the measure's title
    kind: str = ""  # the measure's kind: reply_rate, response_time, waiting, order_rate
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Who holds a conversation."""

    name: str
    wecom_id: str = ""
    phone: str = field(default="", repr=False)
    feishu_id: str = ""


class Directory(Protocol):
    """Names, links and texts of shops, rules and people; unknown ones by their ids."""

    def shop(self, key: str) -> ShopInfo:
        """The shop ``platform:shop_id``."""

    def rule(self, rule: str, shop: str) -> RuleInfo:
        """The rule as it holds for the shop (its pack's measure and line); ``shop`` may be empty."""

    def agent(self, shop: str, agent_id: str) -> Person:
        """An agent of the shop."""

    def contact(self, person: str, kind: str) -> str:
        """A person's contact of a kind, by the short name of people.yaml; empty: none is known."""

    def alert_url(self, intent: Intent) -> str:
        """Where what an intent tells of is shown, and can be acknowledged; empty: there is no page."""

    def alerts_url(self) -> str:
        """Where all open alerts are shown; empty: there is no page."""

    def chart_url(self, intent: Intent) -> str:
        """Where the course of what it tells of is drawn, about its time; empty: nowhere."""
