"""A tick each second: what moves the shard's clock while nothing comes in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from alerting.limits import NEVER_MS
from alerting.policy.rulings import JOURNAL_RULE
from monitor.runtime import limits
from monitor.runtime.unrecorded import unrecorded_alert
from monitor.store.journal_reader import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.store.journal import Journal
    from rules.transition import Transition

log = structlog.get_logger(__name__)
CLOCK = "time"  # what has a problem while the clock is behind the log


class Ticker:
    """Writes a tick at each whole second, and none while the one before is not folded.

    So a shard that lags sees no new tick, and judges a backlog as it would have been live.

    Args:
        journal: Where ticks go.
        clock: Whose seconds these are.
        heard: When each source was last heard; a tick carries what changed since the one before.
        folded: Returns once the record at a position is folded.
        health: Told when a tick cannot be written.
        tell: Awaited with the alert that nothing is judged; how many were told.
        plan: The name of a plan that the log is to be told of; empty: there is none.
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        heard: Mapping[str, int],
        folded: Callable[[int], Awaitable[None]],
        health: Health,
        tell: Callable[[list[Transition]], Awaitable[int]],
        plan: Callable[[], str] = str,
    ) -> None:
        self._journal, self._clock, self._heard = journal, clock, heard
        self._folded, self._health, self._tell, self._plan = folded, health, tell, plan
        self._told: dict[str, int] = {}
        self._failing_since_ms = 0  # 0: the last tick was written; NEVER_MS: it is told that none is

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            now_ms = self._clock.now_ms()
            await self._clock.sleep_until(now_ms - now_ms % limits.TICK_MS + limits.TICK_MS)
            await self.tick()

    async def tick(self) -> None:
        """Write one tick, after the plan if that has changed, and wait until it is folded."""
        changed = {source: ms for source, ms in self._heard.items() if self._told.get(source) != ms}
        try:
            if name := self._plan():
                await asyncio.wrap_future(self._journal.plan(name))
            written = await asyncio.wrap_future(self._journal.tick(changed))
        except JournalError as error:  # without a clock nothing is judged: said, and tried again each second
            self._health.failed("journal", str(error))
            await self._tell_unjudged(str(error))
            return
        self._health.well("journal")
        self._told.update(changed)
        behind_ms = written.arrival_ms - self._clock.now_ms()
        if behind_ms > limits.UNJUDGED_TOLD_MS:  # arrivals never go back: the log's time stands
            await self._tell_unjudged(self._say_behind(behind_ms // 1000))
        else:
            self._health.well(CLOCK)
            self._failing_since_ms = 0
        await self._folded(written.position)

    def _say_behind(self, seconds: int) -> str:
        what = (
            f"clock: it is {seconds} s behind the last record, until which nothing is judged; see who set it"
        )
        zh = f"时钟：比最后一条记录慢 {seconds} 秒，在此之前不作判断；请查看时钟为何被调整"
        self._health.failed(CLOCK, what, zh)
        return what

    async def _tell_unjudged(self, error: str) -> None:
        """Alert, once an outage, that nothing is judged: of this the shard can say nothing (decision 12)."""
        now_ms = self._clock.now_ms()
        self._failing_since_ms = self._failing_since_ms or now_ms
        if now_ms - self._failing_since_ms < limits.UNJUDGED_TOLD_MS:
            return
        alert = unrecorded_alert(JOURNAL_RULE, "slawatch", "journal", error, now_ms)
        try:
            if await self._tell([alert]):
                self._failing_since_ms = NEVER_MS
        except Exception:  # whatever keeps it from being told, ticks are tried all the same
            log.exception("not told that nothing is judged")
