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

from alerting.errors import StoreBusy, StoreFull
from monitor.engine import limits as engine_limits
from monitor.engine.records import Record
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.sources.wire import unpack_events
from monitor.store.journal_reader import Kind, Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from monitor.checkpoint import Slice
    from monitor.engine.events import Event
    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.runtime.ports import Outputs, ShardPort
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.journal import Journal
    from monitor.store.port import ShardLease, ShardStore
    from rules.transition import Transition

log = structlog.get_logger(__name__)
PART = "shard"


def record_of(row: Row) -> Record:
    """A row of the journal as the shard takes it."""
    if row.kind is Kind.TICK:
        return Record(row.position, row.arrival_ms, heard=row.heard)
    if row.kind is Kind.PLAN:
        return Record(row.position, row.arrival_ms, plan=row.plan)
    return Record(row.position, row.arrival_ms, unpack_events(row.body), row.source)


class ShardLoop:
    """Drives one shard from its floor to the end of the journal, and on.

    Args:
        make_shard: A fresh shard, before any record.
        store: Opened in ``thread`` and called only there.
        journal: Read through a reader of its own.
        thread: Where reads and commits wait for the disk.
        clock: When checkpoints are due.
        health: Told of a store that does not take a step.
        on_outputs: Called after a step's transitions are durable.
        tell_unrecorded: Awaited with a step's transitions each time the store has no room for them.
        on_refused: Awaited with a step's records and the events of them that were refused, before the step
            counts as done: what a crash keeps from being told is refused again.
        lateness_ms: Ids are remembered for twice this.
        observe_step: Told the seconds for which a step or a slice held the event loop.
        observe_checkpoint: Told the seconds from the first slice of a checkpoint to the last.
    """

    def __init__(
        self,
        make_shard: Callable[[], ShardPort],
        store: ShardStore,
        journal: Journal,
        thread: StoreThread,
        clock: Clock,
        *,
        health: Health,
        on_outputs: Callable[[Outputs], None],
        tell_unrecorded: Callable[[list[Transition]], Awaitable[object]],
        on_refused: Callable[[Sequence[Record], Sequence[tuple[Event, str]]], Awaitable[None]],
        observe_step: Callable[[float], object] = lambda _took_s: None,
        observe_checkpoint: Callable[[float], object] = lambda _took_s: None,
        lateness_ms: int = engine_limits.LATENESS_MS,
        shard: int = 0,
    ) -> None:
        self._make_shard, self._store, self._journal = make_shard, store, journal
        self._thread, self._clock, self._health = thread, clock, health
        self._on_outputs, self._observe_step = on_outputs, observe_step
        self._observe_checkpoint = observe_checkpoint
        self._tell_unrecorded, self._on_refused = tell_unrecorded, on_refused
        self._lateness_ms, self._number = lateness_ms, shard
        self._reader = journal.reader()
        self._epoch = 0
        self._moved = asyncio.Event()  # set, and replaced, whenever position moves
        self._wake = asyncio.Event()
        self._stopping = False
        self._shops_a_slice = 1  # doubled while a slice is short
        self._bytes = 0
        self._rest_until_s = 0.0  # until then no further slice is taken
        self._checkpoint_ms = 0  # when the last checkpoint ended
        self._checkpoint_began_s = 0.0
        self._checkpoint_to: int | None = None  # while one runs: it ends when the floor has passed this
        self.shard: ShardPort | None = None  # None until it is restored
        self.position = 0  # last record folded and, with its transitions, stored
        self.arrival_ms = 0  # of that record

    def wake(self) -> None:
        """Say that the journal has grown."""
        self._wake.set()

    async def reached(self, position: int) -> None:
        """Return once the record at ``position`` is folded and its transitions are stored."""
        while self.position < position:
            await self._moved.wait()

    async def run(self) -> None:
        """Restore, then fold until stopped; any exception leaves the store as if the step had not been."""
        await self._restore()
        while not self._stopping:
            self._wake.clear()
            rows = await self._thread.run(self._read)
            if rows:
                await self._fold(rows)
            if self.position >= self._journal.last.position:
                self._health.well(PART)
            if not await self._checkpoint() and not rows and not self._stopping:
                await self._clock.wait(self._wake, self._clock.now_ms() + limits.TICK_MS)
        while await self._save_slice():
            pass

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
        self._epoch, self.shard = lease.epoch, shard
        self._move_to(max(lease.floor - 1, 0))
        self.arrival_ms = lease.floor_clock_ms or self._journal.last.arrival_ms or self._clock.now_ms()
        self._journal.keep_from = lease.floor
        self._checkpoint_ms, self._checkpoint_to, self._bytes = self._clock.now_ms(), None, 0
        log.info("shard restored", floor=lease.floor, position=lease.position, last=last)

    def _load(self) -> tuple[ShardLease, ShardPort]:
        """Take the shard over: its stored rows, then the ids that are still remembered at the floor."""
        lease = self._store.take(self._number)
        shard = self._make_shard()
        shard.restore(self._store.load_state(self._number), lease.floor, lease.floor_clock_ms)
        position = self._reader.position_at(lease.floor_clock_ms - 2 * self._lateness_ms)
        while position < lease.floor and (rows := self._reader.batch(position, limits.STEP_EVENTS)):
            shard.prime([record_of(row) for row in rows if row.position < lease.floor])
            position = rows[-1].position + 1
        return lease, shard

    def _read(self) -> list[Record]:
        rows = self._reader.batch(self.position + 1, limits.STEP_EVENTS)
        self._bytes += sum(len(row.body) for row in rows)
        return [record_of(row) for row in rows]

    async def _fold(self, records: list[Record]) -> None:
        assert self.shard is not None
        if records[0].position != self.position + 1:
            log.error("journal gap", wanted=self.position + 1, found=records[0].position)
        began = time.perf_counter()
        outputs = self.shard.step(records)
        self._held_loop(began)
        last = records[-1]
        if outputs.transitions:
            told = list(outputs.transitions)
            # nothing is folded ahead of a step that is not stored
            await self._thread.until_stored(
                partial(self._store.commit_step, self._number, self._epoch, last.position, told),
                partial(self._tell_unrecorded, told),
            )
        if outputs.rejected:
            await self._on_refused(records, outputs.rejected)
        self.arrival_ms = last.arrival_ms
        self._move_to(last.position)
        self._on_outputs(outputs)

    def _move_to(self, position: int) -> None:
        self.position = position
        self._moved.set()
        self._moved = asyncio.Event()

    async def _checkpoint(self) -> bool:
        """Write a slice if a checkpoint is due or under way; whether there is more to write now."""
        if self._checkpoint_to is None:
            waited_ms = self._clock.now_ms() - self._checkpoint_ms
            if waited_ms < limits.CHECKPOINT_MS and self._bytes < limits.CHECKPOINT_BYTES:
                return False
            self._checkpoint_to, self._bytes = self.position, 0
            self._checkpoint_began_s = time.perf_counter()
        if time.perf_counter() < self._rest_until_s:
            return False
        saved = await self._save_slice()
        if saved is not None and saved.floor <= self._checkpoint_to:
            return True
        self._checkpoint_to, self._checkpoint_ms = None, self._clock.now_ms()
        self._observe_checkpoint(time.perf_counter() - self._checkpoint_began_s)
        return False

    async def _save_slice(self) -> Slice | None:
        assert self.shard is not None
        began = time.perf_counter()
        taken = self.shard.checkpoint(self._shops_a_slice)
        if taken is None:
            return None
        took_ms = self._held_loop(began)
        self._rest_until_s = time.perf_counter() + limits.SLICE_REST * took_ms / 1000
        fits = int(self._shops_a_slice * limits.SLICE_MS / max(took_ms, 0.1))
        self._shops_a_slice = max(1, min(fits, 2 * self._shops_a_slice, limits.SLICE_SHOPS_MAX))
        try:
            await self._thread.run(
                self._store.save_state,
                self._number,
                self._epoch,
                taken.rows,
                taken.floor,
                taken.floor_clock_ms,
            )
        except (StoreFull, StoreBusy) as error:
            self.shard.checkpoint_failed(taken)
            self._health.failed("store", str(error))
            log.exception("state not stored", error=str(error))
            return None
        self._journal.keep_from = taken.floor
        return taken

    def _held_loop(self, began_s: float) -> float:
        took_s = time.perf_counter() - began_s
        self._observe_step(took_s)
        return took_s * 1000
