"""The loop that folds the journal into the shard and keeps what came of it.

Records are always read back from the journal, live as after a restart: one path, nothing between the
entrance and the shard that could grow or be lost.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from monitor.engine.records import Record
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.shard_driver import ShardDriver, take_over
from monitor.sources.wire import unpack_events
from monitor.store.journal_reader import Kind, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.runtime.clock import Clock
    from monitor.runtime.ports import ShardPort
    from monitor.runtime.told import Told
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.journal import Journal
    from monitor.store.port import ShardLease, ShardStore

log = structlog.get_logger(__name__)
PART = "shard"


def record_of(row: Row) -> Record:
    """A row of the journal as the shard takes it."""
    if row.kind is Kind.TICK:
        return Record(row.position, row.arrival_ms, heard=row.heard)
    if row.kind is Kind.PLAN:
        return Record(row.position, row.arrival_ms, plan=row.plan)
    return Record(row.position, row.arrival_ms, unpack_events(row.body), row.source)


def next_step(events: int, taken: int, waited_s: float, held_s: float) -> int:
    """How many events the next step takes: more where others hold the loop for longer than a shard behind.

    So it gets about half of the loop. With a thousand senders each had a turn between two of its steps.

    Args:
        events: How many the last one could take.
        taken: How many there were, a record without any as one.
        waited_s: How long that one was read, in a thread that others hold up too, and waited for its turn.
        held_s: How long it held the loop.
    """
    if taken < events or 2 * waited_s < held_s or 1000 * held_s > limits.STEP_MS_MAX:
        return max(events // 2, limits.STEP_EVENTS)
    if waited_s > held_s and 2000 * held_s <= limits.STEP_MS_MAX:
        return min(2 * events, limits.STEP_EVENTS_MAX)
    return events


class ShardLoop(ShardDriver):
    """Drives one shard from its floor to the end of the journal, and on.

    Args:
        make_shard: A fresh shard under a plan, before any record; called in ``thread``.
        journal: Read through a reader of its own.
        store, thread, clock, told, fetch_plan: As of ``ShardDriver``.
    """

    def __init__(
        self,
        make_shard: Callable[[str], ShardPort],
        journal: Journal,
        store: ShardStore,
        thread: StoreThread,
        clock: Clock,
        told: Told,
        fetch_plan: Callable[[str], bool] = lambda _name: True,
    ) -> None:
        super().__init__(store, thread, clock, told, fetch_plan)
        self._make_shard, self._journal = make_shard, journal
        self._reader = journal.reader()
        self._wake = asyncio.Event()
        self._stopping = False
        self._step_events = limits.STEP_EVENTS

    def wake(self) -> None:
        """Say that the journal has grown."""
        self._wake.set()

    async def run(self) -> None:
        """Restore, then fold until stopped; any exception leaves the store as if the step had not been."""
        await self._restore()
        while not self._stopping:
            self._wake.clear()
            began_s = time.perf_counter()
            records = await self._thread.run(self._read)
            if records:
                waited_s = time.perf_counter() - began_s
                await self.fold(records)
                taken = sum(max(1, len(record.events)) for record in records)
                self._step_events = next_step(self._step_events, taken, waited_s, self._held_s)
            if self.position >= self._journal.last.position:
                self._health.well(PART)
            if not await self.checkpoint() and not records and not self._stopping:
                await self._clock.wait(self._wake, self._clock.now_ms() + limits.TICK_MS)
        await self.save_all()

    async def stop(self) -> None:
        """Let the loop end after its step and write all state; ``run`` returns when that is done."""
        self._stopping = True
        self._wake.set()

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    async def _restore(self) -> None:
        self.shard = None
        lease, shard = await self._thread.run(self._load)
        last = self._journal.last.position
        if lease.position > last:  # positions would be given out again, and their transitions dropped
            raise MonitorError(
                f"store.db knows record {lease.position}, journal.db ends at {last}",
                mend="restore both from one backup, or move store.db away to begin anew from the journal",
                code="journal_behind",
            )
        self._begin(lease.epoch, shard)
        self._move_to(max(lease.floor - 1, 0))
        self.arrival_ms = lease.floor_clock_ms or self._journal.last.arrival_ms or self._clock.now_ms()
        self._journal.keep_from = lease.floor
        log.info("shard restored", floor=lease.floor, position=lease.position, last=last)

    def _load(self) -> tuple[ShardLease, ShardPort]:
        first = partial(self._reader.position_at, 0)
        return take_over(self._store, self._number, self._make_shard, first)

    def _read(self) -> list[Record]:
        rows = self._reader.batch(self.position + 1, self._step_events)
        self._bytes += sum(len(row.body) for row in rows)
        return [record_of(row) for row in rows]

    def _floor_moved(self, floor: int) -> None:
        self._journal.keep_from = floor
