"""The machine's clock is set back: the journal's time stands until it is there again, and that is said."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

from monitor.runtime.health import Health
from monitor.runtime.ticker import Ticker

NOW_MS = 1_795_000_000_000


class Journal:
    """Arrivals that never go back."""

    def __init__(self, clock) -> None:
        self.clock, self.arrival_ms = clock, 0

    def tick(self, _changed):
        self.arrival_ms = max(self.arrival_ms, self.clock.now)
        done = Future()
        done.set_result(SimpleNamespace(position=1, arrival_ms=self.arrival_ms))
        return done


def test_a_clock_that_was_set_back_is_told_once_and_is_well_when_it_is_there_again():
    clock, health, told = SimpleNamespace(now=NOW_MS), Health(), []
    clock.now_ms = lambda: clock.now

    async def tell(alerts):
        told.extend(alerts)
        return 1

    async def folded(_position):
        return

    async def scene():
        ticker = Ticker(Journal(clock), clock, {}, folded, health, tell)
        await ticker.tick()
        assert health.problems == {}
        clock.now -= 3_600_000
        for _ in range(20):
            await ticker.tick()
            clock.now += 1_000
        assert health.problems["time"].startswith("clock: it is 3581 s behind the last record")
        assert len(told) == 1
        clock.now = NOW_MS
        await ticker.tick()
        assert health.problems == {}

    asyncio.run(scene())
