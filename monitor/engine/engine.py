"""Events in, figures out. Time enters only as an argument: arrivals, and the seconds judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from monitor.engine import limits
from monitor.engine.counts import Counts, Refused
from monitor.engine.entry import Entry
from monitor.engine.fields import (
    ACTION,
    ACTOR,
    AGENT_ID,
    AT,
    CONVERSATION_ID,
    CUSTOMER_ID,
    EXCLUDE,
    ID,
    PLATFORM,
    SEQ,
    SHOP_ID,
    SOURCE,
    TYPE,
    content_of,
    fields_of,
)
from monitor.engine.ids import DUPLICATE, NEW, Ids
from monitor.engine.orders import take_order
from monitor.engine.packer import Packer
from monitor.engine.rounds import AGENT, ASSIST, BACK, BOT, CUSTOMER, EXCLUDES, HANDOVER, OTHER
from monitor.engine.shop import Shop
from monitor.engine.wheel import NEVER_MS, Wheel

if TYPE_CHECKING:
    from mypy_extensions import i64

    from monitor.engine.events import Event
    from monitor.engine.sleeper import Sleeper
    from monitor.engine.spec import EngineSpec

# What an event of a conversation does in its fold, by actor or action.
OPERATIONS: Final[dict[str, dict[str, int]]] = {
    "message": {"customer": CUSTOMER, "agent": AGENT, "assist": ASSIST, "bot": BOT},
    "conversation": {"assigned": HANDOVER, "transferred": HANDOVER, "handed_back": BACK, "closed": BACK},
    "rating": {},
    "complaint": {},
}
OF_ORDER: Final = frozenset({"order", "refund", "dispute"})

Second = Callable[[int, dict[str, Shop]], None]  # (whole second in ms, shops that changed)
LEFT_MAX: Final = 5_000  # timers of what was packed since that may lie about on the wheel: 1 MB


class Engine:
    """All shops of one shard."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self.lateness_ms = spec.lateness_ms
        self.now_ms = 0  # the shard's clock: the latest arrival
        self.judged_ms = 0  # the last whole second that was judged
        self.shops: dict[str, Shop] = {}  # by key
        self.ids = Ids(spec.lateness_ms)
        self.wheel = Wheel()
        self.packer = Packer()
        self.rouse: Callable[[Sleeper], None] = self.wake  # one for all shops: a bound method has 80 bytes
        self.on_wake: Callable[[Shop], None] | None = None  # unpacks a shop: there may be rules on it
        self.left = 0  # timers on the wheel of what was packed since
        self.called = False  # a timer wants the shard to look at its sources
        self.changed: dict[str, Shop] = {}  # figures changed since the rules last looked
        self.dirty: dict[str, Shop] = {}  # state changed since then
        self.counts = Counts()
        self.heard: list[tuple[str, int]] = []  # sources of the events folded since, periods they promised
        self._names: dict[str, str] = {}  # each source under one text: two are the same if they are one
        self._name = ""  # the source of the event before
        self._heard = False  # it is in ``heard`` for this record
        self.late: dict[str, int] = {}  # late-dropped events since then, by source
        self.linked: list[tuple[str, Shop]] = []  # shops first heard of through a source since then
        self.heard_old: set[str] = set()  # those of them that sent an event older than lateness
        self.skips_until = -1  # the last of those records
        self.skips: dict[str, int] = {}  # shops restored from beyond the floor → the last record they hold

    # the clock

    def stays(self, to_ms: int) -> bool:
        """Move the clock on if no whole second passes on the way; whether that was so."""
        if to_ms >= self.judged_ms + 1000:
            return False
        self.now_ms = max(self.now_ms, to_ms)
        return True

    def advance(
        self, to_ms: int, judge: Second | None = None, look: Callable[[int], None] | None = None
    ) -> None:
        """Move the clock on, second by second.

        ``judge`` is called for each at which something changed; before it ``look``, where a timer has set
        ``called``.
        """
        if self.stays(to_ms):
            return
        second: i64 = self.judged_ms // 1000 + 1
        last: i64 = to_ms // 1000
        if not self.judged_ms:
            second = last
        while second <= last:
            if not self.changed:
                next_due = self._next_due(second, last)
                if next_due > last:
                    break
                second = next_due
            now_ms = second * 1000
            due = self.wheel.take(second)
            if due is not None:  # a list and not either of two: walked by its index
                for what in due:
                    what.due(now_ms)
            self.judged_ms = now_ms
            if self.called:
                self.called = False
                if look is not None:
                    look(now_ms)
            if self.changed:
                changed = self.changed.copy()
                self.changed.clear()
                for shop in changed.values():
                    shop.changed = False
                    shop.moved()
                if judge is not None:
                    judge(now_ms, changed)
            second += 1
        self.go_on_from(max(self.judged_ms, last * 1000))
        self.now_ms = to_ms

    def go_on_from(self, judged_ms: int) -> None:
        """All up to this whole second was judged."""
        self.judged_ms = judged_ms
        self.wheel.passed = judged_ms // 1000

    def _next_due(self, second: int, last: int) -> int:
        """The first second from ``second`` on with something on the wheel."""
        if (
            last - second > 3600
        ):  # over long gaps a look at all seconds set is cheaper than a look at each second
            soonest = self.wheel.next_second()
            return last + 1 if soonest is None else max(soonest, second)
        has = self.wheel.has
        while second <= last and not has(second):
            second += 1
        return second

    def use(self, spec: EngineSpec) -> None:
        """Take a plan: days that have begun keep what they count."""
        same = spec.lateness_ms == self.lateness_ms
        self.spec, self.lateness_ms = spec, spec.lateness_ms
        self.ids.horizon_ms = 2 * spec.lateness_ms
        for shop in self.shops.values():
            shop.use(spec)
            shop.near.clear()  # of marks that may be none any more
            for number, day in shop.days.items():
                day.mark(shop.pack.on(number))
                day.settle()
            for conversation in shop.conversations.values():
                if not same:
                    self.wheel.after(conversation.latest_ms + spec.lateness_ms, conversation)
                for r in conversation.open:
                    r.mark_ms = 0
                    if r.ask_ms >= 0:
                        shop.arm_marks(r, self.judged_ms)

    # events

    def fold(
        self, events: list[Event], arrival_ms: int, source: str = "", position: int = 0
    ) -> list[Refused]:
        """Fold a record's events; the clock must stand at its arrival."""
        refused: list[Refused] = []
        counts, self._heard = self.counts, False
        counts.read += len(events)
        for index, event in enumerate(events):
            reason = self._take(event, arrival_ms, source, position)
            if reason is None:
                counts.accepted += 1
            elif reason == "duplicate":
                counts.duplicates += 1
            elif reason == "late":
                counts.late_dropped += 1
                name = event.source or source
                self.late[name] = self.late.get(name, 0) + 1
            elif reason != "skipped":
                counts.rejected += 1
                refused.append(Refused(index, reason))
        return refused

    def _take(self, event: Event, now_ms: int, source: str, position: int) -> str | None:
        fields = fields_of(event)
        kind: str = fields[TYPE]
        at: int = fields[AT]
        if at > now_ms + limits.AHEAD_MS:
            return "ahead"
        if at < limits.EARLIEST_MS:
            return "before_2000"
        name: str = fields[SOURCE] or source
        if kind == "heartbeat":
            self.heard.append((name, event.every if isinstance(event.every, int) else 0))
            return None
        if name != self._name:
            self._name, self._heard = self._names.setdefault(name, name), False
        name = self._name
        if not self._heard:
            self._heard = True
            self.heard.append((name, 0))
        shop = self.shops.get(f"{fields[PLATFORM]}:{fields[SHOP_ID]}")
        if shop is None:
            if len(self.shops) >= limits.SHOPS_MAX:
                return "limit_shops"
            shop = self.add_shop(fields[PLATFORM], fields[SHOP_ID])
        seen = self.ids.check(shop.seed, fields[ID], content_of(fields), now_ms)
        if seen != NEW:
            return "duplicate" if seen == DUPLICATE else "reused"
        late = at < now_ms - self.lateness_ms
        if late:
            self.heard_old.add(name)
        if self.skips and self.skips.get(shop.key, -1) >= position:
            self.linked.append((name, shop))  # the shop knows it, the source at this record may not
            return "skipped"
        if shop.packed:
            self.wake(shop)
        if late and shop.measured and not shop.takes(at, now_ms):
            return "late"
        if shop.measured:  # else of a platform without a pack: accepted, nothing is counted
            reason = self._count(shop, event, fields, now_ms)
            if reason is not None:
                return reason
        if name is not shop.source:
            shop.source = name
            if name not in shop.sources:
                shop.sources[name] = now_ms
                self.linked.append((name, shop))
        shop.active_ms = now_ms
        shop.moved()
        return None

    def _count(self, shop: Shop, event: Event, fields: tuple[Any, ...], now_ms: int) -> str | None:
        kind: str = fields[TYPE]
        conversation_id: str = fields[CONVERSATION_ID]
        operations = OPERATIONS.get(kind) if conversation_id else None
        if operations is not None:
            operation = operations.get(fields[ACTOR] if kind == "message" else fields[ACTION], OTHER)
            if fields[EXCLUDE]:
                operation += EXCLUDES
            return self._converse(shop, fields, operation, now_ms)
        if kind == "agent":
            shop.take_agent(event)
        elif kind in OF_ORDER:
            take_order(shop, fields)
        return None

    def _converse(self, shop: Shop, fields: tuple[Any, ...], operation: int, now_ms: int) -> str | None:
        at: int = fields[AT]
        conversation_id: str = fields[CONVERSATION_ID]
        conversation = shop.conversations.get(conversation_id)
        if conversation is None:
            if len(shop.conversations) >= limits.OPEN_CONVERSATIONS_MAX:
                return "limit_conversations"
            conversation = shop.conversation(conversation_id, max(at, now_ms))
        customer: str = fields[CUSTOMER_ID]
        if customer == conversation.customer:
            customer = conversation.customer  # one text for all its entries
        entry = Entry(at, fields[SEQ], fields[ID], now_ms, operation, fields[AGENT_ID], customer)
        return None if conversation.add(entry, now_ms) else "late"

    def add_shop(self, platform: str, shop_id: str) -> Shop:
        """A shop that is new here."""
        shop = self.shops[f"{platform}:{shop_id}"] = Shop(
            platform, shop_id, self.spec, self.wheel, self.changed, self.dirty, self.packer, self.rouse
        )
        return shop

    def wake(self, shop: Sleeper) -> None:
        """Unpack a shop; what was to rest while it slept rests first, and days that ended are closed."""
        assert self.on_wake is not None
        assert isinstance(shop, Shop)
        passed, self.wheel.passed = self.wheel.passed, self.judged_ms // 1000
        self.on_wake(shop)  # what is due in the very second that wakes it is set for that second
        self.wheel.passed = passed
        shop.rest_what_was_due(self.judged_ms)
        for day in [shop.days[number] for number in sorted(shop.days)]:
            if self.judged_ms >= day.end_ms + limits.DAY_KEPT_MS:
                shop.close(day)

    def lay_down(self, shop: Shop, timers: int) -> None:
        """Have a shop that sleeps woken when it is due; it left so many timers on the wheel."""
        if shop.due_ms < NEVER_MS:
            self.wheel.at(shop.due_ms, shop)
        self.left += timers
        if self.left > LEFT_MAX:
            self.left = 0
            self.wheel.sweep()
