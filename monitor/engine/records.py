"""One record of a shard's log: a batch of events, or a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.engine.events import Event


@mypyc_attr(acyclic=True)
class Record:
    """A record of the log. ``position`` rises by one; ``arrival_ms`` never falls (epoch ms).

    A tick carries ``heard``: when each source was last heard by its entrance. ``plan`` names the
    compiled plan that takes force with this record.
    """

    __slots__ = ("arrival_ms", "events", "heard", "plan", "position", "source")

    def __init__(
        self,
        position: int,
        arrival_ms: int,
        events: list[Event] | None = None,
        source: str = "",
        heard: dict[str, int] | None = None,
        plan: str = "",
    ) -> None:
        self.position = position
        self.arrival_ms = arrival_ms
        self.events: list[Event] = [] if events is None else events
        self.source = source
        self.heard = heard
        self.plan = plan


def numbered(first: int, arrivals: Iterable[tuple[int, list[Event]]]) -> list[Record]:
    """A record of each arrival (epoch ms) and its events; the first is at the position ``first``."""
    return [Record(first + place, arrival_ms, events) for place, (arrival_ms, events) in enumerate(arrivals)]
