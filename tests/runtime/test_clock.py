"""The machine's clock: who waits by it can be ended at any moment."""

from __future__ import annotations

import asyncio

import pytest

from monitor.runtime.clock import SystemClock


@pytest.mark.parametrize("turns", range(5))
def test_who_is_woken_and_cancelled_at_once_ends(turns):
    """``asyncio.wait_for`` of Python 3.11 drops the second: a desk that was told to stop went on for ever."""

    async def scene():
        clock, wake = SystemClock(), asyncio.Event()

        async def part():
            while True:
                wake.clear()
                await clock.wait(wake, clock.now_ms() + 60_000)

        task = asyncio.create_task(part())
        for _ in range(5):
            await asyncio.sleep(0)
        wake.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        ended = task.done()
        task.cancel()
        return ended

    assert asyncio.run(scene())
