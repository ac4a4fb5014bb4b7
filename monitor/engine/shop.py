"""One shop: its conversations, its days, who is on duty, and what of it has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.conversation import Conversation
from monitor.engine.day import Day
from monitor.engine.fields import order_of, seed_of
from monitor.engine.history import with_day
from monitor.engine.limits import DAY_KEPT_MS, ORDER_DAYS
from monitor.engine.rest import decode_row
from monitor.engine.sleeper import Sleeper
from monitor.engine.table import Shelf
from monitor.engine.units import UnitTally
from monitor.engine.wheel import NEVER_MS
from monitor.engine.windows import StateLog, WaitLog
from monitor.engine.zone import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.engine.events import Event
    from monitor.engine.figures import Past
    from monitor.engine.keys import Keys
    from monitor.engine.packer import Packer
    from monitor.engine.rounds import Round
    from monitor.engine.spec import DaySpec, EngineSpec, MeterSpec, PackSpec, ResponseSpec
    from monitor.engine.wheel import Wheel
    from monitor.engine.zone import Zone


class Shop(Sleeper):
    """The state of one shop. While it sleeps only its key, its pack and the names of its sources are here."""

    __slots__ = (
        "agents",
        "agents_changed",
        "changed",
        "closed",
        "conversations",
        "counts_moved",
        "days",
        "formed",
        "key",
        "lateness_ms",
        "measured",
        "moved_shops",
        "near",
        "near_moved",
        "online_agents",
        "orders_changed",
        "pack",
        "past",
        "platform",
        "quiet",
        "retracted",
        "seed",
        "shop_id",
        "source",
        "sources",
        "spec",
        "state_windows",
        "touched_shops",
        "turns",
        "wait_windows",
        "wheel",
        "zone",
    )

    def __init__(
        self,
        platform: str,
        shop_id: str,
        spec: EngineSpec,
        wheel: Wheel,
        touched_shops: dict[str, Shop],
        moved_shops: dict[str, Shop],
        packer: Packer,
        rouse: Callable[[Sleeper], None],
    ) -> None:
        super().__init__(packer, rouse)
        self.platform = platform
        self.shop_id = shop_id
        self.key = f"{platform}:{shop_id}"
        self.seed = seed_of(self.key)
        self.wheel = wheel
        self.touched_shops = touched_shops
        self.moved_shops = moved_shops
        self.use(spec)
        self.turns = 0  # how often a day was begun or closed
        self.changed = False
        self.retracted = False  # a miss was taken back since the rules last looked
        self.sources: dict[str, int] = {}  # source → first heard of this shop (ms)
        self.source: str | None = None  # the one it was heard through last
        self.begin_anew()

    def begin_anew(self) -> None:
        """Nothing is known of it."""
        self.conversations: dict[str, Conversation] = {}  # those in which something may still change
        self.quiet: Shelf | None = Shelf(self.packer)  # the others, packed
        self.days: dict[int, Day] = {}
        self.closed = b""  # day → Totals, compressed
        self.past: dict[tuple[int, int], Past] = {}  # (today, days) → sums, made when asked for
        self.formed: dict[int, Keys] = {}  # closed day → orders first formed on it
        self.agents: dict[str, tuple[int, int, str, str]] = {}  # → (at, seq, id, online | away | offline)
        self.online_agents = 0  # how many of them are online
        self.near: dict[Round, None] = {}  # open rounds that a rule on conversations has begun to look at
        self.near_moved = True  # what such a rule says of them may be other than at its last look
        self.counts_moved = True  # units were asked, late, or taken back since the rules last looked
        self.orders_changed = self.agents_changed = False
        self.state_windows: dict[tuple[str, int], StateLog] = {}
        self.wait_windows: dict[tuple[str, int], WaitLog] = {}

    def use(self, spec: EngineSpec) -> None:
        """Take a plan: days that have begun keep what they count."""
        self.spec = spec
        self.lateness_ms = spec.lateness_ms
        self.pack: PackSpec = spec.of(self.platform, self.key)
        self.zone: Zone = self.pack.zone
        self.measured = bool(self.pack.specs)

    def touched(self) -> None:
        """A figure of the shop has changed: its rules look again at the next whole second."""
        if not self.changed:
            self.changed = True
            self.touched_shops[self.key] = self

    def moved(self) -> None:
        """The state of the shop has changed: its rows are to be stored."""
        self.moved_shops[self.key] = self

    # days

    def day_number(self, at_ms: int) -> int:
        """The service day of a moment."""
        return self.zone.local(at_ms) // DAY_MS

    def takes(self, at_ms: int, now_ms: int) -> bool:
        """Whether the service day of a moment still takes events (decision 2)."""
        return now_ms < self.zone.midnight(self.day_number(at_ms) + 1) + DAY_KEPT_MS

    def keeps(self, number: int) -> bool:
        """Whether a day is kept in full."""
        return number in self.days

    def day_at(self, at_ms: int) -> Day:
        """The service day of a moment, begun if it is its first event."""
        number = self.day_number(at_ms)
        return self.days.get(number) or self._begin(number)

    def _begin(self, number: int) -> Day:
        day = self.begin(number, self.pack.on(number))
        self.wheel.after(day.settles_ms, day)
        return day

    def begin(self, number: int, spec: DaySpec) -> Day:
        """A service day with nothing counted, and no timer set."""
        day = self.days[number] = Day(self, number, spec)
        self.turns += 1
        return day

    def close(self, day: Day) -> None:
        """Keep only the totals of a day, and forget the conversations that were last heard of on it."""
        self.moved()
        self.closed = with_day(self.closed, self.packer, day.number, day.totals())
        if len(day.formed):
            self.formed[day.number] = day.formed
        self.formed = {n: keys for n, keys in self.formed.items() if n > day.number - ORDER_DAYS}
        del self.days[day.number]
        self.turns += 1
        for conversation in self.conversations.values():
            conversation.forget(day)
        quiet = self.shelf()
        quiet.keep([decode_row(packed).day > day.number for packed in quiet.values()])
        oldest_ms = day.end_ms + DAY_KEPT_MS - self.lateness_ms
        for states in self.state_windows.values():
            states.prune(oldest_ms)
        for waits in self.wait_windows.values():
            waits.prune(oldest_ms)
        self.past.clear()

    # conversations

    def shelf(self) -> Shelf:
        """Its conversations at rest."""
        assert self.quiet is not None
        return self.quiet

    def conversation(self, conversation_id: str, at_ms: int) -> Conversation:
        """A conversation, woken up if it rests, begun if it is new."""
        found = self.conversations.get(conversation_id)
        if found is None:
            packed = self.shelf().pop(conversation_id)
            if packed is None:
                found = Conversation(self, conversation_id)
            else:
                found = Conversation.woken(self, packed)
            self.conversations[conversation_id] = found
            self.wheel.after(at_ms + self.lateness_ms, found)
        return found

    def rest(self, conversation: Conversation) -> None:
        """Pack a conversation in which nothing changes without a new event, and its units."""
        self.moved()
        del self.conversations[conversation.id]
        if conversation.day is None:
            return
        self.shelf().put(conversation.id, conversation.pack())
        for r in conversation.rounds:
            for tally in r.track.tallies:
                if isinstance(tally, UnitTally) and r.ask_ms >= 0:
                    tally.rest(tally.unit_of(r))
            r.conversation = None

    def rest_what_was_due(self, now_ms: int) -> None:
        """Pack the conversations in which nothing could change any more before ``now_ms``."""
        for conversation in list(self.conversations.values()):
            if conversation.latest_ms + self.lateness_ms < now_ms:
                conversation.due(now_ms)

    def every_conversation(self) -> Iterator[Conversation]:
        """All that are kept; those at rest as copies to be read only."""
        yield from self.conversations.values()
        for packed in self.shelf().values():
            yield Conversation.woken(self, packed)

    # timers

    def arm(self, r: Round, now_ms: int) -> None:
        """Look at a round again when it can become late."""
        self.touched()
        soonest_ms = r.track.soonest_ms
        if soonest_ms < 0:
            return
        deadline_ms = r.ask_ms + soonest_ms
        if deadline_ms < now_ms:
            deadline_ms = r.next_deadline_ms(now_ms)
        self.set_deadline(r, deadline_ms)

    def set_deadline(self, r: Round, deadline_ms: int) -> None:
        """Put a round on the wheel for its next deadline, once."""
        if deadline_ms != r.deadline_ms:
            r.deadline_ms = deadline_ms
            if deadline_ms < NEVER_MS:
                self.wheel.after(deadline_ms, r)

    def arm_marks(self, r: Round, now_ms: int) -> None:
        """Look at a round when a rule next counts the seconds it has left, or has waited."""
        next_ms = 0
        messages = r.messages()
        for tally in r.track.tallies:
            for mark_ms in tally.spec.marks_ms:
                after_ms = tally.within_ms - mark_ms
                place = r.asked_before(now_ms - after_ms + 1)
                if place:
                    self.near[r] = None
                    self.near_moved = True
                if place < messages and (not next_ms or r.message_ms(place) + after_ms < next_ms):
                    next_ms = r.message_ms(place) + after_ms
        if next_ms and (r.mark_ms <= now_ms or next_ms < r.mark_ms):
            r.mark_ms = next_ms
            self.wheel.at(next_ms, r)

    # windows

    def state_logs(self, meter: MeterSpec) -> tuple[StateLog, ...]:
        """The sliding windows of a reply rate; they outlive its days."""
        logs = self.state_windows
        return tuple(logs.setdefault((meter.measure, width), StateLog(width)) for width in meter.windows_ms)

    def wait_logs(self, response: ResponseSpec) -> tuple[WaitLog, ...]:
        """The sliding windows of a response time."""
        logs = self.wait_windows
        return tuple(
            logs.setdefault((response.measure, width), WaitLog(width)) for width in response.windows_ms
        )

    # agents and rounds

    def take_agent(self, event: Event) -> None:
        """Keep whether an agent is online: the latest word counts, in event order."""
        assert isinstance(event.at, int)
        known = self.agents.get(event.agent_id)
        if known is None or order_of(event.at, event.seq, event.id) > order_of(*known[:3]):
            self.online_agents += (event.action == "online") - (known is not None and known[3] == "online")
            self.agents[event.agent_id] = (event.at, event.seq, event.id, event.action)
            self.agents_changed = True
            self.touched()

    def online(self) -> int | None:
        """How many agents are online; None when no agent event was ever seen."""
        return self.online_agents if self.agents else None

    def leave_out_gone(self) -> None:
        """Forget the rounds near a deadline that wait no longer."""
        gone = [r for r in self.near if not r.is_open()]
        for r in gone:
            del self.near[r]
            self.near_moved = True
