"""The rules on one subject: judged when a figure changed or a timer is due, stepped, told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.wheel import Timed
from monitor.shard.lookout import AGENTS, LATE, NEAR, NONE, ORDERS, UNTRIED, Lookout, Watched
from monitor.shard.readings import ShopReading
from rules.judge import Judgement
from rules.machine import Reason, close, step, transition
from rules.rule import Rule
from rules.transition import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.engine.figures import Counted
    from monitor.engine.shop import Shop
    from monitor.shard.source_watch import SourceWatch
    from rules.transition import RuleState, Transition

SERVED: Final = Judgement("ok")
_OF_ITEMS: Final = (Reason.CLEARED, Reason.TOO_FEW)  # ends that say nothing of a conversation: it is gone


class Host:
    """What a watch needs of its shard."""

    __slots__ = ()

    def tell(self, told: Transition) -> None:
        """Put a transition out."""
        raise NotImplementedError

    def rules_of(self, shop: Shop, day: int) -> tuple[tuple[Watched, ...], Sequence[int]]:
        """The rules that watch a shop on a service day, and its pack's profile in sums."""
        raise NotImplementedError

    def call(self, watch: SourceWatch) -> None:
        """Have a source looked at in this second."""
        raise NotImplementedError

    def sources_of(self, shop: Shop) -> tuple[bool, int]:
        """Whether one is blind or catching up, and from when the shop's figures are complete."""
        raise NotImplementedError

    def told_late(self, shop: Shop, now_ms: int) -> bool:
        """Whether what is told at this second is told after a backfill."""
        raise NotImplementedError


