"""A limit, a midnight, thirty days: time passes on the real parts without anybody sleeping."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from test_embedded import START_MS, events, running

from monitor.errors import MonitorError
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import first_time, follow, pass_time
from tests.waiting import until


def test_every_second_of_ten_minutes_has_its_tick(tmp_path):
    async def scene():
        async with running(tmp_path) as it:
            await pass_time(it.clock, START_MS + 600_000, it.settled)
            assert len(it.shard_loop.shard.ticks) == 600
            assert it.shard_loop.shard.clock_ms == START_MS + 600_000

    asyncio.run(scene())


def test_far_times_are_gone_to_without_a_gap_that_would_be_time_down(tmp_path):
    async def scene():
        async with running(tmp_path) as it:
            arrivals = []
            step = None

            def watch(records):
                arrivals.extend(record.arrival_ms for record in records)
                return step(records)

            await it.settled()
            step, it.shard_loop.shard.step = it.shard_loop.shard.step, watch
            await pass_time(it.clock, START_MS + 3 * 3_600_000, it.settled)
            assert max(b - a for a, b in itertools.pairwise(arrivals)) == 5_000
            assert arrivals[-1] == START_MS + 3 * 3_600_000
            assert len(arrivals) == 2 * 720 + 3_600

    asyncio.run(scene())


def test_a_file_drives_the_clock(tmp_path):
    async def scene():
        file = tmp_path / "clock"
        file.write_text("2026-02-02T10:40:00+08:00")
        clock = ManualClock(first_time(file))
        async with running(tmp_path, clock) as it:
            task = asyncio.create_task(follow(file, clock, it.settled))
            await it.entrance.accept("erp", events(0, 3), START_MS)
            file.write_text("2026-02-02T10:41:30.500+08:00")
            await until(lambda: clock.now_ms() == START_MS + 90_500 and len(it.shard_loop.shard.ticks) == 90)
            file.write_text(str(clock.now_ms() + 9_500))
            await until(lambda: len(it.shard_loop.shard.ticks) == 100)
            task.cancel()

    asyncio.run(scene())


def test_a_clock_file_without_a_time_is_refused_with_the_mend(tmp_path):
    with pytest.raises(MonitorError, match=r"no time in it; write one such as"):
        first_time(tmp_path / "missing")
