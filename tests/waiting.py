"""The one place where tests wait: for something a real process will do, with a bound."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], within_s: float = 5.0, what: str = "it") -> Found:
    """Look again until the answer is true and return it; fail once ``within_s`` has passed."""
    end = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come true within {within_s} s"
        time.sleep(0.01)
    return found


def pass_real_time(seconds: float) -> None:
    """Let a real process reach some moment of its work, such as the one it is killed at."""
    time.sleep(seconds)
