"""Rules as they are judged: compiled once for each version of a pack, chosen for each shop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import xxhash

from monitor.engine.figures import SPANS, window_ms
from monitor.engine.windows import PACE_BUCKET_MS, bucket_ms
from monitor.plan import day_number, engine_spec
from monitor.shard.lookout import AGENTS, LATE, NEAR, NONE, ORDERS, Watched
from monitor.shard.readings import MINUTE_MS
from rules.budget import prefix_sums
from rules.conditions import comparisons
from rules.judge import compile_rule
from rules.rule import OVER_SHOPS, All, Compare, RuleSet, target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from monitor.engine.spec import EngineSpec
    from rules.pack import Line, Pack
    from rules.rule import Condition, Level, Rule

PACED = frozenset({"breach_in"})
ITEM_FIGURES = frozenset({"seconds_left", "wait"})
COUNTED = frozenset(
    {"asked", "late", "value", "budget_left", "budget_left_today", "breach_in", "required_rate"}
)
LIVE_FIGURES = frozenset({"agents_online", "waiting", "oldest_wait"})
FORECAST = frozenset({"budget_left_today", "required_rate"})

UNNAMED_KNOWN = 1_000  # platforms and days
NO_PACK_SUMS = (0,) * 49


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """What ``shops.yaml`` says of a shop, as far as it decides anything."""

    team: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    pack: str = ""  # instead of its platform's
    lines: tuple[Line, ...] = ()  # instead of its pack's lines of the same id


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """When a source counts as blind. Periods are milliseconds, 0: never."""

    promised_ms: int = 0
    silent_after_ms: int = 900_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a shard decides by. A change of it is a record of the log.

    ``packs``: versions of each pack by id, sorted by ``from_date``. ``quiet_gaps``: files are replayed, in
    which a gap is quiet and not time down, and silence is not blindness. ``serves_all``: the only pack
    serves the shops of all platforms.
    """

    packs: Mapping[str, Sequence[Pack]]
    rules: RuleSet = field(default_factory=RuleSet)
    shops: Mapping[str, ShopPlan] = field(default_factory=dict)
    sources: Mapping[str, SourcePlan] = field(default_factory=dict)
    other_sources: SourcePlan = SourcePlan()
    lateness_ms: int = 600_000
    quiet_gaps: bool = False
    serves_all: bool = False
    agents: Mapping[str, str] = field(default_factory=dict)  # agents, as people.yaml has them → person

    def source(self, name: str) -> SourcePlan:
        """What is promised of a source."""
        return self.sources.get(name, self.other_sources)

    @property
    def name(self) -> str:
        """A name that is equal exactly when the plans decide alike."""
        parts = (
            sorted((key, [replace(one, path="") for one in packs]) for key, packs in self.packs.items()),
            sorted(repr(rule) for rule in self.rules.rules.values()),
            sorted(self.shops.items(), key=lambda item: item[0]),
            sorted(self.sources.items(), key=lambda item: item[0]),
            (self.other_sources, self.lateness_ms, self.quiet_gaps),
            *(["serves_all"] if self.serves_all else []),
            *([sorted(self.agents.items())] if self.agents else []),
        )
        return f"{xxhash.xxh3_64_intdigest(repr(parts).encode()):016x}"


