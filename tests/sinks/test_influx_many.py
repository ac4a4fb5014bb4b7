"""Ten thousand shops in one sample: all of it is kept, and everybody else has a turn all the while."""

from __future__ import annotations

import asyncio

from monitor.charting import Charts
from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.rulebook import Plan
from monitor.runtime.clock import ManualClock
from monitor.runtime.names import Names
from monitor.shard.shard import Shard
from monitor.sinks import influx_limits as limits
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from monitor.web.ports import Status
from rules.load import load_packs
from rules.rule import RuleSet

SHOPS, NOON_MS = 10_000, 1_794_369_600_000  # 2026-11-11T12:00:00+08:00
PACK = """
pack: mall
version: "1"
timezone: Asia/Shanghai
service_hours: ["00:00-24:00"]
measures:
  reply: {title: {zh: 回复率}, kind: reply_rate, within: 3m, periods: [day]}
lines:
  - {id: half, measure: reply, period: day, at_least: 50%}
"""
READY = Status(ready=True, now_ms=0, version="", started_ms=0, shops=0, lag_ms=0)


def question(number: int) -> Event:
    return Event(
        type="message",
        id="1",
        at=NOON_MS,
        platform="mall",
        shop_id=f"s{number}",
        conversation_id="c",
        customer_id="u",
        actor="customer",
    )


async def sampled(charts):
    """How many turns somebody else had while a sample was taken."""
    turns, done = 0, asyncio.Event()

    async def somebody_else():
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(somebody_else())
    await charts.sample()
    done.set()
    await task
    return turns


def test_a_sample_of_ten_thousand_shops_is_kept_whole_and_lets_others_in_between(tmp_path):
    (tmp_path / "mall.yaml").write_text(PACK, "utf-8")
    packs = load_packs(tmp_path)
    shard = Shard(Plan(packs, RuleSet(), quiet_gaps=True))
    shard.step([Record(1, NOON_MS, [question(n) for n in range(SHOPS)])])
    shard.advance(NOON_MS + 60_000)
    spool = Spool(tmp_path / "spool.db", 1 << 30, 1 << 50)
    sink = InfluxSink(spool, Link("http://127.0.0.1:9", "o", "b", lambda: "t"), lambda: NOON_MS)
    sink.start()
    names, clock = Names(packs, RuleSet(), {}, {}), ManualClock(NOON_MS + 60_000)
    charts = Charts(sink, 10_000, lambda: [shard], names, lambda: READY, clock, ("test", "run"))
    turns = asyncio.run(sampled(charts))
    sink.flush()
    kept, dropped = sink.waiting, sink.dropped
    sink.close()
    assert kept == 3 * SHOPS + 2, "each shop, its line and its measure; their source and the process"
    assert not dropped
    assert turns >= SHOPS / limits.SLICE_SHOPS
