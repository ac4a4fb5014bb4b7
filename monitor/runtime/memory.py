"""When the garbage collector may stop the process, and from where memory is taken.

A full collection walks every object there is: with 300 MB of shard state it held the event loop for 1.2 s,
once every second or two under load. Almost nothing here forms cycles, so what dies is freed by its count;
young cycles are still collected, old ones a few times a day, and when a shard went to another worker: what it
held hangs together in cycles (100,000 shops: 1.3 GB), and is given back to the system then.

Where the C library is glibc, each thread takes memory from a heap of its own, and what one thread freed is
of no use to another: shops that a thread had restored and the event loop packed anew were paid for twice.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits

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
    """Collect the young often and the old seldom, for ever.

    Args:
        gone: How many shards were let go; soon after one more was the old are collected, and once more, for
            one that was still being read.
    """
    gc.collect()
    gc.freeze()  # modules and code live as long as the process
    gc.set_threshold(limits.YOUNG_OBJECTS, limits.YOUNG_ROUNDS, limits.NEVER_ROUNDS)
    known, times = gone(), 0
    collected_s = given_s = time.monotonic()
    while True:
        await asyncio.sleep(limits.COLLECTION_LOOK_S)
        if gone() != known:
            known, times = gone(), 2
        elif time.monotonic() >= collected_s + limits.FULL_COLLECTION_S:
            times = 1
        if times:
            times -= 1
            began_s = time.perf_counter()
            found, collected_s = gc.collect(), time.monotonic()
            log.info("memory collected", objects=found, took_s=round(time.perf_counter() - began_s, 3))
        if collected_s > given_s or time.monotonic() >= given_s + limits.GIVE_BACK_S:
            await asyncio.to_thread(give_back)
            given_s = time.monotonic()
