"""What a step of a shard gives out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.aggregate.sums import Part
    from monitor.engine.events import Event
    from rules.transition import Transition


class Outputs:
    """What a step gave out: transitions, events refused with the reason's code, counts of events by fate.

    ``late`` counts those that came too late by their source; ``parts`` are figures over shops, each with the
    position of the record at whose arrival it was read.
    """

    __slots__ = ("counts", "late", "parts", "rejected", "transitions")

    def __init__(
        self,
        transitions: Sequence[Transition],
        rejected: Sequence[tuple[Event, str]],
        counts: dict[str, int],
        late: dict[str, int],
        parts: Sequence[tuple[int, Part]] = (),
    ) -> None:
        self.parts = parts
        self.transitions = transitions
        self.rejected = rejected
        self.counts = counts
        self.late = late
