"""The database's clock, as every process on one database tells it.

Leases, limits, expiry and the steps of an escalation are times that one process writes and another one reads.
Machines' clocks differ, and are set while they run; so these are told by the database's clock, carried on
between two looks by this machine's steady one, which nobody sets.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import structlog

from alerting.errors import StoreBusy
from monitor.runtime import limits
from monitor.runtime.clock import SystemClock
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.runtime.health import Health
    from monitor.runtime.worker_thread import StoreThread

log = structlog.get_logger(__name__)
NOTICE = "clock"


class Told(Protocol):
    """A store that has a clock."""

    def now_ms(self) -> int:
        """Its time, epoch milliseconds."""


_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


def _steady_ms() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def _own_ms() -> int:
    return time.time_ns() // 1_000_000


class SharedClock(SystemClock):
    """The database's time; the machine's own until it has been looked at.

    Args:
        store: Of the database; called only in ``thread``.
        thread: Where that waits.
        health: Has a notice while the machine's own clock is another one.
        steady_ms: A clock of this machine that is never set.
        own_ms: The machine's clock, which may be.
    """

    def __init__(
        self,
        store: Told,
        thread: StoreThread,
        health: Health,
        steady_ms: Callable[[], int] = _steady_ms,
        own_ms: Callable[[], int] = _own_ms,
    ) -> None:
        self._store, self._thread, self._health = store, thread, health
        self._steady_ms, self._own_ms = steady_ms, own_ms
        self._ahead_ms = own_ms() - steady_ms()
        self._looked = False

    def now_ms(self) -> int:
        """Now, epoch milliseconds."""
        return self._steady_ms() + self._ahead_ms

    async def look(self) -> None:
        """Look at the database's clock; a look that took long says too little and is dropped.

        The answer is as old as the half of the way there and back, give or take that half: what lies within
        it is no difference.

        Raises:
            StoreBusy: It cannot be asked; the time goes on.
        """
        before_ms, told_ms, after_ms = await self._thread.run(self._ask)
        half_ms = (after_ms - before_ms + 1) // 2
        if self._looked and half_ms > limits.CLOCK_LOOK_MS_MAX:
            return
        ahead_ms = told_ms - (before_ms + half_ms)
        if not self._looked or abs(ahead_ms - self._ahead_ms) > half_ms:
            self._ahead_ms, self._looked = ahead_ms, True
        self._tell(self._own_ms() - self.now_ms(), half_ms)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(limits.CLOCK_LOOK_S)
            with suppress(StoreBusy):
                await self.look()

    def _ask(self) -> tuple[int, int, int]:
        return self._steady_ms(), self._store.now_ms(), self._steady_ms()

    def _tell(self, off_ms: int, half_ms: int) -> None:
        if abs(off_ms) <= limits.CLOCK_APART_MS + half_ms:
            self._health.notices.pop(NOTICE, None)
            return
        seconds = f"{abs(off_ms) / 1_000:.0f}"
        zh_way, way = ("快", "ahead of") if off_ms > 0 else ("慢", "behind")
        zh = f"本机时钟比数据库{zh_way} {seconds} 秒；通知按数据库的时钟进行，请校准本机时间"
        what = f"this machine's clock is {seconds} s {way} the database's, which counts; set it"
        if NOTICE not in self._health.notices:
            log.warning("clocks differ", apart_s=int(seconds), way=way)
        self._health.notices[NOTICE] = Text(zh, what)


async def shared_clock(store: Told, thread: StoreThread, health: Health) -> SharedClock:
    """The clock of a store, looked at once; where that cannot be asked, at its next look."""
    clock = SharedClock(store, thread, health)
    with suppress(StoreBusy):
        await clock.look()
    return clock
