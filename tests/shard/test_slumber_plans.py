"""Shops sleep while rules and the lateness change and the shard is killed; nobody can tell.

All kinds of rules, some of them taken away and put back by records of the log. TEST_SEEDS=1000 asks for more
than the usual logs.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from monitor.engine.records import Record
from monitor.rulebook import Plan, SourcePlan
from monitor.shard.shard import Shard
from rules.rule import RuleSet
from tests.properties.reading import differences, read
from tests.shard.suited import MORNING_MS, a_pack
from tests.shard.test_slumber import STARTS, a_log
from tests.shard.test_slumber_days import answered, told_through_kills
from tests.shard.test_when_judged import FIRST_SEED, SEEDS, random_pack

FOUND = (7, 16)  # a shop that slept settled its days by the new lateness, one that was awake by the old one


def some(rules: RuleSet, rng: random.Random) -> RuleSet:
    return RuleSet(
        {name: rules.rules[name] for name in rng.sample(sorted(rules.rules), rng.choice([1, 2, 5]))}
    )


def plans_of(rules: RuleSet, records: list[Record], rng: random.Random) -> dict[str, Plan]:
    """The plan at the beginning, and those that records name."""
    silence = SourcePlan(silent_after_ms=rng.choice([0, 60_000]))
    plan = Plan({"pdd": (random_pack(rng),)}, some(rules, rng), other_sources=silence, lateness_ms=60_000)
    plans = {"": replace(plan, lateness_ms=rng.choice([60_000, 600_000]))}
    for number, place in enumerate(sorted(rng.sample(range(1, len(records)), rng.choice([1, 2, 4])))):
        name = f"{number}-x"
        plans[name] = replace(plan, rules=some(rules, rng), lateness_ms=rng.choice([60_000, 600_000]))
        records[place].plan = name
    return plans


@pytest.mark.parametrize("seed", sorted({*range(FIRST_SEED, FIRST_SEED + SEEDS // 3), *FOUND}))
def test_nobody_can_tell_whether_shops_slept_when_plans_change(rules, seed, monkeypatch):
    rng = random.Random(f"plans {seed}")
    monkeypatch.setattr("monitor.shard.slumber.AGAIN_MS", rng.choice([1_000, 2_000]))
    monkeypatch.setattr("monitor.shard.slumber.AWAKE", rng.choice([1, 250]))
    records = a_log(rng, rng.choice(STARTS))
    plans = plans_of(rules, records, rng)
    straight = Shard(plans[""], 0, plans)
    wanted = list(straight.step(records).transitions)
    resting = Shard(plans[""], 0, plans, rest_ms=rng.choice([1_000, 5_000]))
    assert wanted == list(resting.step(records).transitions)
    packs, now_ms = plans[""].packs, straight.now_ms
    assert not differences(read(straight.engine, packs, now_ms), read(resting.engine, packs, now_ms))
    killed = Shard(plans[""], 0, plans, rest_ms=rng.choice([0, 1_000, 30_000]))
    assert wanted == told_through_kills(killed, records, rng)


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_what_was_folded_for_good_while_a_shop_slept_stays_so_when_the_lateness_grows(rest_ms):
    """A conversation rests a minute after its last event; what is older than that comes too late for it."""
    plan = Plan({"pdd": (a_pack(random.Random(0)),)}, lateness_ms=60_000)
    plans = {"": plan, "1": replace(plan, lateness_ms=600_000)}
    shard = Shard(plan, 0, plans, rest_ms=rest_ms)
    said = answered(MORNING_MS, 1, 1_000)
    again, before = answered(MORNING_MS, 1, 100_000)
    again.id, again.at, before.id, before.at = "again", MORNING_MS + 100_000, "before", MORNING_MS - 5_000
    log = [Record(second // 5, MORNING_MS + second * 1_000, heard={"erp": 0}) for second in range(0, 160, 5)]
    for record, events in ((log[1], said), (log[20], [again]), (log[30], [before])):
        record.events, record.source, record.heard = events, "erp", None
    log[22].plan = "1"
    assert shard.step(log).counts["late_dropped"] == 1
