"""When the garbage collector may stop the process.

A full collection walks every object there is: with 300 MB of shard state it held the event loop for 1.2 s,
once every second or two under load. Almost nothing here forms cycles, so what dies is freed by its count;
young cycles are still collected, old ones a few times a day.
"""

from __future__ import annotations

import asyncio
import gc
import time

import structlog

from monitor.runtime import limits

log = structlog.get_logger(__name__)


async def collect_seldom() -> None:
    """Collect the young often and the old seldom, for ever."""
    gc.collect()
    gc.freeze()  # modules and code live as long as the process
    gc.set_threshold(limits.YOUNG_OBJECTS, limits.YOUNG_ROUNDS, limits.NEVER_ROUNDS)
    while True:
        await asyncio.sleep(limits.FULL_COLLECTION_S)
        began_s = time.perf_counter()
        found = gc.collect()
        log.info("memory collected", objects=found, took_s=round(time.perf_counter() - began_s, 3))
