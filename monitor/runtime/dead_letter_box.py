"""Dead letters, written in a thread: refusing an event never waits for a disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from monitor.runtime.worker_thread import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.runtime.clock import Clock
    from monitor.sinks.dead_letters import DeadLetters
    from monitor.sources.found import Rejected

log = structlog.get_logger(__name__)


class DeadLetterBox:
    """Implements ``monitor.runtime.ports.DeadLetters``."""

    def __init__(self, letters: DeadLetters) -> None:
        self._letters, self._thread = letters, WorkerThread("dead-letters")

    async def put(self, source: str, rejected: Sequence[Rejected], arrival_ms: int) -> None:
        """Keep refused lines; what cannot be kept is counted in the log, since the sender was told why."""
        try:
            await self._thread.run(self._letters.add, source, rejected, arrival_ms)
        except Exception:
            log.exception("dead letters not kept", source=source, lines=len(rejected))

    async def sweep(self, clock: Clock) -> None:
        """Remove what has expired, now and then, for ever."""
        while True:
            await self._thread.run(self._letters.sweep, clock.now_ms())
            await asyncio.sleep(limits.SWEEP_S)

    def close(self) -> None:
        """Finish what was begun."""
        self._thread.close()
