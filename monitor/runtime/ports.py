"""What the runtime needs of a shard; ``monitor.shard.shard`` meets it, tests stand in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from monitor.aggregate.sums import Part
    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.shard.marks import Slice
    from monitor.sources.found import Rejected
    from rules.pack import Line, Measure
    from rules.reading import Reading
    from rules.transition import Transition


class Outputs(Protocol):
    """What a step gave out."""

    @property
    def transitions(self) -> Sequence[Transition]:
        """In order of position and n; those of one record belong to one transaction."""

    @property
    def rejected(self) -> Sequence[tuple[Event, str]]:
        """Events the engine refused, with the reason's code."""

    @property
    def parts(self) -> Sequence[tuple[int, Part]]:
        """Figures over shops, each with the position of its record; they belong to its transaction."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many events were accepted, duplicates, late_dropped, rejected."""

    @property
    def late(self) -> Mapping[str, int]:
        """How many came too late to count, by source."""


class ShardPort(Protocol):
    """One shard: a pure fold over its log."""

    def step(self, records: Sequence[Record]) -> Outputs:
        """Fold records, in order and without a gap."""

    def checkpoint(self, shops_max: int) -> Slice | None:
        """Take the changed rows of up to so many shops, those changed longest ago first; None: none left.

        What was taken counts as stored until ``checkpoint_failed`` puts it back.
        """

    @property
    def asleep_unstored(self) -> int:
        """At least so many shops sleep that changed since they were stored; below 0: nothing is known."""

    def end(self) -> None:
        """No more comes before a restart: have the floor lie behind the last record once all is taken."""

    def checkpoint_failed(self, slice_: Slice) -> None:
        """Mark the rows of a slice as changed again, as old as they were."""

    def restore(self, rows: Iterable[tuple[str, str, int, bytes]], floor: int, floor_clock_ms: int) -> None:
        """Take stored rows into a fresh shard; the next record it is given is ``floor``."""


class Watched(NamedTuple):
    """One figure of a shop: a measure over a period, against a line or for itself."""

    measure: Measure
    period: str
    line: Line | None
    reading: Reading
    since_ms: int = 0  # from when the shop's sources are complete


class SourceHeard(NamedTuple):
    """A source as the shard sees it."""

    name: str
    blind: bool
    heard_ms: int  # 0: never


class Figures(Protocol):
    """What pages read of a shard, between two steps."""

    @property
    def now_ms(self) -> int:
        """The shard's clock."""

    def shop_keys(self) -> Sequence[str]:
        """Every shop seen, ``platform:shop_id``."""

    def watched(self, shop: str) -> Sequence[Watched]:
        """Every line of the shop's pack in force, then every measure by itself; none: an unknown shop."""

    def waits(self, shop: str, conversation_id: str, ask_ms: int) -> bool:
        """Whether a round that was open is so still."""

    def sources(self) -> Sequence[SourceHeard]:
        """Every source seen."""


class DeadLetters(Protocol):
    """Where refused events rest."""

    async def put(self, source: str, rejected: Sequence[Rejected], arrival_ms: int) -> None:
        """Keep them; never raises."""
