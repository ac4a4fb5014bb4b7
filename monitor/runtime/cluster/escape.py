"""What a worker says when it cannot write: without a record, once when it begins and once when it is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from alerting.policy.rulings import STORE_BACK_RULE, STORE_RULE
from monitor.runtime import limits
from monitor.runtime.cluster.answers import PART
from monitor.runtime.unrecorded import unrecorded_alert

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from rules.transition import Transition

log = structlog.get_logger(__name__)
PARTS = ("store", "database", PART)  # of the health: what is not written, what does not answer


class Escape:
    """Watches whether the store takes what a worker writes.

    Args:
        tell: Awaited with an alert; how many people's accounts took it.
        clock: How long it lasts.
        health: Who has a problem with the store.
        worker: Who says it.
    """

    def __init__(
        self, tell: Callable[[list[Transition]], Awaitable[int]], clock: Clock, health: Health, worker: str
    ) -> None:
        self._tell, self._clock, self._health, self._worker = tell, clock, health, worker
        self._since_ms = 0  # 0: the store is well
        self._told = False

    async def run(self) -> None:
        """Look each second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(1.0)

    async def look(self) -> None:
        """Say what is to be said now; what nobody took is said again at the next look."""
        problem = next((self._health.problems[part] for part in PARTS if part in self._health.problems), "")
        now_ms = self._clock.now_ms()
        self._since_ms = (self._since_ms or now_ms) if problem else 0
        if problem and not self._told:
            if now_ms - self._since_ms >= limits.UNJUDGED_TOLD_MS:
                self._told = await self._say(STORE_RULE, problem, now_ms)
        elif self._told and not problem:
            self._told = not await self._say(STORE_BACK_RULE, "", now_ms)

    async def _say(self, rule: str, condition: str, now_ms: int) -> bool:
        alert = unrecorded_alert(rule, self._worker, "store", condition, now_ms)
        try:
            return bool(await self._tell([alert]))
        except Exception:  # whatever keeps it from being told, the worker goes on
            log.exception("not told", rule=rule)
            return False
