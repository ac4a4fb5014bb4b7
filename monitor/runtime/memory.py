"""When the garbage collector may stop the process, and from where memory is taken.

A full collection walks every object there is: with 300 MB of shard state it held the event loop for 1.2 s,
once every second or two under load. Almost nothing here forms cycles, so what dies is freed by its count;
young cycles are still collected, old ones a few times a day.

Where the C library is glibc, each thread takes memory from a heap of its own, and what one thread freed is
of no use to another: shops that a thread had restored and the event loop packed anew were paid for twice.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time

import structlog

from monitor.runtime import limits

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
