"""Ends a process that no longer gets anywhere, so that its supervisor can start it again."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading
import time
from typing import TYPE_CHECKING

import structlog

from monitor.runtime import limits
from monitor.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)
STUCK_STATUS = 70  # EX_SOFTWARE


class Progress:
    """Judges from looks at a changing mark whether there is progress.

    Args:
        stuck_ms: With work waiting and the same mark for so long, there is none.
    """

    def __init__(self, stuck_ms: int = limits.STUCK_MS) -> None:
        self._stuck_ms = stuck_ms
        self._mark: object = None
        self._since_ms = 0

    def stuck(self, mark: object, *, waiting: bool, now_ms: int) -> bool:
        """Look at ``now_ms`` (any clock that never goes back)."""
        if mark != self._mark or not waiting:
            self._mark, self._since_ms = mark, now_ms
        return now_ms - self._since_ms >= self._stuck_ms


class Watchdog:
    """A thread that looks each second, since a blocked event loop cannot look at itself.

    Args:
        look: The mark that work moves, and whether work waits.
        beat: When the event loop last took a turn, ``time.monotonic`` seconds.
        end: What ends the process.

    The service manager is told of each look that finds it well, so that it ends a process in which not even
    this thread runs any more.
    """

    def __init__(
        self,
        look: Callable[[], tuple[object, bool]],
        beat: Callable[[], float],
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._look, self._beat, self._end = look, beat, end
        self._alive = Supervisor().alive
        self._work, self._loop = Progress(), Progress()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            now_ms = time.monotonic_ns() // 1_000_000
            try:
                mark, waiting = self._look()
            except Exception:  # what is looked at changes meanwhile; whatever it is, this thread looks on
                log.exception("progress not looked at")
                mark, waiting = None, False
            blocked = self._loop.stuck(self._beat(), waiting=True, now_ms=now_ms)
            if self._work.stuck(mark, waiting=waiting, now_ms=now_ms) or blocked:
                log.critical("no progress", loop_blocked=blocked, mark=str(mark))
                faulthandler.dump_traceback(all_threads=True)
                self._end(STUCK_STATUS)
                return
            self._alive()


def watch_loop() -> Watchdog:
    """Watch the event loop that runs now, and nothing else, for as long as the process lives."""
    loop, beat_s = asyncio.get_running_loop(), time.monotonic()

    def turn() -> None:
        nonlocal beat_s
        beat_s = time.monotonic()
        loop.call_later(1.0, turn)

    turn()
    watchdog = Watchdog(lambda: (None, False), lambda: beat_s)
    watchdog.start()
    return watchdog