class ShopWatch(Timed):
    """All rules on one shop. ``due`` makes it a timer: it asks for the shop to be judged at that second."""

    __slots__ = (
        "by_all",
        "complete_from",
        "dark",
        "day",
        "host",
        "lookouts",
        "moved_on",
        "next_ms",
        "over",
        "removed",
        "seconds",
        "shop",
        "states",
        "sums",
        "turns",
    )

    def __init__(self, shop: Shop, host: Host) -> None:
        self.shop = shop
        self.host = host
        self.day = -1
        self.lookouts: list[Lookout] = []
        self.by_all = False  # some rule is judged whatever moved
        self.sums: Sequence[int] = ()
        self.states: dict[str, RuleState] = {}  # by rule; a rule that is idle has none
        # Of rules that are gone, or mean another thing, since the plan changed:
        self.removed: dict[str, tuple[int, RuleState]] = {}  # with the meaning it had
        self.turns = -1  # the shop's, when the lookouts were last told what to read
        self.dark = False  # a source of the shop was blind or catching up at the last look
        self.complete_from = -1  # from when its figures were complete then
        self.moved_on = False  # a timer is due: figures may have moved by time alone
        self.next_ms = 0  # when time alone next moves a figure; 0: no timer is set
        self.seconds: list[int] = []  # those of the wheel on which it is set: a handful
        self.over = False  # the shop sleeps: another one watches it when it wakes

    def at(self, at_ms: int) -> None:
        """Have the shop judged at the first whole second not before ``at_ms``, once."""
        second = -(-at_ms // 1000)
        if second not in self.seconds:
            self.seconds.append(second)
            self.shop.wheel.at(at_ms, self)

    def due(self, now_ms: int) -> None:
        """Have the shop judged at this second."""
        if self.over:
            return
        self.seconds = [second for second in self.seconds if second > now_ms // 1000]
        if now_ms >= self.next_ms:
            self.next_ms = 0
        self.moved_on = True
        self.shop.touched()

    def is_set(self) -> bool:
        """Whether it still watches the shop."""
        return not self.over

    def look(self, now_ms: int) -> None:
        """Judge every rule at a whole second."""
        shop, host = self.shop, self.host
        day = shop.day_number(now_ms)
        if self.removed:
            self._resolve_removed(now_ms)
        entered = day != self.day
        self.turn()  # also before a day is left: its final figure is read
        if entered:
            self._enter(day, now_ms)
            self.turn()
        if shop.near:  # also where no rule looks: those of other shops have rounds marked in all of a pack
            shop.leave_out_gone()
        if not self.lookouts:
            self._let_pass()
            return
        dark, complete_from = host.sources_of(shop)
        anew = entered or dark != self.dark or complete_from != self.complete_from
        self.dark, self.complete_from = dark, complete_from
        awake: list[Lookout] = []
        if anew or self._has_moved():
            awake = [lookout for lookout in self.lookouts if self._is_awake(lookout, anew)]
        self._let_pass()
        every_ms = 0
        for lookout in awake:
            watched = lookout.watched
            reading = self._reading(lookout, now_ms, dark, complete_from)
            if watched.bounded and watched.id not in self.states:
                lookout.find_out(reading, plain=shop.zone.plain)
                if lookout.is_calm():
                    continue
            self._judge(watched, reading, now_ms)
            if watched.timed:
                due_ms = watched.judge.due_ms(reading)
                if due_ms:
                    self.at(due_ms)
            if watched.every_ms and (watched.always or reading.may_move()):
                every_ms = min(every_ms or watched.every_ms, watched.every_ms)
        if every_ms:
            self._look_again((now_ms // every_ms + 1) * every_ms)
        elif not self.next_ms and (
            max(shop.days, default=day) > day  # an ask is dated ahead, and counts when its day begins
            or any(lookout.wants_midnight(near=bool(shop.near)) for lookout in self.lookouts)
        ):
            self._look_again(shop.zone.midnight(day + 1))

    def _let_pass(self) -> None:
        """What was changed is looked at."""
        shop = self.shop
        shop.orders_changed = shop.agents_changed = False
        shop.counts_moved = shop.near_moved = self.moved_on = False

    def _look_again(self, at_ms: int) -> None:
        """Look when time alone moves a figure, if that is not to be sooner already."""
        if not self.next_ms or at_ms < self.next_ms:
            self.next_ms = at_ms
            self.at(at_ms)

    def _judge(self, watched: Watched, reading: ShopReading, now_ms: int) -> None:
        state = self.states.get(watched.id)
        judgement = watched.judge.judge(reading, clears=state is not None)
        if state is None and not judgement.severity:
            return
        rule, shop = watched.rule, self.shop
        after, change = step(rule, state, judgement, now_ms, retracted=shop.retracted)
        if change is not None:
            if rule.each == "conversation" and change.reason in _OF_ITEMS:
                change = change._replace(reason=Reason.GONE)
            facts = watched.judge.facts(reading, judgement)
            late = self.host.told_late(shop, now_ms)
            subject = {"shop": shop.key}
            self.host.tell(transition(rule, subject, change, judgement, facts, now_ms, after_the_fact=late))
        if after is not state:
            self._keep(rule, after, now_ms)

    def turn(self) -> None:
        """Tell the lookouts what to read, when a day was begun or closed since."""
        if self.turns != self.shop.turns:
            self.turns, self.shop.counts_moved = self.shop.turns, True
            made: dict[tuple[str, int], Counted] = {}
            for lookout in self.lookouts:
                lookout.turn(self.shop, self.day, made)

    def _has_moved(self) -> bool:
        """Whether anything of the shop is other than at the last look that any of its rules reads.

        An answer in time is nothing to rules on misses, and every other look is for one.
        """
        shop = self.shop
        moved = shop.counts_moved or shop.orders_changed or shop.agents_changed or bool(shop.near)
        return moved or self.by_all or self.moved_on or bool(self.states)

    def _is_awake(self, lookout: Lookout, anew: bool) -> bool:
        watched = lookout.watched
        gate = watched.gate
        moved = watched.counts and self.shop.counts_moved and lookout.read()
        if self.states and watched.id in self.states:
            if anew or self.moved_on:
                return True
            if watched.by_items:
                return self.shop.near_moved
            return self.shop.orders_changed if watched.by_orders else moved or not watched.by_counts
        if gate == AGENTS and self.shop.agents_changed:
            lookout.known = UNTRIED
        if lookout.is_calm() or (gate == LATE and lookout.late <= 0):
            return False
        if gate == NEAR:
            return bool(self.shop.near) and (anew or self.shop.near_moved or not watched.by_items)
        if gate == AGENTS:
            return self.shop.agents_changed or ((self.moved_on or anew) and bool(self.shop.agents))
        if gate == ORDERS:
            return self.shop.orders_changed or anew
        if not watched.by_counts or anew or (self.moved_on and watched.every_ms):
            return True
        return moved

    def _reading(self, lookout: Lookout, now_ms: int, dark: bool, complete_from: int) -> ShopReading:
        watched = lookout.watched
        days = watched.days
        complete = not days or complete_from <= self.shop.zone.midnight(self.day - days + 1)
        return ShopReading(
            self.shop,
            watched.measure,
            watched.period,
            self.sums,
            now_ms,
            self.day,
            blind=dark,
            complete=complete,
            counted=lookout.counted,
        )

    def _keep(self, rule: Rule, after: RuleState | None, now_ms: int) -> None:
        """Take a state that moved, and set its timers; those of one that did not are set already."""
        if after is None:
            self.states.pop(rule.id, None)
            return
        self.states[rule.id] = after
        if after.due_ms > now_ms:
            self.at(after.due_ms)
        self.look_at_midnight()

    def look_at_midnight(self) -> None:
        """Have the day's alerts ended, and longer periods read anew, when the day ends."""
        self.at(self.shop.zone.midnight(self.day + 1))

    def _enter(self, day: int, now_ms: int) -> None:
        """A service day begins: alerts on the day before end with its final figure."""
        if self.day >= 0:
            for lookout in self.lookouts:
                watched = lookout.watched
                state = self.states.get(watched.rule.id)
                if state is not None and watched.judge.ends_daily:
                    reading = self._reading(lookout, now_ms, dark=False, complete_from=0)
                    self._end(watched, state, Reason.DAY_ENDED, reading, now_ms)
        self.begin(day)
        if self.states:
            self.look_at_midnight()

    def begin(self, day: int) -> None:
        """Take the rules of a service day."""
        self.day = day
        self.turns = -1
        rules, self.sums = self.host.rules_of(self.shop, day)
        self.lookouts = [Lookout(watched) for watched in rules]
        self.by_all = any(watched.gate in (NONE, LATE) and not watched.by_counts for watched in rules)

    def _end(
        self, watched: Watched, state: RuleState, reason: Reason, reading: ShopReading, now_ms: int
    ) -> None:
        del self.states[watched.rule.id]
        change = close(state, reason)
        facts = watched.judge.facts(reading, SERVED, final=reason is Reason.DAY_ENDED)
        self.host.tell(transition(watched.rule, {"shop": self.shop.key}, change, SERVED, facts, now_ms))

    def _resolve_removed(self, now_ms: int) -> None:
        """Alerts of rules that are gone, or mean another thing, are resolved."""
        for rule_id, (_, state) in sorted(self.removed.items()):
            change = close(state, Reason.RULE_REMOVED)
            self.host.tell(
                transition(Rule(rule_id), {"shop": self.shop.key}, change, SERVED, Facts(), now_ms)
            )
        self.removed.clear()
