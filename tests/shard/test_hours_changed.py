"""Service hours change, or a shop's pack does: its source may be silent when they say so, from then on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.engine.records import Record
from monitor.rulebook import Plan, ShopPlan, SourcePlan
from monitor.shard.shard import Shard
from rules.load import load_pack
from rules.rule import NoData, Rule, RuleSet
from tests.shard.test_checkpoint import NOW_MS, Disk, asked

PACK = """
pack: {name}
version: "1"
timezone: Asia/Shanghai
service_hours: [{hours}]
measures:
  reply: {{title: 回复, kind: reply_rate, within: 3m}}
"""


def pack(hours: str, name: str = "mall"):
    return (load_pack(text=PACK.format(name=name, hours=f'"{hours}"')),)


SILENT = RuleSet({"silent": Rule("silent", each="source", no_data=NoData(60_000))})
DAY = Plan({"mall": pack("08:00-23:00")}, SILENT, other_sources=SourcePlan(0, 60_000))
BOTH = replace(DAY, packs=DAY.packs | {"night": pack("20:00-23:00", "night")})
CHANGES = {
    "its pack's hours": (DAY, replace(DAY, packs={"mall": pack("20:00-23:00")})),
    "its pack": (BOTH, replace(BOTH, shops={"mall:s1": ShopPlan(pack="night")})),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("restored", [False, True])
def test_a_source_is_not_silent_outside_the_hours_that_are_in_force(change, restored):
    plan, later = CHANGES[change]
    plans = {"": plan, "1": later}
    shard, disk = Shard(plan, 0, plans), Disk()
    log = [Record(n, NOW_MS + 1_000 * n, heard={}) for n in range(200)]
    log[0] = Record(0, NOW_MS, [asked(1, NOW_MS)], "erp")
    log[2].plan = "1"
    told = list(shard.step(log[:20]).transitions)
    if restored:
        shard.end()
        disk.save(shard)
        shard = disk.restored(plan, plans)
    told += shard.step(log[20:]).transitions
    assert [one.rule for one in told] == []
