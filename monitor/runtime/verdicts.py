"""What a rule says of a subject right now, also where it is silent; reads the shard between two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.runtime.shard_figures import ShardFigures
from monitor.shard.source_watch import SourceReading
from rules.rule import condition_text, level_text, no_data_text
from rules.values import duration_text

if TYPE_CHECKING:
    from monitor.aggregate.shard import AggregateShard
    from monitor.shard.lookout import Watched
    from monitor.shard.shard import Shard
    from rules.judge import Judge, Judgement
    from rules.reading import Reading
    from rules.rule import Rule
    from rules.transition import RuleState

COUNTS = ("asked", "late", "open", "waiting", "oldest_wait_ms", "budget_left", "budget_left_today")


class Verdict(NamedTuple):
    """A rule on a subject at ``at_ms``; ``verdict`` empty: the subject was never seen."""

    at_ms: int
    verdict: str  # ok warn crit no_data unknown partial too_few, or not_watched
    reason: str


def verdict_on(shard: Shard, rule: Rule, subject: dict[str, str]) -> Verdict:
    """Judge a rule on ``{"shop": …}`` or ``{"source": …}`` as the shard would at its last whole second."""
    now_ms = shard.now_ms // 1000 * 1000
    if "source" in subject:
        return _of_source(shard, rule, subject["source"], now_ms)
    return _of_shop(shard, rule, subject.get("shop", ""), now_ms)


def verdict_over(shard: AggregateShard, rule: Rule, subject: dict[str, str]) -> Verdict:
    """Judge a rule on ``{"team": …}``, ``platform`` or ``agent`` as at the last cut."""
    each, name = next(iter(subject.items()))
    looked = shard.look(rule.id, name) if rule.each == each else None
    if looked is None:
        return Verdict(shard.at_ms, "", f"rule {rule.id} has no sum of {each} {name}")
    over, reading, state = looked
    judgement = shard.judgement(over, reading, state)
    told = _told(rule, over.judge, reading, judgement, state)
    dark = reading.sums.dark
    hidden = f"; {dark} of {reading.sums.shops} shops and {shard.unknown} shards not known"
    return Verdict(shard.at_ms, judgement.verdict, told + (hidden if dark or shard.unknown else ""))


def _of_shop(shard: Shard, rule: Rule, key: str, now_ms: int) -> Verdict:
    shop = shard.engine.shops.get(key)
    if shop is None:
        return Verdict(now_ms, "", f"shop {key} was never seen")
    day = shop.day_number(now_ms)
    if shard.book.pack_on(shop.platform, key, day) is None:
        return Verdict(now_ms, "not_watched", f"platform {shop.platform} has no pack")
    rules, _ = shard.book.of_shop(shop.platform, shop.shop_id, day)
    watched = next((one for one in rules if one.rule.id == rule.id), None)
    if watched is None:
        return Verdict(now_ms, "not_watched", _why_not(rule))
    shop = shard.slumber.read(shop)
    watch = shard.watches.get(key)
    state = watch.states.get(rule.id) if watch is not None else None
    reading = ShardFigures(shard).reading(shop, watched.measure, watched.period, now_ms, day)
    return _judged(watched, reading, state, now_ms)


def _of_source(shard: Shard, rule: Rule, name: str, now_ms: int) -> Verdict:
    watch = shard.sources.get(name)
    if watch is None:
        return Verdict(now_ms, "", f"source {name} was never heard")
    watched = next((one for one in watch.rules if one.rule.id == rule.id), None)
    if watched is None:
        return Verdict(now_ms, "not_watched", _why_not(rule))
    return _judged(watched, SourceReading(watch.source, now_ms), watch.states.get(rule.id), now_ms)


def _judged(watched: Watched, reading: Reading, state: RuleState | None, now_ms: int) -> Verdict:
    judgement = watched.judge(reading, state)
    told = _told(watched.rule, watched.judge, reading, judgement, state)
    return Verdict(now_ms, judgement.verdict, told)


def _told(rule: Rule, judge: Judge, reading: Reading, judgement: Judgement, state: RuleState | None) -> str:
    facts = judge.facts(reading, judgement)
    parts = [f"{name} {value}" for name in COUNTS if (value := getattr(facts, name)) is not None]
    if rule.no_data is not None:
        parts = [f"silent {duration_text(reading.silent_ms // 1000 * 1000)}"]
    parts = [f"{state.state} {state.severity}".rstrip() if state else "idle", ", ".join(parts)]
    return "; ".join([*parts, *_wanted(rule)])


def _wanted(rule: Rule) -> list[str]:
    """What it would take: ``crit if late >= 1 for 1m``."""
    if (wanted := rule.no_data) is not None:
        return [f"{wanted.severity} if {no_data_text(wanted)}"]
    levels = (("crit", rule.crit), ("warn", rule.warn))
    found = [f"{name} if {level_text(level)}" for name, level in levels if level is not None]
    return [*found, f"only if {condition_text(rule.only_if)}"] if rule.only_if is not None else found


def _why_not(rule: Rule) -> str:
    if rule.each == "source":
        return "the rule is on sources"
    what = f"line {rule.line}" if rule.line else f"measure {rule.measure}" if rule.measure else ""
    left_out = "its `shops` leave this shop out"
    return f"the pack in force has no {what}, or {left_out}" if what else left_out
