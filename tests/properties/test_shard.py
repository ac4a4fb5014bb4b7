"""A shard is a function of its log: any split into steps, any restart, the same transitions and figures."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from monitor.engine.records import Record
from monitor.rulebook import Plan, SourcePlan
from monitor.shard.restore import plan_in
from monitor.shard.shard import Shard
from rules.pack import Pack, Text
from rules.rule import All, Compare, Level, NoData, Rule, RuleSet
from tests.oracle.naive import Oracle
from tests.properties.reading import differences, read
from tests.properties.strategies import LATENESS_MS, Case, random_case
from tests.properties.test_engine import ENTRANCE
from tests.seeds import seeds

# A case here is six of those of test_engine.py; TEST_SEEDS=360 is the run before a change of the checkpoint.
SEEDS = max(1, seeds() // 6)
FIRST_SEED = int(os.environ.get("TEST_SEED", "0"))
RESTS_MS = (0, 1_000, 5_000, 30_000, 120_000)  # shops in which nothing happens for so long are packed
FOUND = (
    81008,  # stored at the first record of all and restored, a shop was never looked at
    190,  # what the robot served after midnight was still said to run out
    300101,  # a rule that waited came back by the plan it was stored under, and was not waited for
    300119,
    116,  # a miss counted in the second in which its conversation came to rest was not looked at
)


def rules_for(case: Case) -> RuleSet:
    """Rules on every reply rate: at once, after a while, with hysteresis; on conversations and sources."""
    rules: dict[str, Rule] = {}
    measures = {
        m.id: m for versions in case.packs.values() for pack in versions for m in pack.measures.values()
    }
    for measure in measures.values():
        if measure.kind == "reply_rate":
            late = Compare("late", ">=", (1, 1), ">= 1")
            many = Compare("late", ">=", (3, 1), ">= 3")
            few = Compare("late", "<=", (0, 1), "<= 0")
            low = Compare("value", "<", (8, 10), "< 80%")
            near = Compare("seconds_left", "<=", (20_000, 1), "<= 20")
            name = measure.id
            rules[f"late {name}"] = Rule(
                f"late {name}",
                Text(name),
                measure=name,
                warn=Level(late),
                crit=Level(many),
                clear=Level(few, 30_000),
            )
            rules[f"low {name}"] = Rule(
                f"low {name}",
                Text(name),
                measure=name,
                warn=Level(All((late, low)), 60_000),
                keep_firing_for_ms=90_000,
            )
            rules[f"near {name}"] = Rule(
                f"near {name}", Text(name), measure=name, each="conversation", warn=Level(near)
            )
    rules["silent"] = Rule("silent", Text("silent"), each="source", no_data=NoData(120_000))
    return RuleSet(rules)


def log_of(case: Case, rng: random.Random, *, live: bool) -> list[Record]:
    """The case's stream as records of a log: several events at times, ticks and gaps when it is live."""
    records: list[Record] = []
    clock = 0
    faults = Oracle(case.packs, LATENESS_MS)
    for told_ms, event in case.stream:
        if int(event.at) < 1_790_000_000_000:
            continue  # an event of the year 2000 would have every second since then judged
        if faults.fault(event) in ENTRANCE and event.type != "heartbeat":
            continue
        arrival_ms = max(told_ms, clock)
        while live and clock and clock + 1000 < arrival_ms and len(records) < 3_000:
            clock += 1000
            if rng.random() < 0.002:
                clock = arrival_ms  # time down
                break
            records.append(Record(len(records), clock, heard={}))
        source = rng.choice(["erp", "crm"])
        if records and records[-1].events and records[-1].source == source and arrival_ms == clock:
            records[-1].events.append(event)
        else:
            records.append(Record(len(records), arrival_ms, [event], source))
        clock = arrival_ms
    return records


def plan_for(case: Case, *, live: bool) -> Plan:
    return Plan(
        case.packs,
        rules_for(case),
        sources={"crm": SourcePlan(promised_ms=300_000)},
        lateness_ms=LATENESS_MS,
        quiet_gaps=not live,
    )


