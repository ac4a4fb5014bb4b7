"""What is wrong right now, part by part; read by ``/readyz`` and the metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger(__name__)


class Health:
    """Problems by the part that has them; a part with none is well."""

    def __init__(self) -> None:
        self.notices: dict[str, str] = {}  # by what they are of: not as it should be, but nothing is wrong
        self._problems: dict[str, str] = {}
        self.failures: dict[str, int] = {}

    @property
    def problems(self) -> Mapping[str, str]:
        """Each troubled part with one line about it."""
        return self._problems

    def failed(self, part: str, what: str) -> None:
        """Note that a part has a problem, and count it."""
        self._problems[part] = what
        self.failures[part] = self.failures.get(part, 0) + 1

    def well(self, part: str) -> None:
        """Note that a part works."""
        self._problems.pop(part, None)


async def keep_running(part: str, body: Callable[[], Awaitable[None]], health: Health) -> None:
    """Run a part for ever: a failure is told and the part started again, while all others go on.

    The pause doubles from a second to a minute and starts over once the part has run for a minute.
    """
    loop = asyncio.get_running_loop()
    pause_s = limits.RESTART_PAUSE_S
    while True:
        started = loop.time()
        try:
            await body()
        except Exception as error:
            health.failed(part, f"{part}: {error or type(error).__name__}")
            log.exception("part failed", part=part)
        else:
            return
        if loop.time() - started > limits.RESTART_PAUSE_MAX_S:
            pause_s = limits.RESTART_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, limits.RESTART_PAUSE_MAX_S)
