"""The one place where tests wait: for something real to come true, with a bound that only a hang meets."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Found = TypeVar("Found")

# Every time-out of a test that is not about time-outs: others use the machine too, and what is slow is right.
# Wait for exactly what is asserted afterwards; this is only there to find out that it never comes.
PATIENCE_S = 120.0
# A look is often a request, which costs who is asked most; what is awaited for long can wait a moment more.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.01, 0.15


def eventually(
    look: Callable[[], Found], within_s: float = PATIENCE_S, what: str = "it", log: Path | None = None
) -> Found:
    """Look again until the answer is true and return it; fail after ``within_s``, with the end of the log."""
    end, pause_s = time.monotonic() + within_s, FIRST_PAUSE_S
    while not (found := look()):
        late = f"{what} did not come true within {within_s} s"
        assert time.monotonic() < end, late if log is None else f"{late}:\n{end_of(log)}"
        time.sleep(pause_s)
        pause_s = min(1.5 * pause_s, LAST_PAUSE_S)
    return found


async def until(look: Callable[[], Found], within_s: float = PATIENCE_S, what: str = "it") -> Found:
    """The same on an event loop, which turns meanwhile."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come true within {within_s} s"
        await asyncio.sleep(0.01)
    return found


def end_of(log: Path) -> str:
    """What a process wrote last."""
    return log.read_text("utf-8", "replace")[-3_000:]


def pass_real_time(seconds: float) -> None:
    """Let a real process reach some moment of its work, such as the one it is killed at."""
    time.sleep(seconds)