def changes_of(plan: Plan, records: list[Record], rng: random.Random) -> dict[str, Plan]:
    """Some records name another plan: fewer rules, others, packs that count otherwise."""
    plans = {"": plan}
    for number, place in enumerate(sorted(rng.sample(range(1, len(records)), min(4, len(records) - 1)))):
        rules = {name: rule for name, rule in plan.rules.rules.items() if rng.random() < 0.7}
        for name in [name for name in rules if rng.random() < 0.3]:
            rules[name] = replace(rules[name], keep_firing_for_ms=rng.choice([0, 7_000]))
        packs = {name: [_changed(pack, rng) for pack in packs] for name, packs in plan.packs.items()}
        name = f"{number:06d}-x"
        plans[name] = replace(plan, packs=packs, rules=RuleSet(rules))
        records[place].plan = name
    return plans


def _changed(pack: Pack, rng: random.Random) -> Pack:
    measures = {
        name: replace(one, within_ms=one.within_ms + 30_000) if one.within_ms and rng.random() < 0.5 else one
        for name, one in pack.measures.items()
    }
    return replace(pack, measures=measures)


def told(shard: Shard, records: list[Record], rng: random.Random) -> list:
    found = []
    start = 0
    while start < len(records):
        size = rng.choice([1, 1, 2, 5, 50])
        found += shard.step(records[start : start + size]).transitions
        start += size
    return found


class Disk:
    """Rows as a store keeps them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.floor, self.floor_clock_ms = 0, 0

    def save(self, shard: Shard, shops: int, rng: random.Random) -> None:
        taken = shard.checkpoint(shops)
        if taken is None:
            return
        if rng.random() < 0.2:
            shard.checkpoint_failed(taken)
            return
        for key, part, applied, data in taken.rows:
            if data is None:
                self.rows.pop((key, part), None)
            else:
                self.rows[key, part] = (applied, data)
        self.floor, self.floor_clock_ms = taken.floor, taken.floor_clock_ms

    def restore(self, plans: dict[str, Plan], rest_ms: int = 0) -> Shard:
        rows = [(key, part, applied, data) for (key, part), (applied, data) in sorted(self.rows.items())]
        name = plan_in(rows)
        shard = Shard(plans[name], 0, plans, name, rest_ms)
        shard.restore(rows, self.floor, self.floor_clock_ms)
        return shard


def figures(shard: Shard, case: Case):
    return read(shard.engine, case.packs, shard.now_ms)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + (SEEDS + 1) // 2))
def test_any_split_into_steps_gives_the_same_bytes(seed, live):
    case = random_case(seed)
    records = log_of(case, random.Random(f"log {seed}"), live=live)
    plan = plan_for(case, live=live)
    one, many = Shard(plan), Shard(plan, rest_ms=random.Random(f"rest {seed}").choice(RESTS_MS))
    wanted = list(one.step(records).transitions)
    assert wanted == told(many, records, random.Random(f"split {seed}"))
    assert figures(one, case) == figures(many, case)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("seed", sorted({*range(FIRST_SEED, FIRST_SEED + SEEDS), *FOUND}))
def test_killed_and_restored_anywhere_nothing_is_lost_or_told_otherwise(seed, live):
    """After each kill the log is folded again from the floor; what was told before is dropped."""
    case = random_case(seed)
    rng = random.Random(f"kills {seed}")
    records = log_of(case, random.Random(f"log {seed}"), live=live)
    plan = plan_for(case, live=live)
    plans = changes_of(plan, records, rng) if live and seed % 2 else {"": plan}
    straight = Shard(plan, 0, plans)
    wanted = list(straight.step(records).transitions)

    rest_ms = rng.choice(RESTS_MS)
    disk, shard = Disk(), Shard(plan, 0, plans, rest_ms=rest_ms)
    found: dict[tuple[int, int], object] = {}
    position = -1  # up to which transitions are stored
    start = 0
    while start < len(records):
        size = rng.choice([1, 3, 10, 60])
        outputs = shard.step(records[start : start + size])
        for transition in outputs.transitions:
            if transition.position > position:
                found[transition.position, transition.n] = transition
        start += size
        position = max(position, min(start, len(records)) - 1)
        if rng.random() < 0.3:
            disk.save(shard, rng.choice([1, 1, 100]), rng)
        if rng.random() < 0.08:
            shard = disk.restore(plans, rest_ms)
            start = disk.floor
    assert wanted == list(found.values()), (seed, live)
    assert not differences(figures(straight, case), figures(shard, case))
