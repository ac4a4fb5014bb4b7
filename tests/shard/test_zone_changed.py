"""A pack's zone changes in the middle of a day: its days that have begun keep where they begin and end.

Whether a shop slept meanwhile, or was stored and restored, is nothing that anybody can tell.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from monitor.engine.records import Record
from monitor.rulebook import Plan
from monitor.shard.shard import Shard
from tests.properties.reading import differences, read
from tests.shard.suited import MORNING_MS
from tests.shard.test_checkpoint import Disk
from tests.shard.test_slumber import STARTS, a_log
from tests.shard.test_slumber_days import answered, told_through_kills
from tests.shard.test_slumber_plans import some
from tests.shard.test_when_judged import FIRST_SEED, SEEDS, random_pack

ZONES = ("Asia/Shanghai", "Asia/Tokyo", "America/New_York")


def in_zone(plan: Plan, zone: str) -> Plan:
    (pack,) = plan.packs["pdd"]
    return replace(plan, packs={"pdd": (replace(pack, timezone=zone),)})


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS // 3))
def test_nobody_can_tell_whether_shops_slept_or_were_restored_when_zones_change(rules, seed):
    rng = random.Random(f"zones {seed}")
    records = a_log(rng, rng.choice(STARTS))
    plan = Plan({"pdd": (random_pack(rng),)}, some(rules, rng), lateness_ms=60_000)
    plans = {"": plan}
    for number, place in enumerate(sorted(rng.sample(range(1, len(records)), rng.choice([1, 2, 4])))):
        records[place].plan = f"{number}-x"
        plans[f"{number}-x"] = in_zone(plan, rng.choice(ZONES))
    straight = Shard(plan, 0, plans)
    wanted = list(straight.step(records).transitions)
    resting = Shard(plan, 0, plans, rest_ms=rng.choice([1_000, 5_000]))
    assert wanted == list(resting.step(records).transitions)
    now_ms = straight.now_ms
    assert not differences(
        read(straight.engine, plan.packs, now_ms), read(resting.engine, plan.packs, now_ms)
    )
    assert wanted == told_through_kills(Shard(plan, 0, plans, rest_ms=1_000), records, rng)


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_shop_stored_under_the_plan_to_come_sleeps_until_its_shard_has_come_there(rest_ms):
    """Pages ask for it meanwhile, and by the zone before what was asked would seem an hour younger."""
    plan = Plan({"pdd": (random_pack(random.Random(0)),)}, lateness_ms=60_000)
    plans = {"": plan, "1": in_zone(plan, "Asia/Tokyo")}
    asked, answer = answered(MORNING_MS, 1, 10_000)
    log = [Record(n, MORNING_MS + 1_000 * n, heard={}) for n in range(30)]
    log[1].plan = "1"
    for record, event in ((log[2], asked), (log[12], answer)):
        record.events, record.source, event.at = [event], "erp", record.arrival_ms
    shard, disk = Shard(plan, 0, plans, rest_ms=rest_ms), Disk()
    shard.checkpoints.mark_records = 10_000
    shard.step(log[:5])
    disk.save(shard)
    shard.step(log[5:])
    assert disk.floor == 1
    again = disk.restored(plan, plans, rest_ms)
    for record in log[1:]:
        again.step([record])
        again.slumber.read(again.engine.shops["pdd:A"])
    packs, now_ms = plan.packs, shard.now_ms
    assert not differences(read(shard.engine, packs, now_ms), read(again.engine, packs, now_ms))
