"""What is wrong right now, part by part; read by ``/readyz`` and the metrics."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import structlog

from monitor.runtime import limits
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """What is wrong with a part, and since when, in seconds of the monotonic clock."""

    since_s: float
    said: dict[object, Text] = field(default_factory=dict)  # by who says it, the last one at the end
    times: int = 0
    logged_s: dict[str, float] = field(default_factory=dict)  # when, by the line without its digits


class Health:
    """Problems by the part that has them; a part with none is well.

    The log has a problem as it begins, while it lasts every ten minutes, and its end: what fails each second
    of a night says so a few dozen times. Another problem of the same part is one that begins; one of other
    figures is the same.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.notices: dict[str, Text] = {}  # by what they are of: not as it should be, but nothing is wrong
        self.failures = Counter[str]()
        self._end: Exception | None = None
        self._ended = asyncio.Event()
        self._troubles: dict[str, _Trouble] = {}
        self._monotonic_s = monotonic_s

    @property
    def problems(self) -> Mapping[str, str]:
        """Each troubled part with one line about it."""
        return {part: text.en for part, text in self._last.items()}

    @property
    def told(self) -> tuple[Text, ...]:
        """What ``problems`` says, in both languages."""
        return tuple(self._last.values())

    @property
    def _last(self) -> dict[str, Text]:
        troubles = list(self._troubles.items())  # the watchdog's thread reads as well: never found empty
        return {part: list(trouble.said.values())[-1] for part, trouble in troubles}

    def end(self, error: Exception) -> None:
        """Note what only a start anew of the process mends."""
        self._end = self._end or error
        self._ended.set()

    async def ended(self) -> NoReturn:
        """Return never.

        Raises:
            Exception: What ``end`` was given.
        """
        await self._ended.wait()
        assert self._end is not None
        raise self._end

    def failed(
        self, part: str, what: str, zh: str = "", error: Exception | None = None, by: object = None
    ) -> None:
        """Note that a part has a problem, and count it.

        Args:
            part: Which has it.
            what: The problem, in one line.
            zh: The same in Chinese; where nobody wrote it, as with the error of a library, the line is named
                as a fault of ours.
            error: What nobody foresaw: the log has where it came from.
            by: Who says it, of a part that several use: it is well once all who said so say that it is.
        """
        self.failures[part] += 1
        now_s = self._monotonic_s()
        trouble = self._troubles.get(part) or _Trouble(now_s)
        others = {who: text for who, text in trouble.said.items() if who != by}
        trouble.said = others | {by: Text(zh or f"故障：{what}", what)}  # the last one stands last
        self._troubles[part] = trouble
        trouble.times += 1
        problem = re.sub(r"\d+", "", what)
        if now_s - trouble.logged_s.get(problem, -math.inf) >= limits.TROUBLE_LOGGED_S:
            trouble.logged_s[problem] = now_s
            course = _course(trouble, now_s) if trouble.times > 1 else {}
            log.error("part failed", part=part, problem=what, **course, exc_info=error)

    def well(self, part: str, by: object = None) -> None:
        """Note that a part works, for who says it."""
        trouble = self._troubles.get(part)
        if trouble is None or by not in trouble.said:
            return
        if len(trouble.said) > 1:
            del trouble.said[by]
        else:
            del self._troubles[part]
            log.info("part is well again", part=part, **_course(trouble, self._monotonic_s()))


def _course(trouble: _Trouble, now_s: float) -> dict[str, int]:
    return {"times": trouble.times, "for_s": round(now_s - trouble.since_s)}


async def keep_running(part: str, body: Callable[[], Awaitable[None]], health: Health) -> None:
    """Run a part for ever: a failure is told and the part started again, while all others go on.

    The pause doubles from a second to a minute. Once the part has run for a minute it starts over, and what
    was wrong is over; a part may say so itself before. One that hangs runs as well as any, as far as is seen
    from here: one that fails each time after more than a minute of it is well in between.
    """
    loop = asyncio.get_running_loop()
    pause_s, told = limits.RESTART_PAUSE_S, ""

    def recovered() -> None:
        nonlocal pause_s
        pause_s = limits.RESTART_PAUSE_S
        if health.problems.get(part) == told:
            health.well(part)

    while True:
        running = loop.call_later(limits.RESTART_PAUSE_MAX_S, recovered)
        try:
            await body()
        except Exception as error:  # noqa: BLE001 - whatever it is: it is told, and tried again
            told = f"{part}: {error or type(error).__name__}"
            health.failed(part, told, error=error)
        else:
            return
        finally:
            running.cancel()
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, limits.RESTART_PAUSE_MAX_S)
