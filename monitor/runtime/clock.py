"""Time as the runtime tells it: the system's, or one that a test or the demo moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock(Protocol):
    """Now, and waiting for later; epoch milliseconds."""

    def now_ms(self) -> int:
        """Now; also asked from other threads."""

    async def sleep_until(self, at_ms: int) -> None:
        """Return once it is ``at_ms`` or later; always gives others a turn."""

    async def wait(self, event: asyncio.Event, until_ms: int) -> None:
        """Return when ``event`` is set or it is ``until_ms``, whichever is first."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Now, epoch milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep_until(self, at_ms: int) -> None:
        """Sleep for what is left until then, by the clock as it is set now."""
        await asyncio.sleep(max(0, at_ms - self.now_ms()) / 1000)

    async def wait(self, event: asyncio.Event, until_ms: int) -> None:
        """Wait for ``event``, but no longer than until then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, until_ms - self.now_ms()) / 1000):
                await event.wait()


class ManualClock:
    """A clock that stands until it is moved; who sleeps wakes in the order of the times waited for."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiting: dict[asyncio.Future[None], asyncio.Event | None] = {}  # sleeper → what else wakes it
        self._joined = asyncio.Event()  # set, and replaced, when one more waits

    def now_ms(self) -> int:
        """The time it stands at, epoch milliseconds."""
        return self._now_ms

    @property
    def waiting(self) -> int:
        """How many wait for this clock to move, and have nothing else to do."""
        return sum(
            not sleeper.done() and (event is None or not event.is_set())
            for sleeper, event in self._waiting.items()
        )

    async def all_wait(self, count: int) -> None:
        """Return once so many wait for this clock."""
        while self.waiting < count:
            await self._joined.wait()

    async def sleep_until(self, at_ms: int) -> None:
        """Wait until the clock has been moved to ``at_ms``."""
        await asyncio.sleep(0)
        if at_ms > self._now_ms:
            with self._sleeper(at_ms, None) as sleeper:
                await sleeper

    async def wait(self, event: asyncio.Event, until_ms: int) -> None:
        """Wait for ``event`` or for the clock to be moved there."""
        await asyncio.sleep(0)
        if event.is_set() or until_ms <= self._now_ms:
            return
        happens = asyncio.ensure_future(event.wait())
        try:
            with self._sleeper(until_ms, event) as sleeper:
                both: list[asyncio.Future[Any]] = [sleeper, happens]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            happens.cancel()

    def move_to(self, at_ms: int) -> None:
        """Move forward, never back, and wake whose time has come."""
        self._now_ms = max(self._now_ms, at_ms)
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)

    @contextmanager
    def _sleeper(self, at_ms: int, event: asyncio.Event | None) -> Iterator[asyncio.Future[None]]:
        sleeper = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at_ms, next(self._order), sleeper))
        self._waiting[sleeper] = event
        self._joined.set()
        self._joined = asyncio.Event()
        try:
            yield sleeper
        finally:
            sleeper.cancel()
            del self._waiting[sleeper]
