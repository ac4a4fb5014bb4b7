"""From where the process takes memory."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress

import pytest

from monitor.runtime import limits
from monitor.runtime.memory import collect_seldom
from tests.waiting import until

HEAPS = """
import ctypes, sys, threading
from monitor.runtime.memory import keep_one_heap

told = "one" in sys.argv and keep_one_heap()
kept = []
threads = [threading.Thread(target=lambda: kept.extend(bytes(4_000) for _ in range(1_000))) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
print(int(told), flush=True)
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


def heaps(*arguments: str) -> tuple[bool, int]:
    """Whether it could be told, and in how many heaps a process then has what three threads asked for."""
    command = [sys.executable, "-c", HEAPS, *arguments]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return said.startswith("1"), len(re.findall(r"<heap nr=", said))


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_info is of glibc")
def test_threads_share_the_heap_of_the_first_one():
    assert heaps("one") == (True, 1)
    told, found = heaps()
    assert not told
    assert found > 1


class Held:
    """Something that hangs together with itself, as a shard does."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def as_it_was():
    """The collector as it was before."""
    yield
    assert gc.isenabled()
    gc.unfreeze()


@pytest.mark.usefixtures("as_it_was")
def test_what_a_shard_held_is_freed_soon_after_it_was_let_go(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTION_LOOK_S", 0.01)

    async def play() -> None:
        gone = [0]
        part = asyncio.create_task(collect_seldom(lambda: gone[0]))
        await asyncio.sleep(0)
        seen = weakref.ref(Held())
        assert seen() is not None
        gone[0] += 1
        await until(lambda: seen() is None)
        await _end(part)

    asyncio.run(play())


def grow_until(kept: list[object], over: Callable[[], bool]) -> Callable[[], bool]:
    """More is kept at each look, until it is over."""

    def grown() -> bool:
        kept.extend(object() for _ in range(100_000))
        return over()

    return grown


@pytest.mark.usefixtures("as_it_was")
def test_memory_that_grows_is_looked_through_among_what_is_new(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTION_LOOK_S", 0.01)
    monkeypatch.setattr(limits, "YOUNG_BLOCKS", 1_000)

    async def play() -> None:
        part = asyncio.create_task(collect_seldom())
        await asyncio.sleep(0)
        assert not gc.isenabled()
        seen, kept = weakref.ref(Held()), list[object]()
        assert seen() is not None
        await until(grow_until(kept, lambda: seen() is None))
        await _end(part)

    asyncio.run(play())


@pytest.mark.usefixtures("as_it_was")
def test_what_was_kept_for_long_is_looked_for_as_well_where_memory_has_grown_by_much(monkeypatch):
    monkeypatch.setattr(limits, "COLLECTION_LOOK_S", 0.01)
    monkeypatch.setattr(limits, "YOUNG_BLOCKS", 1_000)
    monkeypatch.setattr(limits, "GROWN_BLOCKS", 200_000)
    monkeypatch.setattr(limits, "GROWN_S", 0.0)

    async def play() -> None:
        part = asyncio.create_task(collect_seldom())
        await asyncio.sleep(0)
        held, kept = Held(), list[object]()
        seen, young = weakref.ref(held), weakref.ref(Held())
        await until(grow_until(kept, lambda: young() is None))
        del held
        assert seen() is not None
        await until(grow_until(kept, lambda: seen() is None))
        await _end(part)

    asyncio.run(play())


async def _end(part: asyncio.Task[None]) -> None:
    part.cancel()
    with suppress(asyncio.CancelledError):
        await part
