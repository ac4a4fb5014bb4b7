"""Platforms without a pack are warned of while they have none."""

from __future__ import annotations

from dataclasses import replace

from monitor.engine.records import Record
from monitor.rulebook import Plan
from monitor.runtime.health import Health
from monitor.runtime.packless import Packless
from monitor.shard.shard import Shard
from rules.load import load_pack
from tests.runtime.live import PACK
from tests.shard.test_checkpoint import NOW_MS, asked


def test_a_warning_ends_when_the_platform_has_a_pack_and_begins_when_it_has_none_any_more():
    pack = load_pack(text=PACK)
    plans = {"0": Plan({}), "1": Plan({"mall": (pack,)}), "2": Plan({})}
    plans["3"] = replace(plans["2"], lateness_ms=1_000)
    shard, health, counts = Shard(plans["0"], 0, plans, "0"), Health(), []
    packless = Packless(lambda: shard, health, counts.append)
    warned = []
    for number in range(4):
        event = asked(number, NOW_MS)
        record = Record(number, NOW_MS, [event] if not number else [], "erp", plan=str(number or ""))
        packless.look(shard.step([record]))
        warned.append(list(health.notices))
    assert warned == [["platform mall"], [], ["platform mall"], ["platform mall"]]
    assert counts[-1] == 1
