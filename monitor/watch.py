"""The rules on one subject: judged when a figure changed or a timer is due, stepped, told."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from monitor.engine.figures import SPANS
from monitor.engine.rounds import LATE
from monitor.engine.wheel import Timed
from monitor.readings import ShopReading
from rules.judge import Judge, Judgement
from rules.machine import Reason, close, step, transition
from rules.rule import Rule
from rules.transition import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.engine.day import Day
    from monitor.engine.shop import Shop
    from monitor.engine.tallies import Tally
    from monitor.source_watch import SourceWatch
    from rules.pack import Measure
    from rules.transition import RuleState, Transition

MINUTE_MS: Final = 60_000
SERVED: Final = Judgement("ok")


class Gate(Enum):
    """What must be so before an idle rule can have anything to say; most shop-seconds end here."""

    NONE = 0
    LATE = 1  # every level asks for a miss today, and the measure has one
    NEAR = 2  # it looks at conversations, and one is near its deadline
    ORDERS = 3  # it looks at orders, and one has changed
    AGENTS = 4  # it looks at who is online, and that is known


class Watched:
    """One rule as it is judged on shops with one pack.

    ``every_ms``: its figures move by time alone at multiples of this (0: they do not), ``always``: even on
    a day on which nobody has asked; ``gate``: when it need not be judged at all while it is idle.
    """

    __slots__ = ("always", "every_ms", "gate", "judge", "measure", "period", "rule")

    def __init__(
        self,
        rule: Rule,
        judge: Judge,
        measure: Measure | None,
        period: str,
        every_ms: int,
        gate: Gate,
        *,
        always: bool,
    ) -> None:
        self.rule = rule
        self.judge = judge
        self.measure = measure
        self.period = period
        self.every_ms = every_ms
        self.gate = gate
        self.always = always


class Host(Protocol):
    """What a watch needs of its shard."""

    def tell(self, told: Transition) -> None:
        """Put a transition out."""

    def rules_of(self, shop: Shop, day: int) -> tuple[tuple[Watched, ...], Sequence[int]]:
        """The rules that watch a shop on a service day, and its pack's profile in sums."""

    def call(self, watch: SourceWatch) -> None:
        """Have a source looked at in this second."""

    def is_dark(self, shop: Shop) -> bool:
        """Whether a source of the shop is blind or catching up."""

    def told_late(self, shop: Shop, now_ms: int) -> bool:
        """Whether what is told at this second is told after a backfill."""

    def complete_from(self, shop: Shop) -> int:
        """From when the shop's figures are complete."""


