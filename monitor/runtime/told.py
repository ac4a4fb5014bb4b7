"""Who is told of what the driver of a shard does, and of how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.runtime.health import Health
    from monitor.runtime.ports import Outputs
    from rules.transition import Transition


def _nobody(_took_s: float) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Told the seconds that something took."""

    step: Callable[[float], object] = _nobody  # a step, or a slice of state: so long the event loop is held
    checkpoint: Callable[[float], object] = _nobody  # from its first slice to its last
    commit: Callable[[float], object] = _nobody  # a group commit of the journal; called in its thread


UNTIMED: Final = Timings()


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of what a driver does.

    ``health`` is told of a store that does not take a step; ``outputs``, once a step's transitions are
    durable; ``unrecorded`` is awaited with them each time the store has no room for them. ``refused`` is
    awaited with a step's records and the events of them that were refused, before the step counts as done:
    what a crash keeps from being told is refused again.
    """

    health: Health
    outputs: Callable[[Outputs], None]
    unrecorded: Callable[[list[Transition]], Awaitable[object]]
    refused: Callable[[Sequence[Record], Sequence[tuple[Event, str]]], Awaitable[None]]
    timings: Timings = UNTIMED