class Rulebook:
    """The rules of a plan, compiled as they are first needed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._compiled: dict[tuple[str, str, int, tuple[Line, ...]], tuple[Watched, ...]] = {}
        self._chosen: dict[tuple[Watched, ...], tuple[Watched, ...]] = {}  # one for all shops that have them
        self._sums: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._ids = {name for rule in plan.rules.rules.values() for name in rule.shops.ids}
        # Platform, day → rules and sums of shops that neither a rule nor shops.yaml names: nearly all.
        self._of_unnamed: dict[tuple[str, int], tuple[tuple[Watched, ...], Sequence[int]]] = {}
        self._meanings: dict[str, int] = {}
        self._only = next(iter(plan.packs)) if plan.serves_all else ""
        self._platforms = {
            versions[0].platform or pack_id: pack_id for pack_id, versions in plan.packs.items() if versions
        }

    def engine_spec(self) -> EngineSpec:
        """What the engine must keep for these packs and rules."""
        marks: dict[str, set[int]] = {}
        for versions in self.plan.packs.values():
            for pack in versions:
                for watched in self._compile(pack):
                    measure = watched.measure
                    if watched.rule.each == "conversation" and measure is not None and measure.within_ms:
                        marks.setdefault(measure.id, set()).update(watched.judge.marks_ms(measure.within_ms))
        spec = engine_spec(
            self.plan.packs,
            self.plan.lateness_ms,
            {measure: sorted(found) for measure, found in marks.items()},
            {key: shop.pack for key, shop in self.plan.shops.items() if shop.pack},
        )
        if self.plan.serves_all:
            spec = replace(spec, platforms={}, default=next(iter(spec.platforms.values())))
        return spec

    def pack_on(self, platform: str, shop_key: str, day: int) -> Pack | None:
        """The version of a shop's pack that counts on a service day."""
        shop = self.plan.shops.get(shop_key)
        pack_id = (shop.pack if shop is not None else "") or self._only or self._platforms.get(platform, "")
        found = in_force(self.plan.packs.get(pack_id, ()), day)
        if found is not None and shop is not None and shop.lines:
            found = replace(found, lines=found.lines | {line.id: line for line in shop.lines})
        return found

    def of_shop(self, platform: str, shop_id: str, day: int) -> tuple[tuple[Watched, ...], Sequence[int]]:
        """The rules that watch a shop on a service day, and the sums of its pack's half-hour profile."""
        key = f"{platform}:{shop_id}"
        if key in self.plan.shops or shop_id in self._ids or key in self._ids:
            return self._of_shop(platform, shop_id, day)
        found = self._of_unnamed.get((platform, day))
        if found is None:
            if len(self._of_unnamed) >= UNNAMED_KNOWN:
                self._of_unnamed.clear()
            found = self._of_unnamed[platform, day] = self._of_shop(platform, shop_id, day)
        return found

    def _of_shop(self, platform: str, shop_id: str, day: int) -> tuple[tuple[Watched, ...], Sequence[int]]:
        key = f"{platform}:{shop_id}"
        pack = self.pack_on(platform, key, day)
        if pack is None:
            return (), NO_PACK_SUMS
        shop = self.plan.shops.get(key, ShopPlan())
        labels = dict(shop.labels)
        watched = tuple(
            w
            for w in self._compile(pack, shop.lines)
            if w.rule.shops.matches(platform, shop_id, shop.team, labels)
        )
        return self._chosen.setdefault(watched, watched), self.sums(pack)

    def sums(self, pack: Pack) -> Sequence[int]:
        """The sums of a pack's half-hour profile."""
        found = self._sums.get(pack.profile)
        if found is None:
            found = self._sums[pack.profile] = prefix_sums(pack.profile)
        return found

    def of_sources(self) -> tuple[Watched, ...]:
        """The rules on sources."""
        pack = next((versions[0] for versions in self.plan.packs.values() if versions), None)
        if pack is None:
            return ()
        rules = (rule for rule in self.plan.rules.rules.values() if rule.each == "source")
        return tuple(
            Watched(r, compile_rule(r, None, None, pack), None, r.period, 0, NONE, always=False)
            for r in rules
        )

    def meaning_of(self, rule_id: str) -> int:
        """A number that stays equal as long as a rule means the same; 0: there is no such rule."""
        found = self._meanings.get(rule_id)
        if found is None:
            rule = self.plan.rules.rules.get(rule_id)
            found = 0 if rule is None else xxhash.xxh3_64_intdigest(repr(rule.meaning).encode())
            self._meanings[rule_id] = found
        return found

    def _compile(self, pack: Pack, lines: tuple[Line, ...] = ()) -> tuple[Watched, ...]:
        key = (pack.id, pack.version, day_number(pack.from_date) if pack.from_date else 0, lines)
        found = self._compiled.get(key)
        if found is None:
            found = self._compiled[key] = tuple(self._watched(pack))
        return found

    def _watched(self, pack: Pack) -> Iterator[Watched]:
        for rule in self.plan.rules.rules.values():
            if rule.each == "source" or rule.each in OVER_SHOPS:
                continue
            aim = target(rule, pack)
            if aim is not None:
                judge = compile_rule(rule, aim.measure, aim.line, pack)
                every_ms, always = _moves(rule, judge.period, bool(aim.line and aim.line.min_count > 1))
                gate = _gate(rule, aim.measure.kind if aim.measure is not None else "", judge.period)
                yield Watched(
                    rule,
                    judge,
                    aim.measure,
                    judge.period,
                    every_ms,
                    gate,
                    always=always,
                    by_counts=_by_counts(rule),
                    by_items=_by_items(rule),
                )


