"""Figures over shops: what several shards publish adds up to what the oracle says of each shop.

Whatever shards the shops lie in, however their logs are cut into steps, and wherever a shard is killed.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from monitor.aggregate.aims import CUT_MS, aims_of
from monitor.aggregate.readings import SumReading
from monitor.aggregate.shard import AggregateShard, Cut
from monitor.aggregate.sums import Part, Sums, decode_part, encode_part, merged
from monitor.engine.records import Record
from monitor.rulebook import Plan, ShopPlan
from monitor.shard.shard import Shard
from rules.pack import Text
from rules.rule import Compare, Level, Rule, RuleSet
from tests.oracle.naive import Oracle
from tests.properties.strategies import LATENESS_MS, Case, random_case
from tests.properties.test_shard import Disk, log_of
from tests.seeds import seeds

SEEDS = max(1, seeds() // 12)
HOURS_MS = 40 * 3_600_000  # of each case: every fifth second of it is a part
FIRST_SEED = int(os.environ.get("TEST_SEED", "0"))
TEAMS = {"s1": "red", "s2": "blue"}
AGENTS = {"x": "li", "y": "li"}  # agents of every shop → the person they are
MISSES = Compare("late", ">=", (1, 1), ">= 1")


def plan_for(case: Case, *, live: bool) -> Plan:
    """Rules on the sums of every measure over every period."""
    packs = {
        name: [
            replace(pack, measures={m.id: replace(m, by=("agent",)) for m in pack.measures.values()})
            for pack in versions
        ]
        for name, versions in case.packs.items()
    }
    rules = {}
    for versions in packs.values():
        for measure in (m for pack in versions for m in pack.measures.values() if m.kind != "waiting"):
            for period in ("day", *measure.periods):
                for each in ("team", "platform"):
                    name = f"{each} {measure.id} {period}"
                    rules[name] = Rule(
                        name,
                        Text(name),
                        measure=measure.id,
                        period=period,
                        each=each,
                        warn=Level(MISSES, 10_000),
                    )
            if measure.kind == "reply_rate":
                name = f"agent {measure.id}"
                rules[name] = Rule(name, Text(name), measure=measure.id, each="agent", warn=Level(MISSES))
    shops = {f"{platform}:{shop}": ShopPlan(team=TEAMS.get(shop, "")) for platform, shop in case.world.shops}
    return Plan(packs, RuleSet(rules), shops, lateness_ms=LATENESS_MS, quiet_gaps=not live, agents=AGENTS)


def logs_of(records: list[Record], shards: int) -> list[list[Record]]:
    """The log of each shard: its shops' events, and every record's time."""
    return [
        [
            Record(
                place,
                record.arrival_ms,
                [e for e in record.events if hash_of(f"{e.platform}:{e.shop_id}") % shards == number],
                record.source,
                heard={},
            )
            for place, record in enumerate(records)
        ]
        for number in range(shards)
    ]


def hash_of(shop: str) -> int:
    return sum(shop.encode())


def parts_of(plan: Plan, records: list[Record], rng: random.Random, wanted: set[int]) -> dict[int, Part]:
    shard, start, found = Shard(plan), 0, {}
    while start < len(records):
        size = rng.choice([1, 2, 7, 60])
        parts = {part.at_ms: part for _, part in shard.step(records[start : start + size]).parts}
        assert not found.keys() & parts.keys()
        found |= {at_ms: decode_part(encode_part(parts[at_ms])) for at_ms in parts.keys() & wanted}
        start += size
    return found


def belongs(aim, subject: str, shop: dict) -> bool:
    return subject == (shop["platform"] if aim.each == "platform" else TEAMS.get(shop["shop_id"], ""))


def wanted_of(aim, subject: str, shops: list[dict], now_ms: int) -> dict[str, object]:
    """What the oracle's figures of the shops of a subject add up to."""
    found: dict[str, object] = {}
    mine = [s for s in shops if belongs(aim, subject, s) and aim.period in s["measures"].get(aim.measure, {})]
    for shop in mine:
        figures = shop["measures"][aim.measure][aim.period]
        renamed = {"with_event": "late", "of": "asked"}
        for name in ("asked", "late", "open", "with_event", "of"):
            if name in figures:
                found[renamed.get(name, name)] = found.get(renamed.get(name, name), 0) + figures[name]
        if "sum_ms" in figures:
            found["asked"] = found.get("asked", 0) + figures["count"]
            found["sum_ms"] = found.get("sum_ms", 0) + figures["sum_ms"]
            found["max_ms"] = max(found.get("max_ms", 0), figures["max_ms"])
    found["waiting"] = sum(shop["waiting"]["open"] for shop in mine)
    found["oldest_ms"] = max((s["waiting"]["oldest_ms"] or 0 for s in mine), default=0)
    return found


