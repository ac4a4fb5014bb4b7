"""What the shard refused, told once: it refuses the same again whenever its log is folded again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from alerting.errors import StoreBusy, StoreFull
from monitor.sources.found import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.runtime.ports import DeadLetters
    from monitor.runtime.worker_thread import WorkerThread
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)

# The entrance decides on ids by the same code in the same order, and has told the sender and kept the event.
TOLD_AT_ENTRANCE = frozenset({"reused"})
REASONS = {
    "ahead": "`at` is more than 5 minutes after its arrival; set the sender's clock",
    "before_2000": "`at` is before 2000; send the time in milliseconds or as RFC 3339",
    "limit_shops": "more shops than one daemon keeps; forget old ones, or run another",
    "limit_conversations": "more open conversations in this shop than are kept; close some first",
}


class Refusals:
    """Takes refused events to the dead letters.

    Args:
        dead_letters: Where they rest.
        store: Keeps up to which record they are told; called only in ``thread``.
        thread: Where that waits for the disk.
        told: Called with a source and what was refused of it, for the metrics.
        shard: Whose refusals these are.
        told_before: Codes that the sender was told of when the event came in.
    """

    def __init__(
        self,
        dead_letters: DeadLetters,
        store: ShardStore,
        thread: WorkerThread,
        told: Callable[[str, Sequence[Rejected]], None],
        shard: int = 0,
        told_before: frozenset[str] = TOLD_AT_ENTRANCE,
    ) -> None:
        self._dead_letters, self._store, self._thread = dead_letters, store, thread
        self._told, self._key, self._told_before = told, f"refused:{shard}", told_before
        self._position: int | None = None  # the last record whose refusals are told; None: not read yet

    async def put(
        self,
        records: Sequence[Record],
        rejected: Sequence[tuple[Event, str]],
        unread: Sequence[tuple[Record, Rejected]] = (),
    ) -> None:
        """Tell what a step over ``records`` refused, but for what was told before a restart.

        Args:
            records: Of one step.
            rejected: What the shard refused of them, with the code why.
            unread: What could not be read of them, and never came to the shard.
        """
        if self._position is None:
            self._position = int(await self._thread.run(self._store.get_meta, self._key) or -1)
        place_of = {id(event): (record, n) for record in records for n, event in enumerate(record.events)}
        found: dict[tuple[str, int], list[Rejected]] = {}
        for event, code in rejected:
            record, place = place_of[id(event)]
            if record.position > self._position and code not in self._told_before:
                letter = Rejected(place, code, REASONS.get(code, code), msgspec.json.encode(event))
                found.setdefault((event.source or record.source, record.arrival_ms), []).append(letter)
        for record, letter in unread:
            if record.position > self._position:
                found.setdefault((record.source or "tick", record.arrival_ms), []).append(letter)
        for (source, arrival_ms), letters in found.items():
            await self._dead_letters.put(source, letters, arrival_ms)
            self._told(source, letters)
        if found:
            await self._remember(records[-1].position)

    async def _remember(self, position: int) -> None:
        self._position = position
        try:
            await self._thread.run(self._store.put_meta, self._key, str(position).encode())
        except (StoreFull, StoreBusy) as error:  # then they are told once more after a restart
            log.warning("not stored", what=self._key, error=str(error))
