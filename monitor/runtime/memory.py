"""When the garbage collector may stop the process, and from where memory is taken.

A collection walks every object there is: with 330 MB of shard state it holds the event loop for 0.2 s. Python
looks at the young at all times as well, a tenth of a worker's time, to find some tens of objects among
600,000 events' (measured): nearly nothing here forms cycles, and what dies is freed by its count. So the
young are looked at as memory has grown by what takes 30 ms, and all a few times a day, sooner where it has
grown by much, and when a shard went to another worker: what it held hangs together in cycles (100,000 shops:
1.3 GB), and is given back to the system then.

Where the C library is glibc, each thread takes memory from a heap of its own, and what one thread freed is
of no use to another: shops that a thread had restored and the event loop packed anew were paid for twice.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import time
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from monitor.runtime.large_pages import LargePages

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)
_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def keep_one_heap() -> bool:
    """Have all threads that are still to come share one heap; False: this C library cannot be told.

    Under the interpreter's lock hardly two of them ask for memory at a time.
    """
    try:
        told: int = ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    return bool(told)


def give_back() -> None:
    """Give pages with nothing in them back to the system, where the C library can be told."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def collect_seldom(gone: Callable[[], int] = lambda: 0) -> None:
    """Collect what hangs together in cycles seldom, for ever.

    Args:
        gone: How many shards were let go; soon after one more was all is collected, and once more, for one
            that was still being read.
    """
    gc.collect()
    gc.freeze()  # modules and code live as long as the process
    gc.disable()
    try:
        await _collect_when_due(gone)
    finally:
        gc.enable()


async def _collect_when_due(gone: Callable[[], int]) -> None:
    known, times, after_all = gone(), 0, sys.getallocatedblocks()
    after_young = after_all
    all_s = given_s = time.monotonic()
    pages = LargePages()
    while True:
        await asyncio.sleep(limits.COLLECTION_LOOK_S)
        blocks, now_s = sys.getallocatedblocks(), time.monotonic()
        after_young = min(after_young, blocks)
        grown_s = limits.GROWN_S if blocks - after_all > limits.GROWN_BLOCKS else limits.FULL_COLLECTION_S
        if gone() != known:
            known, times = gone(), 2
        elif not times and now_s >= all_s + grown_s:
            times = 1
        if times:
            times -= 1
            began_s = time.perf_counter()
            found, all_s = gc.collect(), now_s
            after_all = after_young = sys.getallocatedblocks()
            log.info("memory collected", objects=found, took_s=round(time.perf_counter() - began_s, 3))
        elif blocks - after_young > limits.YOUNG_BLOCKS:
            gc.collect(1)
            after_young = sys.getallocatedblocks()
        if all_s > given_s or now_s >= given_s + limits.GIVE_BACK_S:
            await asyncio.to_thread(give_back)
            if (taken := await asyncio.to_thread(pages.take)) > 0:
                log.info("memory in large pages", bytes=taken)
            given_s = now_s
