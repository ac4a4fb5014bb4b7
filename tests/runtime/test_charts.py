"""The daemon with InfluxDB: what a chart would show, and that nothing else depends on it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from monitor.charting import Charts, ChartsWatch
from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.rulebook import Plan
from monitor.runtime.clock import ManualClock
from monitor.runtime.health import Health
from monitor.runtime.names import Names
from monitor.runtime.passing import pass_time
from monitor.shard.shard import Shard
from monitor.sinks import influx_limits
from monitor.sinks.influx_sender import State
from monitor.sinks.metrics import Metrics
from monitor.web.ports import Status
from rules.load import load_packs
from rules.rule import RuleSet
from tests.runtime.live import PACK
from tests.runtime.scenes import TEN_MS, living, message, play, post
from tests.servers.influx import ORG, TOKEN
from tests.waiting import until

NOWHERE = "influx: {url: 'http://127.0.0.1:9', token: a-token}\n"


def settings_of(bucket, folder):
    (folder / "influx.token").write_text(f"{TOKEN}\n")
    return (
        f"influx: {{url: '{bucket.url}', org: {ORG}, bucket: {bucket.name}, token_file: influx.token}}\n"
        "public_url: http://slawatch.test\n"
    )


def rows(server, bucket, measurement):
    flux = f'from(bucket: "{bucket.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2027-01-01T00:00:00Z)'
    flux += f' |> filter(fn: (r) => r._measurement == "{measurement}")'
    flux += ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
    return sorted(server.query(f'{flux} |> sort(columns: ["_time"])'), key=lambda row: row["_time"])


def test_a_miss_is_seen_in_every_chart_that_it_is_in(influx_server, tmp_path):
    """One customer asks and is not answered: the line, the shop, the alert, its message, ourselves."""
    bucket = influx_server.new_bucket()
    (tmp_path / "shops.yaml").write_text("shops:\n  mall:s1: {name: 晨光旗舰店, team: 一组}\n", "utf-8")

    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        await pass_time(clock, TEN_MS + 31_000, it.running.settled)
        assert len(wecom.inbox) == 1

        def all_there():
            found = [rows(influx_server, bucket, f"sla_{one}") for one in ("line", "shop", "self")]
            happened = [rows(influx_server, bucket, f"sla_{one}") for one in ("alert", "delivery")]
            return [len(one) for one in found] == [4, 4, 4] and all(happened)

        await until(all_there, what="the last sample, and what happened")

    play(tmp_path, scene, settings=settings_of(bucket, tmp_path))
    line = rows(influx_server, bucket, "sla_line")
    assert [row["_time"][11:19] for row in line] == [f"02:00:{second:02}" for second in (0, 10, 20, 30)]
    told = ("team", "asked", "late", "budget_left", "breach", "limit", "value", "blind")
    assert [line[-1][name] for name in told] == ["一组", "1", "1", "-1", "1", "0.5", "0", "0"]
    shop = rows(influx_server, bucket, "sla_shop")[-1]
    assert [shop[n] for n in ("severity", "crossed", "waiting", "name")] == ["2", "1", "1", "晨光旗舰店"]
    assert shop["oldest_wait_ms"] == "30000"
    (alert,) = rows(influx_server, bucket, "sla_alert")
    assert [alert[n] for n in ("rule", "shop", "to_state", "severity", "text")] == [
        *("a-miss", "s1", "firing", "2", "有超时"),
    ]
    assert alert["_time"][11:19] == "02:00:03"
    (sent,) = rows(influx_server, bucket, "sla_delivery")
    assert [sent[n] for n in ("account", "result", "count", "alerts")] == ["group", "ok", "1", "1"]
    ourselves = rows(influx_server, bucket, "sla_self")[-1]
    assert [ourselves[n] for n in ("role", "ready", "shops", "dropped")] == ["run", "1", "1", "0"]


def test_with_influxdb_gone_alerts_come_at_the_same_second_and_the_daemon_is_ready(tmp_path):
    async def scene(settings):
        clock = ManualClock(TEN_MS)
        async with living(tmp_path / settings[:6], clock, settings) as (it, client, wecom):
            await post(client, message(1, TEN_MS))
            await pass_time(clock, TEN_MS + 3_000, it.running.settled)
            (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
            assert (await client.get("/readyz")).status_code == 200
            return len(wecom.inbox), alert["since_ms"]

    for name in ("", "influx"):
        (tmp_path / name).mkdir(exist_ok=True)
    assert asyncio.run(scene(NOWHERE)) == asyncio.run(scene("")) == (1, TEN_MS + 3_000)


@pytest.mark.parametrize(
    ("way", "age_ms", "told"), [("down", 599_000, False), ("down", 600_000, True), ("slow", 600_000, True)]
)
def test_who_has_no_prometheus_is_told_as_well_once_charts_are_ten_minutes_behind(way, age_ms, told):
    sink = Sink()
    sink.state, sink.age_ms = State(way, "timed out", TEN_MS - age_ms, at_once=19), age_ms
    heard, health = [], Health()

    async def hear(one):
        heard.append(one)

    charts = type("Charts", (), {"sink": sink, "instance": ("host", "run")})()
    clock = ManualClock(TEN_MS)
    watch = ChartsWatch(charts, health, Metrics(), hear, clock.now_ms)
    asyncio.run(watch.look())
    assert not heard, "what an earlier run left is sent in a moment"
    clock.move_to(TEN_MS + influx_limits.TOLD_MS)
    asyncio.run(watch.look())
    assert bool(heard) == told
    notice = health.notices["influx"].en
    assert notice.startswith(f"influx: timed out; 70 points wait on disk, the oldest {age_ms // 1000} s; ")
    assert ("19 points at once" in notice) == (way == "slow")


class Sink:
    """A sink in a state."""

    waiting, age_ms, dropped = 70, 61_000, {}
    state = State("refused", "401 unauthorized access", TEN_MS)


class Given(Sink):
    """A sink that notes what it is given."""

    def __init__(self):
        self.lines, self.dropped = [], {}

    def put(self, lines, *, lasting=False):
        self.lines += lines


def test_agents_are_written_on_when_the_machines_clock_is_set_back_an_hour(tmp_path):
    (tmp_path / "mall.yaml").write_text(PACK, "utf-8")
    packs, sink = load_packs(tmp_path), Given()
    shard = Shard(Plan(packs, RuleSet(), quiet_gaps=True))
    talk = [message(1, TEN_MS), message(1, TEN_MS + 1_000, "agent") | {"agent_id": "a1"}]
    shard.step([Record(1, TEN_MS + 1_000, [msgspec.convert(one, Event) for one in talk])])
    ready = Status(ready=True, now_ms=0, version="", started_ms=0, shops=0, lag_ms=0)

    def sampled_at(clock_ms, shard_ms):
        shard.advance(shard_ms)
        sink.lines.clear()
        charts._clock = ManualClock(clock_ms)
        asyncio.run(charts.sample())
        return sum(line.startswith("sla_agent,") for line in sink.lines)

    names = Names(packs, RuleSet(), {}, {})
    charts = Charts(sink, 10_000, lambda: [shard], names, lambda: ready, ManualClock(0), ("host", "run"))
    assert sampled_at(TEN_MS + 2_000, TEN_MS + 2_000) == 1
    assert sampled_at(TEN_MS + 12_000, TEN_MS + 12_000) == 0, "each minute"
    assert sampled_at(TEN_MS - 3_588_000, TEN_MS + 22_000) == 1


def test_who_can_mend_it_is_told_once_that_influxdb_refuses_and_once_that_it_is_over(tmp_path):
    """After a minute; in /readyz as a notice, and over the receivers of self_alerts like any alert."""

    async def scene(it, client, wecom, clock):
        charts = type("Charts", (), {"sink": Sink(), "instance": ("host", "run")})()
        running = it.running
        watch = ChartsWatch(charts, running.health, it.gauges._metrics, running.desk_loop.hear, clock.now_ms)
        await watch.look()
        assert not running.health.notices
        await pass_time(clock, TEN_MS + influx_limits.TOLD_MS, running.settled)
        for _ in range(3):
            await watch.look()
        await running.settled()
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        (notice,) = ready.json()["notices"]
        assert notice.startswith("influx: 401 unauthorized access; 70 points wait on disk")
        (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
        assert (alert["severity"], alert["subject"]) == ("warn", {"daemon": "influx host run"})
        assert alert["title"]["zh"] == "图表数据写不进 InfluxDB，告警不受影响"
        charts.sink.state = State(sent=70)
        await watch.look()
        await running.settled()
        assert (await client.get("/api/v1/alerts")).json()["alerts"] == []
        assert not running.health.notices
        exposition = (await client.get("/metrics")).text
        assert "slawatch_influx_up 1.0" in exposition
        assert "slawatch_influx_points_total 70.0" in exposition
        await pass_time(clock, clock.now_ms() + 120_000, running.settled)
        texts = [str(one) for one in wecom.inbox]
        assert sum("InfluxDB" in text for text in texts) >= 1

    play(tmp_path, scene)
