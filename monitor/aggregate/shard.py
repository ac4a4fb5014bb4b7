"""The aggregate shard: rules on teams, platforms and agents, judged on the parts that shards publish.

Its log is cuts: the parts of all shards at one second, and which shards it went on without. State × cuts →
state × transitions, by the same judge and the same step as shops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from monitor.aggregate.aims import Aim, aim_of, aims_of, pack_of
from monitor.aggregate.readings import SumReading
from monitor.aggregate.sums import AimSums, Sums, merged
from monitor.engine.zone import DAY_MS
from monitor.rulebook import Rulebook
from monitor.shard.watch import SERVED
from monitor.zones import zone_of
from rules.judge import UNKNOWN, Judge, Judgement, compile_rule
from rules.machine import Reason, close, step, transition
from rules.rule import OVER_SHOPS, Rule
from rules.transition import Facts, RuleState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.aggregate.sums import Part
    from monitor.engine.zone import Zone
    from monitor.rulebook import Plan
    from rules.pack import Pack
    from rules.transition import Transition

AGGREGATE_SHARD: Final = 1_000_001  # beyond any partition
FORMAT: Final = 1
NOTHING: Final = Sums()


class Cut(NamedTuple):
    """The parts of a second; ``missing`` are shards that have none of it, so that something is not known."""

    at_ms: int
    parts: Sequence[Part]
    missing: Sequence[int] = ()


class AggregateRow(msgspec.Struct, array_like=True):
    """The aggregate shard at rest, after the cut at ``at_ms``."""

    format: int
    at_ms: int
    plan: str
    days: dict[str, int]
    states: list[tuple[str, str, str, int, RuleState]]  # rule, each, subject, hash of the rule's meaning


encode_row = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(AggregateRow).decode


class Over(NamedTuple):
    """A rule over shops as it is judged on a service day."""

    rule: Rule
    number: int  # of its aim
    judge: Judge
    pack: Pack


class AggregateShard:
    """The rules over shops, and the alerts of them."""

    def __init__(self, plan: Plan, plans: Mapping[str, Plan] | None = None, name: str = "") -> None:
        """Begin with ``plan``, which parts call ``name``; ``plans`` has those that parts name."""
        self.plans = plans if plans is not None else {}
        self.plan_name = name
        self.at_ms = 0  # of the last cut
        self.unknown = 0  # of its shards, how many could not be taken into account
        self.sums: AimSums = {}  # of the last cut
        self.states: dict[tuple[str, str], RuleState] = {}  # by rule and subject; one that is idle has none
        # Of rules that are gone, or mean another thing; by rule, each and subject:
        self._removed: dict[tuple[str, str, str], RuleState] = {}
        self._days: dict[str, int] = {}  # rule → the service day on which it was judged last
        self._told: list[Transition] = []
        self._use(plan)

    def _use(self, plan: Plan) -> None:
        self.plan, self.book = plan, Rulebook(plan)
        numbers = {aim: number for number, aim in enumerate(aims_of(plan))}
        packs = [pack for versions in plan.packs.values() for pack in versions]
        self.rules: list[tuple[Rule, Aim, int, Zone]] = []
        for rule in plan.rules.rules.values():
            aim = aim_of(rule) if rule.each in OVER_SHOPS else None
            pack = next((pack for pack in packs if aim is not None and aim.target(pack)), None)
            if aim is not None and pack is not None:
                self.rules.append((rule, aim, numbers[aim], zone_of(pack.timezone)))
        self._compiled: dict[tuple[str, int], Over | None] = {}

    # folding

    def fold(self, cut: Cut) -> list[Transition]:
        """Judge every rule at a cut, which is later than the one before."""
        self._told = []
        name = max((part.plan for part in cut.parts), default=self.plan_name)
        if name > self.plan_name and name in self.plans:
            self.turn_to(name, self.plans[name])
        fresh = [part for part in cut.parts if part.plan == self.plan_name]
        before, self.sums = self.sums, merged(part.sums for part in fresh)
        moved = self.sums is not before or self.unknown > 0
        self.unknown = len(cut.missing) + len(cut.parts) - len(fresh)
        self.at_ms = cut.at_ms
        for (rule_id, each, subject), state in sorted(self._removed.items()):
            change = close(state, Reason.RULE_REMOVED)
            self._tell(transition(Rule(rule_id), {each: subject}, change, SERVED, Facts(), cut.at_ms))
        self._removed.clear()
        ended = merged(part.ended for part in fresh)
        for rule, aim, number, zone in self.rules:
            day = zone.local(cut.at_ms) // DAY_MS
            known = self._days.get(rule.id, day)
            self._days[rule.id] = day
            if known != day:
                self._end_day(self._over(rule, aim, number, known), ended.get(number, {}))
                self._compiled.pop((rule.id, known), None)
            over = self._over(rule, aim, number, day)
            if over is not None and (moved or known != day or self.unknown or self._may_move(over)):
                self._judge(over)
        return self._told

    def _may_move(self, over: Over) -> bool:
        """Whether what a rule says may be other by time alone, with every sum as it was."""
        if self.at_ms % 60_000 == 0 or over.judge.timed:
            return True
        return any(rule == over.rule.id for rule, _ in self.states)

    def _over(self, rule: Rule, aim: Aim, number: int, day: int) -> Over | None:
        """A rule as it is judged on a service day; None: no pack in force knows what it is on."""
        if (rule.id, day) not in self._compiled:
            pack = pack_of(aim, self.plan, day)
            aimed = aim.target(pack) if pack is not None else None
            over = None
            if pack is not None and aimed is not None:
                over = Over(rule, number, compile_rule(rule, aimed.measure, aimed.line, pack), pack)
            self._compiled[rule.id, day] = over
        return self._compiled[rule.id, day]

    def _judge(self, over: Over) -> None:
        rule = over.rule
        found = self.sums.get(over.number, {})
        alerting = {subject for known, subject in self.states if known == rule.id}
        for subject in sorted(found.keys() | alerting):
            sums = found.get(subject)
            state = self.states.get((rule.id, subject))
            if sums is None and not self.unknown:  # nobody's any more: shops.yaml or people.yaml says so
                if state is not None:
                    self._close(over, subject, state, Reason.RULE_REMOVED, NOTHING)
                continue
            reading = SumReading(sums or NOTHING, over.pack, self.at_ms)
            judgement = self.judgement(over, reading, state)
            if state is None and not judgement.severity:
                continue
            after, change = step(rule, state, judgement, self.at_ms)
            if change is not None:
                facts = over.judge.facts(reading, judgement)
                self._tell(transition(rule, {rule.each: subject}, change, judgement, facts, self.at_ms))
            if after is None:
                self.states.pop((rule.id, subject), None)
            else:
                self.states[rule.id, subject] = after

    def judgement(self, over: Over, reading: SumReading, state: RuleState | None) -> Judgement:
        """What a rule says: while part of a sum is not known, warn and crit stand, all else is unknown."""
        judgement = over.judge.judge(reading, clears=state is not None)
        hidden = self.unknown or reading.sums.dark
        return UNKNOWN if hidden and not judgement.severity else judgement

    def look(self, rule_id: str, subject: str) -> tuple[Over, SumReading, RuleState | None] | None:
        """A rule on a subject as of the last cut; None: no such rule is on sums, or the subject has none."""
        for rule, aim, number, zone in self.rules:
            sums = self.sums.get(number, {}).get(subject)
            if rule.id == rule_id and sums is not None:
                over = self._over(rule, aim, number, zone.local(self.at_ms) // DAY_MS)
                state = self.states.get((rule_id, subject))
                return (over, SumReading(sums, over.pack, self.at_ms), state) if over is not None else None
        return None

    def _end_day(self, over: Over | None, ended: Mapping[str, Sums]) -> None:
        """Alerts on a day that has ended end with its final sums."""
        if over is None or not over.judge.ends_daily:
            return
        for rule, subject in sorted(self.states):
            if rule == over.rule.id:
                state = self.states[rule, subject]
                self._close(over, subject, state, Reason.DAY_ENDED, ended.get(subject, NOTHING))

    def _close(self, over: Over, subject: str, state: RuleState, reason: Reason, sums: Sums) -> None:
        del self.states[over.rule.id, subject]
        reading = SumReading(sums, over.pack, self.at_ms)
        facts = over.judge.facts(reading, SERVED, final=reason is Reason.DAY_ENDED)
        change = close(state, reason)
        self._tell(transition(over.rule, {over.rule.each: subject}, change, SERVED, facts, self.at_ms))

    def _tell(self, told: Transition) -> None:
        place = {"shard": AGGREGATE_SHARD, "position": position_of(self.at_ms), "n": len(self._told)}
        self._told.append(msgspec.structs.replace(told, **place))

    # plans and storing

    def turn_to(self, name: str, plan: Plan) -> None:
        """Decide by ``plan`` from the next cut on: alerts stay whose rules mean the same."""
        row = self.row()
        self.plan_name = name
        self._use(plan)
        self._sort(row)

    def row(self) -> AggregateRow:
        """What is stored of it."""
        each = {rule.id: rule.each for rule, *_ in self.rules}
        states = [
            (rule, each[rule], subject, self.book.meaning_of(rule), state)
            for (rule, subject), state in sorted(self.states.items())
        ]
        return AggregateRow(FORMAT, self.at_ms, self.plan_name, self._days, states)

    def restore(self, row: AggregateRow) -> None:
        """Go on after what was stored, under the plan that it names."""
        self.at_ms, self._days = row.at_ms, row.days
        self._sort(row)

    def _sort(self, row: AggregateRow) -> None:
        """Alerts of rules that mean the same stay; the others end at the next cut."""
        self.states = {}
        for rule, each, subject, meaning, state in row.states:
            if meaning == self.book.meaning_of(rule):
                self.states[rule, subject] = state
            else:
                self._removed[rule, each, subject] = state


def position_of(at_ms: int) -> int:
    """The place of a cut in the aggregate's log."""
    return at_ms // 1000
