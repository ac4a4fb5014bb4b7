"""The one place where tests wait: for something real to come true, with a bound that only a hang meets."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")

# Every time-out of a test that is not about time-outs: others use the machine too, and what is slow is right.
# Wait for exactly what is asserted afterwards; this is only there to find out that it never comes.
PATIENCE_S = 120.0


def eventually(look: Callable[[], Found], within_s: float = PATIENCE_S, what: str = "it") -> Found:
    """Look again until the answer is true and return it; fail once ``within_s`` has passed."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come true within {within_s} s"
        time.sleep(0.01)
    return found


async def until(look: Callable[[], Found], within_s: float = PATIENCE_S, what: str = "it") -> Found:
    """The same on an event loop, which turns meanwhile."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come true within {within_s} s"
        await asyncio.sleep(0.01)
    return found


def pass_real_time(seconds: float) -> None:
    """Let a real process reach some moment of its work, such as the one it is killed at."""
    time.sleep(seconds)
