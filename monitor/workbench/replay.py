"""Replay: events from files through a shard, at full speed, on the clock of their arrivals."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from monitor.aggregate.shard import AggregateShard, Cut
from monitor.engine.day import Day
from monitor.engine.records import Record, numbered
from monitor.engine.rounds import Round
from monitor.sources.files import read_arrivals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.engine.events import Event
    from monitor.shard.outputs import Outputs
    from monitor.shard.shard import Shard
    from monitor.sources.files import Progress
    from monitor.sources.found import Rejected
    from rules.transition import Transition

BATCH_RECORDS = 200  # records of one step: a call costs little, and their events are still in the cache
LISTED = 10  # refused events that are kept to be listed; all are counted

# What the shard refuses of what could be read, in words; limits and the like are said by their names.
REASONS = {
    "reused": "this id came before with other content",
    "ahead": "`at` is more than 5 minutes after its arrival",
    "before_2000": "`at` is before 2000",
    "limit_shops": "more shops than are kept",
    "limit_conversations": "more open conversations in this shop than are kept",
}


@dataclass(frozen=True, slots=True)
class Dead:
    """An event that was refused: where it is, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.place}: {self.reason}"


@dataclass(slots=True)
class Replayed:
    """A shard at the end of its files, what its rules told, and what was refused.

    ``unread`` counts lines that could not be read, which the shard never saw; ``dead`` holds the first
    few of what was refused, there or by the shard.
    """

    shard: Shard
    transitions: list[Transition] = field(default_factory=list)
    unread: int = 0
    dead: list[Dead] = field(default_factory=list)
    aggregate: AggregateShard = field(init=False)

    def __post_init__(self) -> None:
        self.aggregate = AggregateShard(self.shard.plan)

    @property
    def events(self) -> dict[str, int]:
        """What became of every line: ``read`` is the sum of the others."""
        counts = self.shard.engine.counts
        return {
            "read": counts.read + self.unread,
            "accepted": counts.accepted,
            "duplicates": counts.duplicates,
            "late_dropped": counts.late_dropped,
            "rejected": counts.rejected + self.unread,
        }

    def _refuse(self, place: str, reason: str) -> None:
        if len(self.dead) < LISTED:
            self.dead.append(Dead(place, reason))

    def _refuse_line(self, path: str, line: int, bad: Rejected) -> None:
        self.unread += 1
        self._refuse(f"{path}:{line}", bad.reason)

    def refuse_record(self, partition: int, offset: int, bad: Rejected) -> None:
        """Note what cannot be read of a record of a topic."""
        self.unread += 1
        self._refuse(f"partition {partition}, offset {offset}", bad.reason)

    def _take(self, outputs: Outputs) -> None:
        told = [t for _, part in outputs.parts for t in self.aggregate.fold(Cut(part.at_ms, (part,)))]
        self.transitions += (
            sorted([*outputs.transitions, *told], key=lambda t: t.at_ms) if told else (outputs.transitions)
        )
        for event, reason in outputs.rejected:
            place = f"event {event.id} of {event.platform}:{event.shop_id}"
            self._refuse(place, REASONS.get(reason, reason))


def replay(
    paths: Sequence[str], shard: Shard, *, at_ms: int | None = None, progress: Progress | None = None
) -> Replayed:
    """Fold files into a shard.

    Args:
        paths: NDJSON files, gzipped or not; ``-`` is standard input.
        shard: A new one, of a plan with quiet gaps.
        at_ms: The clock at the end: what arrives later is left out. None: the last arrival.
        progress: Told of bytes read.

    Raises:
        FileError: A file cannot be read, or mixes lines with and without ``received_at``.
    """
    found = Replayed(shard)
    arrivals = read_arrivals(paths, refused=found._refuse_line, progress=progress, until_ms=at_ms)  # noqa: SLF001 - our own
    fold(found, arrivals, at_ms)
    return found


def fold(found: Replayed, arrivals: Iterable[tuple[int, list[Event]]], at_ms: int | None = None) -> None:
    """Fold arrivals, a record each, and run the clock on to ``at_ms``, which none of them may be after."""
    shard = found.shard
    left, position = iter(arrivals), 1
    while records := numbered(position, islice(left, BATCH_RECORDS)):
        found._take(shard.step(records))  # noqa: SLF001 - our own
        position += len(records)
    if at_ms is not None:
        found._take(shard.step([Record(position, at_ms)]))  # noqa: SLF001 - our own
    pass_deadlines(shard)


def replay_log(found: Replayed, records: Iterable[Record], at_ms: int | None = None) -> None:
    """Fold the records of a log with their own ticks and gaps, in order of arrival; else as ``fold``.

    Args:
        found: Of a new shard whose plan has no quiet gaps; nothing of it is stored.
        records: Their positions are given anew.
        at_ms: The clock at the end.
    """
    shard, position, batch = found.shard, 0, []
    for record in records:
        position += 1
        record.position = position
        batch.append(record)
        if len(batch) >= BATCH_RECORDS:
            found._take(shard.step(batch))  # noqa: SLF001 - our own
            shard.checkpoints.forget()
            batch = []
    if at_ms is not None:
        batch.append(Record(position + 1, at_ms))
    found._take(shard.step(batch))  # noqa: SLF001 - our own
    pass_deadlines(shard)


def pass_deadlines(shard: Shard) -> None:
    """Count what fell due since the last whole second, at which the shard last looked.

    Figures are those of the clock to the millisecond; rules are judged at whole seconds only.
    """
    now_ms = shard.now_ms
    for what in shard.engine.wheel.take(now_ms // 1000 + 1) or ():
        if isinstance(what, (Round, Day)):
            what.due(now_ms)
