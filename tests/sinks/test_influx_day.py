"""A day of the simulator through the sink: every figure read back from InfluxDB equals the oracle's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from influxdb_client import InfluxDBClient

from monitor.charting import Charts
from monitor.engine.records import Record
from monitor.rulebook import Plan, ShopPlan
from monitor.runtime.clock import ManualClock
from monitor.runtime.names import Names
from monitor.shard.shard import Shard
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from monitor.web.ports import Status
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, Habits, make_world
from rules.load import load_packs, load_rules
from tests.oracle.naive import Oracle
from tests.waiting import eventually

MIDNIGHT_MS = 1_794_326_400_000  # 2026-11-11T00:00:00+08:00
FROM_MS, UNTIL_MS = MIDNIGHT_MS + 7 * HOUR_MS, MIDNIGHT_MS + 24 * HOUR_MS
EVERY_MS = HOUR_MS
SENT_MS = 700  # for each alert of a message, until the channel has answered
RULES = """
rules:
  - id: drift
    title: {zh: 逼近红线}
    measure: reply_rate_3m
    period: day
    warn: {late: ">= 1"}
"""
HABITS = Habits(late_a_little=0.15, late_a_lot=0.05, never_answered=0.05, transferred=0.1, disputed=0.05)
READY = Status(ready=True, now_ms=0, version="", started_ms=0, shops=0, lag_ms=0)


def test_every_figure_of_a_day_read_back_is_the_oracles(influx_server, tmp_path):
    packs = load_packs()
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    rules = load_rules([tmp_path / "rules.yaml"], packs)
    shops = make_world(4, 7, FROM_MS, UNTIL_MS, conversations=35, sources=2, habits=HABITS)
    teams = {shop.key: ShopPlan(team="一组") for shop in shops.shops[:2]}
    plan = Plan(packs, rules, quiet_gaps=True, shops=teams)
    by_platform = {versions[0].platform or name: versions for name, versions in packs.items()}
    bucket = influx_server.new_bucket()
    told, wanted, _ = asyncio.run(
        live(shops, Shard(plan), by_platform, Names(packs, rules, {}, {}), bucket, tmp_path)
    )
    found = read(bucket)
    assert len(wanted) > 1_500
    different = {key: (value, found.get(key)) for key, value in wanted.items() if found.get(key) != value}
    assert not different, list(different.items())[:6]
    assert {key[0] for key in wanted} == {"sla_shop", "sla_measure", "sla_agent"}
    alerts = sorted(key[1] for key in found if key[0] == "sla_alert" and key[-1] == "severity")
    assert alerts == sorted(f"{t.at_ms * 1_000_000 + t.n}" for t in told)
    assert alerts


async def live(world, shard, by_platform, names, bucket, folder: Path):
    """Fold the day, sample each hour, send what fires, of which the first message is refused at first.

    Returns:
        What was told, every figure that the oracle gives, and what was sent: time and alerts.
    """
    oracle, clock, told, wanted, sent = Oracle(by_platform), ManualClock(FROM_MS), [], {}, []
    spool = Spool(folder / "spool.db", 1 << 30, 1 << 50)
    sink = InfluxSink(spool, Link(bucket.url, bucket.org, bucket.name, lambda: bucket.token), clock.now_ms)
    sink.start()
    charts = Charts(sink, EVERY_MS, lambda: [shard], names, lambda: READY, clock, ("test", "run"))
    position = 0

    def step(arrival_ms, events):
        nonlocal position
        position += 1
        outputs = shard.step([Record(position, arrival_ms, events)])
        clock.move_to(arrival_ms)
        told.extend(outputs.transitions)
        charts.outputs(outputs)
        if firing := sum(one.to_state == "firing" for one in outputs.transitions):
            if not sent:
                charts.delivered(0, "group", "rate_limited", firing, [SENT_MS])
            sent.append((arrival_ms, firing))
            charts.delivered(len(sent), "group", "ok", firing, [SENT_MS * firing])

    next_ms = FROM_MS + EVERY_MS
    for arrival_ms, event in [*Simulation(world), (UNTIL_MS + 1, None)]:
        while arrival_ms > next_ms <= UNTIL_MS:
            step(next_ms, [])
            clock.move_to(next_ms)
            await charts.sample()
            wanted |= expected(oracle.figures(next_ms), next_ms, by_platform)
            next_ms += EVERY_MS
        if event is not None and arrival_ms <= UNTIL_MS:
            oracle.feed(event, arrival_ms)
            step(arrival_ms, [event])
    sink.flush()
    eventually(lambda: not sink.waiting)
    assert not sink.dropped
    sink.close()
    return told, wanted, sent


def expected(figures, now_ms, by_platform):
    """The oracle's figures as points: (measurement, time, tags …, field) → value."""
    found, at = {}, f"{now_ms * 1_000_000}"
    for shop in figures["shops"]:
        of = shop["platform"], shop["shop_id"]
        found["sla_shop", at, *of, "waiting"] = shop["waiting"]["open"]
        found["sla_shop", at, *of, "oldest_wait_ms"] = shop["waiting"]["oldest_ms"] or 0
        for measure, periods in shop["measures"].items():
            for period, parts in periods.items():
                key = "sla_measure", at, *of, measure, period
                for field, value in as_fields(parts).items():
                    found[*key, field] = value
        measures = by_platform[shop["platform"]][-1].measures
        for measure, agents in shop["agents"].items():
            for agent, counts in (
                agents.items() if measures[measure].by else ()
            ):  # where the pack asks for them
                for field, value in counts.items():
                    found["sla_agent", at, *of, agent, measure, field] = value
    return found


def as_fields(parts):
    if "of" in parts:
        return {"late": parts["count"], "asked": parts["of"]}
    if "count" in parts:
        times = {name: parts[name] for name in ("p50_ms", "p90_ms", "p95_ms") if parts[name] is not None}
        return {"asked": parts["count"], **times} | ({"max_ms": parts["max_ms"]} if parts["count"] else {})
    rate = {name: parts[name] for name in ("asked", "late", "open")}
    if parts["asked"]:
        rate["value"] = pytest.approx((parts["asked"] - parts["late"]) / parts["asked"])
    return rate


TAGS = {
    "sla_shop": (),
    "sla_measure": ("measure", "period"),
    "sla_agent": ("agent", "measure"),
    "sla_line": ("line",),
    "sla_alert": ("rule",),
}


def read(bucket):
    """Everything in a bucket, by the same keys, through the vendor's own client."""
    flux = f'from(bucket: "{bucket.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2027-01-01T00:00:00Z)'
    flux += f" |> filter(fn: (r) => r._measurement =~ /^({'|'.join(TAGS)})$/)"
    flux += " |> map(fn: (r) => ({r with at: string(v: int(v: r._time))}))"
    found = {}
    with InfluxDBClient(bucket.url, bucket.token, org=bucket.org, timeout=60_000) as client:
        for table in client.query_api().query(flux):
            for record in table.records:
                row = record.values
                tags = (row[tag] for tag in ("platform", "shop", *TAGS[row["_measurement"]]))
                key = (row["_measurement"], row["at"], *tags, row["_field"])
                assert key not in found, key
                found[key] = row["_value"]
    return found