class ShopWatch(Timed):
    """All rules on one shop. ``due`` makes it a timer: it asks for the shop to be judged at that second."""

    __slots__ = (
        "begun_ms",
        "counting",
        "day",
        "host",
        "moved_on",
        "next_ms",
        "removed",
        "rules",
        "shop",
        "states",
        "sums",
        "tallies",
    )

    def __init__(self, shop: Shop, host: Host) -> None:
        self.shop = shop
        self.host = host
        self.day = -1
        self.rules: tuple[Watched, ...] = ()
        self.sums: Sequence[int] = ()
        self.states: dict[str, RuleState] = {}  # by rule; a rule that is idle has none
        # Of rules that are gone, or mean another thing, since a restart:
        self.removed: dict[str, RuleState] = {}
        self.begun_ms: dict[str, int] = {}  # period → when it began
        self.counting: Day | None = None  # the day's figures, once there are any
        self.tallies: dict[str, Tally] = {}  # and its tallies by measure
        self.moved_on = False  # a timer is due: figures may have moved by time alone
        self.next_ms = 0  # when time alone next moves a figure; 0: no timer is set

    def due(self, now_ms: int) -> None:
        """Have the shop judged at this second."""
        if now_ms >= self.next_ms:
            self.next_ms = 0
        self.moved_on = True
        self.shop.touched()

    def look(self, now_ms: int) -> None:
        """Judge every rule at a whole second."""
        shop, host = self.shop, self.host
        day = shop.day_number(now_ms)
        if self.removed:
            self._resolve_removed(now_ms)
        entered = day != self.day
        if entered:
            self._enter(day, now_ms)
        if self.counting is None:
            self.counting = shop.days.get(day)
            if self.counting is not None:
                self.tallies = {t.spec.measure: t for track in self.counting.tracks for t in track.tallies}
        awake = [watched for watched in self.rules if self._is_awake(watched, first=entered)]
        shop.orders_changed = shop.agents_changed = self.moved_on = False
        if not awake:
            return
        dark = host.is_dark(shop)
        complete_from = host.complete_from(shop)
        every_ms = 0
        states = self.states
        for watched in awake:
            rule, judge = watched.rule, watched.judge
            reading = self._reading(watched, now_ms, dark, complete_from)
            state = states.get(rule.id)
            judgement = judge(reading, state)
            if state is not None or judgement.severity:
                after, change = step(rule, state, judgement, now_ms, retracted=shop.retracted)
                if change is not None:
                    if rule.each == "conversation" and change.reason is Reason.CLEARED:
                        change = change._replace(reason=Reason.GONE)
                    facts = judge.facts(reading, judgement)
                    late = host.told_late(shop, now_ms)
                    told = transition(
                        rule, {"shop": shop.key}, change, judgement, facts, now_ms, after_the_fact=late
                    )
                    host.tell(told)
                if after is not state:
                    self._keep(rule, after, now_ms)
            if judge.timed and rule.each != "conversation":
                due_ms = judge.due_ms(reading)
                if due_ms:
                    shop.wheel.at(due_ms, self)
            if watched.every_ms and (watched.always or reading.asked):
                every_ms = min(every_ms or watched.every_ms, watched.every_ms)
        if every_ms and not self.next_ms:
            self.next_ms = (now_ms // every_ms + 1) * every_ms
            shop.wheel.at(self.next_ms, self)

    def _is_awake(self, watched: Watched, *, first: bool) -> bool:
        gate = watched.gate
        if gate is Gate.NONE or watched.rule.id in self.states:
            return True
        if gate is Gate.LATE:
            assert watched.measure is not None
            tally = self.tallies.get(watched.measure.id)
            return tally is not None and tally.n[LATE] > 0
        if gate is Gate.NEAR:
            return bool(self.shop.near)
        if gate is Gate.AGENTS:
            return self.shop.agents_changed or ((self.moved_on or first) and bool(self.shop.agents))
        return self.shop.orders_changed or first

    def _reading(self, watched: Watched, now_ms: int, dark: bool, complete_from: int) -> ShopReading:
        shop = self.shop
        measure = watched.measure
        complete = measure is None or complete_from <= self.begun_ms.get(watched.period, complete_from)
        return ShopReading(
            shop,
            measure,
            watched.period,
            self.sums,
            now_ms,
            self.day,
            blind=dark,
            complete=complete,
            tally=self.tallies.get(measure.id) if measure is not None else None,
        )

    def _keep(self, rule: Rule, after: RuleState | None, now_ms: int) -> None:
        """Take a state that moved, and set its timers; those of one that did not are set already."""
        if after is None:
            self.states.pop(rule.id, None)
            return
        self.states[rule.id] = after
        if after.due_ms > now_ms:
            self.shop.wheel.at(after.due_ms, self)
        self.look_at_midnight()

    def look_at_midnight(self) -> None:
        """Have the day's alerts ended, and longer periods read anew, when the day ends."""
        self.shop.wheel.at(self.shop.zone.midnight(self.day + 1), self)

    def _enter(self, day: int, now_ms: int) -> None:
        """A service day begins: alerts on the day before end with its final figure."""
        if self.day >= 0:
            for watched in self.rules:
                state = self.states.get(watched.rule.id)
                if state is not None and watched.judge.ends_daily:
                    reading = self._reading(watched, now_ms, dark=False, complete_from=0)
                    self._end(watched, state, Reason.DAY_ENDED, reading, now_ms)
        self.begin(day)
        if self.states:
            self.look_at_midnight()

    def begin(self, day: int) -> None:
        """Take the rules of a service day."""
        self.day = day
        self.counting, self.tallies = None, {}
        midnight = self.shop.zone.midnight
        self.begun_ms = {period: midnight(day - span + 1) for period, span in SPANS.items()}
        self.rules, self.sums = self.host.rules_of(self.shop, day)

    def _end(
        self, watched: Watched, state: RuleState, reason: Reason, reading: ShopReading, now_ms: int
    ) -> None:
        del self.states[watched.rule.id]
        change = close(state, reason)
        facts = watched.judge.facts(reading, SERVED, final=reason is Reason.DAY_ENDED)
        self.host.tell(transition(watched.rule, {"shop": self.shop.key}, change, SERVED, facts, now_ms))

    def _resolve_removed(self, now_ms: int) -> None:
        """Alerts of rules that are gone, or mean another thing, are resolved."""
        for rule_id, state in sorted(self.removed.items()):
            change = close(state, Reason.RULE_REMOVED)
            self.host.tell(
                transition(Rule(rule_id), {"shop": self.shop.key}, change, SERVED, Facts(), now_ms)
            )
        self.removed.clear()