def in_force(versions: Sequence[Pack], day: int) -> Pack | None:
    """The version of a pack that counts on a service day."""
    found = None
    for pack in versions:
        if pack.from_date is None or day_number(pack.from_date) <= day:
            found = pack
    ended = found is not None and found.until_date and day_number(found.until_date) <= day
    return None if ended else found


def _levels(rule: Rule) -> list[Level]:
    return [level for level in (rule.warn, rule.crit, rule.clear) if level is not None]


def _figures(rule: Rule) -> set[str]:
    """The figures that decide whether a level of a rule holds, and whether its alert is clear."""
    conditions: list[Condition] = [level.condition for level in _levels(rule)]
    if rule.only_if is not None:
        conditions.append(rule.only_if)
    return {comparison.figure for condition in conditions for comparison in comparisons(condition)}


def _by_counts(rule: Rule) -> bool:
    """Whether only units asked or late, or time, change what a rule on a reply rate says."""
    return rule.each == "shop" and _figures(rule) <= COUNTED


def _by_items(rule: Rule) -> bool:
    """Whether only conversations near a deadline, and how near they are, change what a rule says."""
    plain = not (rule.line or rule.min_count or any(one.min_count or one.during for one in _levels(rule)))
    return rule.each == "conversation" and plain and _figures(rule) <= ITEM_FIGURES | {"costs_budget"}


def _gate(rule: Rule, kind: str, period: str) -> int:
    """What keeps an idle rule asleep."""
    levels = [level.condition for level in (rule.warn, rule.crit) if level is not None]
    figures = {comparison.figure for level in levels for comparison in comparisons(level)}
    if rule.each == "conversation":
        return NEAR if figures & ITEM_FIGURES else NONE
    if kind == "order_rate":
        by_time = any(level.during for level in (rule.warn, rule.crit) if level is not None)
        return NONE if by_time or rule.only_if is not None or figures & LIVE_FIGURES else ORDERS
    if kind == "reply_rate" and period in SPANS and levels and all(map(_needs_a_miss, levels)):
        return LATE
    return AGENTS if not kind and rule.only_if is None and figures <= {"agents_online"} else NONE


def _needs_a_miss(condition: Condition) -> bool:
    """Whether a condition on a reply rate cannot hold without a unit that is late."""
    if isinstance(condition, Compare):
        number, per = condition.limit
        least = {"late": {">=": 1, ">": 0, "==": 1}}.get(condition.figure, {}).get(condition.op)
        if least is not None:
            return number >= least
        most = {"value": per, "budget_left": 0, "budget_left_today": 0}.get(condition.figure)
        if most is None:
            return False
        return (condition.op == "<" and number <= most) or (condition.op == "<=" and number < most)
    holds = any if isinstance(condition, All) else all
    return holds(_needs_a_miss(part) for part in condition.parts)


def _moves(rule: Rule, period: str, forecast: bool) -> tuple[int, bool]:
    """At which multiples of time a rule's figures move by themselves, and whether even with nobody asking."""
    figures = _figures(rule)
    periods = []
    if figures & PACED:
        periods.append(PACE_BUCKET_MS)
    width = window_ms(period)
    if width is not None:
        periods.append(bucket_ms(width))
    always = any(level.during for level in _levels(rule))
    if figures & FORECAST or forecast or always:
        periods.append(MINUTE_MS)
    return min(periods, default=0), always
