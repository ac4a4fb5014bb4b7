"""Simulated traffic played into a daemon whose clock is told: the demo's day."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from monitor.runtime.passing import pass_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from monitor.engine.events import Event
    from monitor.runtime.clock import ManualClock
    from monitor.workbench.simulate import Arrival

SECOND_MS = 1_000


class Accept(Protocol):
    """The daemon's entrance."""

    def __call__(self, source: str, events: Sequence[Event], arrival_ms: int) -> Awaitable[object]:
        """Make a batch of one source durable."""


class Pace(Protocol):
    """Time as the one who watches feels it."""

    def time(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Let time pass."""


async def play(
    arrivals: Iterable[Arrival],
    clock: ManualClock,
    accept: Accept,
    settled: Callable[[], Awaitable[None]],
    pace: Pace,
    *,
    speed: float,
) -> int:
    """Let time pass second by second, each with what arrived in it; the number of events played.

    Args:
        arrivals: In order; those before the clock arrive at once.
        clock: The daemon's; moved from where it stands to the end of the last arrival's second.
        accept: Takes the events of a second, source by source.
        settled: Returns once the daemon has nothing left to do at the clock's time.
        pace: Time as it is felt.
        speed: Simulated seconds a second; a daemon that cannot keep up slows the day down.
    """
    began_s, began_ms, played = pace.time(), clock.now_ms(), 0
    for second, group in groupby(arrivals, key=lambda arrival: arrival[0] // SECOND_MS):
        due_ms = (second + 1) * SECOND_MS
        while clock.now_ms() < due_ms:
            await pass_time(clock, clock.now_ms() // SECOND_MS * SECOND_MS + SECOND_MS, settled)
            ahead_s = (clock.now_ms() - began_ms) / SECOND_MS / speed - (pace.time() - began_s)
            if ahead_s > 0:
                await pace.sleep(ahead_s)
        by_source: dict[str, list[Event]] = {}
        for _, event in group:
            by_source.setdefault(event.source, []).append(event)
        for source, events in by_source.items():
            await accept(source, events, clock.now_ms())
            played += len(events)
    await settled()
    return played
