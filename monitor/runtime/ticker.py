"""A tick each second: what moves the shard's clock while nothing comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from monitor.store.journal_reader import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.store.journal import Journal

log = structlog.get_logger(__name__)


class Ticker:
    """Writes a tick at each whole second, and none while the one before is not folded.

    So a shard that lags sees no new tick, and judges a backlog as it would have been live.

    Args:
        journal: Where ticks go.
        clock: Whose seconds these are.
        heard: When each source was last heard; a tick carries what changed since the one before.
        folded: Returns once the record at a position is folded.
        health: Told when a tick cannot be written.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        heard: Mapping[str, int],
        folded: Callable[[int], Awaitable[None]],
        health: Health,
    ) -> None:
        self._journal, self._clock, self._heard = journal, clock, heard
        self._folded, self._health = folded, health
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            now_ms = self._clock.now_ms()
            await self._clock.sleep_until(now_ms - now_ms % limits.TICK_MS + limits.TICK_MS)
            await self.tick()

    async def tick(self) -> None:
        """Write one tick and wait until it is folded."""
        changed = {source: ms for source, ms in self._heard.items() if self._told.get(source) != ms}
        try:
            written = await asyncio.wrap_future(self._journal.tick(changed))
        except JournalError as error:  # without a clock nothing is judged: said, and tried again each second
            self._health.failed("journal", str(error))
            log.exception("tick not written", error=str(error))
            return
        self._health.well("journal")
        self._told.update(changed)
        await self._folded(written.position)
