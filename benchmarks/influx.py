"""Figures of 1,000 shops to a real InfluxDB: what a sample costs, an hour without it, and the way back.

Shops of the memory benchmark, with the packs that ship and the starter rules, sampled as the daemon does it
every 10 s. Needs influxd (``bash tests/servers/influxd/build``). ``python -m benchmarks influx``
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.engine import new_shard
from benchmarks.memory import as_a_log, as_the_daemon, batches
from benchmarks.processes import resident_mb
from benchmarks.table import Row, measure_and_print
from monitor.charting import Charts
from monitor.runtime.clock import ManualClock
from monitor.runtime.names import Names
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from monitor.web.ports import Status
from rules.load import load_packs
from rules.rule import RuleSet
from tests.servers.influx import Bucket, InfluxServer
from tests.waiting import eventually

if TYPE_CHECKING:
    from monitor.shard.shard import Shard

SHOPS, SAMPLES, OUTAGE = 1_000, 30, 360  # an hour is 360 samples
REQUESTS = 200  # of 500 events: half a morning
EVERY_MS = 10_000
BAR_POINTS, BAR_CORE, BAR_MB, BAR_DRAIN = 100_000, 0.03, 16, 20_000
READY = Status(ready=True, now_ms=0, version="", started_ms=0, shops=0, lag_ms=0)


class Stage:
    """A shard with its shops, and charts of it to one bucket."""

    def __init__(self, shard: Shard, bucket: Bucket, folder: Path) -> None:
        self.shard, self.clock = shard, ManualClock(shard.now_ms)
        spool = Spool(folder / "spool.db", 1 << 30, 1 << 50)
        self.sink = InfluxSink(spool, Link(bucket.url, bucket.org, bucket.name, lambda: bucket.token), now_ms)
        self.sink.start()
        names = Names(load_packs(), RuleSet(), {}, {})
        self._charts = Charts(
            self.sink, EVERY_MS, lambda: [shard], names, lambda: READY, self.clock, ("bench", "run")
        )

    async def sample(self) -> None:
        """Let 10 s pass, and sample."""
        self.shard.advance(self.shard.now_ms + EVERY_MS)
        self.clock.move_to(self.clock.now_ms() + EVERY_MS)
        await self._charts.sample()
        self.sink.flush()  # in a daemon 10 s lie between two


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def samples_cost(stage: Stage, count: int) -> tuple[float, float, int]:
    """Seconds of processor of the loop and of all threads, until the server has it; and points."""
    loop_s = 0.0
    before, began_s = stage.sink.state.sent, time.process_time()
    for _ in range(count):
        mark_s = time.thread_time()
        asyncio.run(stage.sample())
        loop_s += time.thread_time() - mark_s
    eventually(lambda: not stage.sink.waiting, within_s=300)
    return loop_s, time.process_time() - began_s, stage.sink.state.sent - before


def rows(shops: int = SHOPS, samples: int = SAMPLES, outage: int = OUTAGE) -> list[Row]:
    """The table."""
    as_the_daemon()
    shard = new_shard(rules=True, live=True)
    for record in as_a_log(islice(batches(shops), REQUESTS)):
        shard.step([record])
    with tempfile.TemporaryDirectory() as place, InfluxServer() as server:
        folder, whole = Path(place), shops == SHOPS
        bucket = server.new_bucket()
        stage = Stage(shard, bucket, folder)
        samples_cost(stage, 6)  # the first has every series to write for the first time
        loop_s, all_s, points = samples_cost(stage, samples)
        core = all_s / samples / (EVERY_MS / 1000)
        server.kill()
        gc.collect()
        before_mb = resident_mb(os.getpid())
        for _ in range(outage):
            asyncio.run(stage.sample())
        grown_mb, waiting = resident_mb(os.getpid()) - before_mb, stage.sink.waiting
        spooled_mb = stage.sink.waiting_bytes / 1e6
        server.start()
        eventually(lambda: stage.sink.waiting < waiting, within_s=60)
        began_s, cpu_s, left = time.monotonic(), time.process_time(), stage.sink.waiting
        eventually(lambda: not stage.sink.waiting, within_s=1_200)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
        dropped, stored = sum(stage.sink.dropped.values()), stage.sink.state.sent
        stage.sink.close()
        assert not dropped, stage.sink.dropped
        assert stored
    rate, drain = points / all_s, left / took_s
    return [
        Row(
            f"figures of {shops:,} shops to InfluxDB's answer",
            f"{rate:,.0f} points per second of processor, {points // samples:,} points a sample",
            bar=f"≥ {BAR_POINTS:,}",
            held=rate >= BAR_POINTS,
        ),
        Row(
            f"the same every 10 s, {shops:,} shops",
            f"{core:.1%} of a core, of it {loop_s / all_s:.0%} on the event loop",
            bar=f"≤ {BAR_CORE:.0%} of a core",
            held=core <= BAR_CORE if whole else None,
        ),
        Row(
            f"InfluxDB gone for {outage} samples",
            f"{grown_mb:+,} MB of memory, {waiting:,} points in {spooled_mb:.0f} MB on disk",
            bar=f"≤ {BAR_MB} MB",
            held=grown_mb <= BAR_MB,
        ),
        Row(
            "the same, InfluxDB back",
            f"{drain:,.0f} points/s, {left / cpu_s:,.0f} per second of processor",
            bar=f"≥ {BAR_DRAIN:,} points/s",
            held=drain >= BAR_DRAIN,
        ),
    ]


if __name__ == "__main__":
    measure_and_print(__doc__, rows, shops=SHOPS, samples=SAMPLES, outage=OUTAGE)
