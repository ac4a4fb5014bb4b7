"""What is wrong right now, part by part; read by ``/readyz`` and the metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger(__name__)


class Health:
    """Problems by the part that has them; a part with none is well."""

    def __init__(self) -> None:
        self.notices: dict[str, Text] = {}  # by what they are of: not as it should be, but nothing is wrong
        self._problems: dict[str, Text] = {}
        self.failures: dict[str, int] = {}

    @property
    def problems(self) -> Mapping[str, str]:
        """Each troubled part with one line about it."""
        return {part: what.en for part, what in self._problems.items()}

    @property
    def told(self) -> tuple[Text, ...]:
        """What ``problems`` says, in both languages."""
        return tuple(self._problems.values())

    def failed(self, part: str, what: str, zh: str = "") -> None:
        """Note that a part has a problem, and count it.

        Args:
            part: Which has it.
            what: The problem, in one line.
            zh: The same in Chinese; where nobody wrote it, as with the error of a library, the line is named
                as a fault of ours.
        """
        self._problems[part] = Text(zh or f"故障：{what}", what)
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
