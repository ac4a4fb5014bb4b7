"""One thread for what may wait for a disk, so that the event loop never does."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import structlog

from alerting.errors import StoreBusy, StoreFull, StoreReplaced
from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from monitor.runtime.health import Health

log = structlog.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class WorkerThread:
    """Runs calls one after the other in a thread of its own; SQLite connections live and die there."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The call's result, or its exception."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: call(*args, **kwargs))

    def wait(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for another thread, which waits."""
        return self._pool.submit(call, *args, **kwargs).result()

    def close(self) -> None:
        """Finish what was begun."""
        self._pool.shutdown()


class StoreThread(WorkerThread):
    """The thread of one connection to the store."""

    def __init__(self, name: str, health: Health) -> None:
        super().__init__(name)
        self.health = health
        self._turn = asyncio.Lock()  # one write in the thread at a time: what is only asked slips between

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The call's result, or its exception; one that tells of another store ends the process."""
        try:
            return await super().run(call, *args, **kwargs)
        except StoreReplaced as error:
            self.health.end(error)
            raise

    async def until_stored(
        self,
        write: Callable[[], object],
        refused: Callable[[], Awaitable[object]] | None = None,
        by: object = None,
    ) -> None:
        """Write until it is written: while the disk is full or taken, who waits here goes no further.

        Args:
            write: Called in the thread; may be called again after it failed.
            refused: Awaited after each failure but those of the first ``limits.UNRECORDED_S``, for what must
                not wait for a disk: a connection that is lost is there again by then.
            by: Who says that the store takes nothing, where another one is to say that it is well again.
        """
        pause_s, this, began_s = limits.RESTART_PAUSE_S, by or object(), time.monotonic()
        try:
            while not await self._stored(write, this):
                if refused is not None and time.monotonic() - began_s >= limits.UNRECORDED_S:
                    try:
                        await refused()
                    except Exception:  # telling people failed as well; storing is tried all the same
                        log.exception("not told without a record")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, limits.RESTART_PAUSE_MAX_S)
        except Exception:
            self.health.well("store", by=this)
            raise
        self.health.well("store", by=this)  # not where it was cancelled: then nothing is back

    async def _stored(self, write: Callable[[], object], by: object) -> bool:
        try:
            async with self._turn:
                await self.run(write)
        except (StoreFull, StoreBusy) as error:
            self.health.failed("store", str(error), by=by)
            return False
        return True
