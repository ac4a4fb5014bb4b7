"""One desk of several: it folds while it holds the lead, and waits for the lead while another has it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from alerting.errors import Fenced, StoreBusy, StoreError, StoreFull
from monitor.runtime import limits
from monitor.runtime.cluster.answers import PART, answered

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.runtime.clock import Clock
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.sqlite import SqliteStore

log = structlog.get_logger(__name__)


class LeadingDesk:
    """Runs the desk's loop under a lease. What a desk writes that lost it is refused by its epoch.

    Args:
        loop: The desk's, which takes the desk under the same name.
        store: Holds the lease (or PostgreSQL's, with the same methods); called only in ``thread``.
        thread: Where that waits for the disk.
        clock: By which the lease runs.
        owner: A name that no other desk has.
    """

    def __init__(
        self, loop: DeskLoop, store: SqliteStore, thread: StoreThread, clock: Clock, owner: str
    ) -> None:
        self._loop, self._store, self._thread = loop, store, thread
        self._clock, self._owner = clock, owner
        self.leads = False

    async def run(self) -> None:
        """Lead whenever nobody else does, for ever."""
        while True:
            if await self._renewed():
                log.info("desk leads", owner=self._owner)
                try:
                    await self._lead()
                finally:
                    self.leads = False
                    self._loop.desk = None
                log.warning("desk leads no more", owner=self._owner)
            await self._follow()
            await asyncio.sleep(limits.DESK_RENEW_S)

    async def _follow(self) -> None:
        """Know what is open as the leader has written it, to show it and to take what people do about it."""
        with suppress(StoreBusy):
            self._loop.desk = await answered(self._thread.run(self._loop.read), self._thread.health)

    async def release(self) -> None:
        """Let go of the lead, so that the next desk need not wait for the lease to run out."""
        if self.leads:
            with suppress(StoreError):
                await self._thread.run(self._store.lead_desk, self._owner, 0, 0)

    async def look(self, *wake: Callable[[], None]) -> None:
        """Wake who may have news, for ever: workers and other desks write them without telling us."""
        while True:
            await asyncio.sleep(limits.DESK_LOOK_S)
            for one in wake:
                one()

    async def keep_house(self) -> None:
        """Delete from the store what is past its retention, while this desk leads, for ever."""
        while True:
            gone = 0
            with suppress(StoreBusy, StoreFull):  # the lease says so
                if self.leads:
                    gone = await self._thread.run(self._store.prune, self._clock.now_ms())
            await asyncio.sleep(0.1 if gone else limits.PRUNE_PAUSE_S)

    async def _lead(self) -> None:
        self.leads = True
        work = asyncio.create_task(self._loop.run())
        try:
            while True:
                done, _ = await asyncio.wait([work], timeout=limits.DESK_RENEW_S)
                if done:
                    work.result()
                if not await self._renewed():
                    return
        except Fenced as error:
            log.warning("another desk leads", error=str(error))
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            self._thread.health.well("store", by=self._loop)  # what it had to store is the leader's now

    async def _renewed(self) -> bool:
        now_ms, health = self._clock.now_ms(), self._thread.health
        ends_ms = now_ms + limits.DESK_LEASE_MS
        try:
            question = self._thread.run(self._store.lead_desk, self._owner, now_ms, ends_ms)
            leads = await answered(question, health)
        except (StoreBusy, StoreFull) as error:
            health.failed(PART, str(error))
            return self.leads  # nobody can take it over either while the store takes nothing
        health.well(PART)
        return leads