def found_of(sums: Sums, now_ms: int, wanted: dict[str, object]) -> dict[str, object]:
    reading = SumReading(sums, None, now_ms)
    found: dict[str, object] = {name: getattr(reading, name) for name in wanted if hasattr(reading, name)}
    found["oldest_ms"] = max(0, reading.oldest_wait_ms or 0)
    if "sum_ms" in wanted:
        found |= {"sum_ms": sums.answers.sum_ms if sums.answers else 0, "max_ms": reading.max_ms or 0}
    return found


def agents_wanted(measure: str, shops: list[dict]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for shop in shops:
        for agent, counts in shop["agents"].get(measure, {}).items():
            person = AGENTS.get(agent, f"{shop['platform']}:{shop['shop_id']}:{agent}")
            answered, late = found.get(person, (0, 0))
            found[person] = (answered + counts["answered"], late + counts["late"])
    return found


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_parts_of_all_shards_add_up_to_the_oracles_figures_of_the_same_second(seed):
    case, rng = random_case(seed, size=80), random.Random(f"parts {seed}")
    plan = plan_for(case, live=False)
    records = log_of(case, random.Random(f"log {seed}"), live=False)
    if not records:
        return
    records = [r for r in records if r.arrival_ms < records[0].arrival_ms + HOURS_MS]
    records.append(Record(len(records), records[-1].arrival_ms + 20_000))
    edges = [r.arrival_ms // CUT_MS * CUT_MS + CUT_MS for r in records]
    chosen = set(rng.sample(edges, min(8, len(edges))))
    shards = [parts_of(plan, log, rng, chosen) for log in logs_of(records, 3)]
    oracle, given = Oracle(plan.packs, LATENESS_MS), 0
    for now_ms in sorted(chosen.intersection(*shards)):
        while given < len(records) and records[given].arrival_ms < now_ms:
            for event in records[given].events:
                if event.type != "heartbeat":
                    oracle.feed(event, records[given].arrival_ms)
            given += 1
        shops = oracle.figures(now_ms)["shops"]
        sums = merged(parts[now_ms].sums for parts in shards)
        for number, aim in enumerate(aims_of(plan)):
            subjects = sums.get(number, {})
            if aim.each == "agent":
                found = {name: (one.asked, one.late) for name, one in subjects.items()}
                assert found == agents_wanted(aim.measure, shops), (seed, now_ms, aim)
                continue
            for subject, one in subjects.items():
                wanted = wanted_of(aim, subject, shops, now_ms)
                assert found_of(one, now_ms, wanted) == wanted, (seed, now_ms, aim, subject)


def folded(plan: Plan, shards: list[dict[int, Part]], killed: random.Random | None = None) -> list:
    """What the aggregate tells of the shards' parts; with ``killed`` it is stored and restored on the way."""
    aggregate, told = AggregateShard(plan), []
    for at_ms in sorted(set().union(*shards)):
        missing = [number for number, parts in enumerate(shards) if at_ms not in parts]
        cut = Cut(at_ms, [parts[at_ms] for parts in shards if at_ms in parts], missing)
        told += aggregate.fold(cut)
        if killed is not None and killed.random() < 0.05:
            row = aggregate.row()
            aggregate = AggregateShard(plan)
            aggregate.restore(row)
    return told


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + (SEEDS + 1) // 2))
def test_a_shard_killed_and_restored_publishes_what_it_would_have(seed):
    """What is published again lies at or before the stored position and is dropped."""
    case, rng = random_case(seed), random.Random(f"kills {seed}")
    plan = plan_for(case, live=True)
    records = log_of(case, random.Random(f"log {seed}"), live=True)
    straight = {part.at_ms: part for _, part in Shard(plan).step(records).parts}
    disk, shard, found = Disk(), Shard(plan), {}
    position, start = -1, 0
    while start < len(records):
        size = rng.choice([1, 3, 10, 60])
        for at, part in shard.step(records[start : start + size]).parts:
            if at > position:
                found[part.at_ms] = part
                position = at
        start += size
        if rng.random() < 0.3:
            disk.save(shard, rng.choice([1, 1, 100]), rng)
        if rng.random() < 0.08:
            shard, start = disk.restore({"": plan}), disk.floor
    assert straight == found, seed
    assert folded(plan, [straight]) == folded(plan, [found], random.Random(seed))
