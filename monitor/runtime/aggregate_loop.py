"""Drives the aggregate shard: parts from the store, cut by cut; the same in one process and in a cluster.

A cut is judged when every shard has published its second or a later one. One that some shard holds up for
longer is judged without that shard, and who was left out is noted with what came of it in one transaction;
so that the cuts that are folded again after a crash are the cuts that were judged.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec
import structlog

from alerting.errors import Fenced, StoreBusy, StoreError, StoreFull
from monitor.aggregate.aims import aims_of
from monitor.aggregate.shard import (
    AGGREGATE_SHARD,
    AggregateShard,
    Cut,
    decode_row,
    encode_row,
    position_of,
)
from monitor.aggregate.sums import decode_part
from monitor.rulebook import Plan
from monitor.runtime import limits
from rules.rule import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.runtime.clock import Clock
    from monitor.runtime.plan_book import PlanBook
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ShardLease, ShardStore
    from rules.transition import Transition

log = structlog.get_logger(__name__)
PART = "aggregate"
ROW = ("", "aggregate")  # its one row of state
NO_PLAN = Plan({}, RuleSet())
_missing = msgspec.msgpack.Decoder(list[int]).decode


class AggregateLoop:
    """The aggregate shard of all shards on a store.

    Args:
        plans: Those that parts name.
        store: Of parts, and of what comes of them; called only in ``thread``.
        thread: Where that waits.
        clock: When to look.
        shards: Whose parts make a cut.
        on_told: Called when transitions are stored.
        leads: Whether it is ours to judge.
    """

    def __init__(
        self,
        plans: PlanBook,
        store: ShardStore,
        thread: StoreThread,
        clock: Clock,
        shards: Sequence[int],
        on_told: Callable[[], object],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._plans, self._store, self._thread, self._clock = plans, store, thread, clock
        self._shards, self._on_told, self._leads = frozenset(shards), on_told, leads
        self._lease: ShardLease | None = None
        self._saved_ms = 0
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()  # state is never ahead of what is told with it
        self.shard: AggregateShard | None = None  # None until it is restored, and while another leads

    async def run(self) -> None:
        """Judge what is published, for ever."""
        while True:
            self._wake.clear()
            try:
                if self._leads():
                    while await self._looked():
                        pass
                else:
                    self.shard = None
            except Fenced as error:
                log.warning("aggregate shard lost", error=str(error))
                self.shard = None
            except (StoreBusy, StoreFull) as error:  # it is folded again from what is stored
                self._thread.health.failed(PART, f"{PART}: {error}")
                self.shard = None
            else:
                self._thread.health.well(PART)
            await self._clock.wait(self._wake, self._clock.now_ms() + limits.TICK_MS)

    def wake(self) -> None:
        """Say that a part was published."""
        self._wake.set()

    async def save(self) -> None:
        """Write its state, so that what comes after need not be folded again."""
        async with self._turn:
            if self.shard is not None and self._lease is not None:
                with suppress(StoreError):  # it is folded again, by whoever leads then
                    await self._save(self.shard)

    async def _looked(self) -> bool:
        async with self._turn:
            return await self.look()

    async def look(self) -> bool:
        """Judge the cuts that are ready; whether there may be more."""
        shard = self.shard
        if shard is None:
            if not await self._thread.run(self._plans.look, self._store):
                return False  # no plan was ever in force
            taken = await self._thread.run(self._restore)
            self._lease, shard = taken
            self.shard = shard
        before_ms = shard.at_ms
        rows = await self._thread.run(self._store.parts, shard.at_ms + 1, limits.PARTS_READ)
        newest: dict[int, int] = {number: at_ms for at_ms, number, _ in rows}
        for at_ms, group in groupby(rows, itemgetter(0)):
            bodies = {number: body for _, number, body in group}
            noted = bodies.pop(AGGREGATE_SHARD, None)
            missing = sorted(self._shards - bodies.keys())
            behind = [number for number in missing if newest.get(number, 0) < at_ms]
            note = None
            if noted is not None:
                missing = _missing(noted)
            elif behind and self._judged(at_ms):
                pass  # it was whole, and what was published then was read by whoever judged it
            elif behind and max(newest.values()) - at_ms < limits.PART_LATE_MS:
                break
            elif behind:
                note = msgspec.msgpack.encode(missing)
            await self._fold(shard, at_ms, [b for n, b in bodies.items() if n not in missing], missing, note)
        if not rows:
            await self._end_if_unasked(shard)
        if shard.at_ms - self._saved_ms >= limits.CHECKPOINT_MS:
            await self._save(shard)
        return shard.at_ms > before_ms

    def _judged(self, at_ms: int) -> bool:
        assert self._lease is not None
        return position_of(at_ms) <= self._lease.position

    async def _fold(
        self,
        shard: AggregateShard,
        at_ms: int,
        bodies: Sequence[bytes],
        missing: Sequence[int],
        note: bytes | None,
    ) -> None:
        parts = [decode_part(body) for body in bodies]
        for name in {part.plan for part in parts}:
            await self._thread.run(self._plans.fetch, self._store, name)
        await self._commit(shard.fold(Cut(at_ms, parts, missing)), at_ms, note)

    async def _commit(self, told: list[Transition], at_ms: int, note: bytes | None) -> None:
        assert self._lease is not None
        if not told and note is None:
            return
        place = position_of(at_ms)
        notes = [(place, at_ms, note)] if note is not None else []
        epoch = self._lease.epoch
        await self._thread.run(self._store.commit_step, AGGREGATE_SHARD, epoch, place, told, notes)
        if told:
            self._on_told()

    async def _end_if_unasked(self, shard: AggregateShard) -> None:
        """End what fires when the rules in force ask for nothing over shops: no part comes any more."""
        if not shard.states:
            return
        await self._thread.run(self._plans.look, self._store)
        if aims_of(self._plans.plan):
            return
        now_ms = self._clock.now_ms() // 1000 * 1000
        if now_ms - shard.at_ms >= limits.PART_LATE_MS:
            shard.turn_to(self._plans.in_force, self._plans.plan)
            await self._commit(shard.fold(Cut(now_ms, ())), now_ms, msgspec.msgpack.encode([]))
            await self._save(shard)

    async def _save(self, shard: AggregateShard) -> None:
        assert self._lease is not None
        floor_ms = self._saved_ms = shard.at_ms
        rows = [(*ROW, position_of(floor_ms), encode_row(shard.row()))]
        floor = position_of(floor_ms) + 1
        await self._thread.run(
            self._store.save_state, AGGREGATE_SHARD, self._lease.epoch, rows, floor, floor_ms
        )
        await self._thread.run(self._store.drop_parts, floor_ms - limits.PARTS_KEPT_MS)

    def _restore(self) -> tuple[ShardLease, AggregateShard]:
        lease = self._store.take(AGGREGATE_SHARD)
        row = next((decode_row(data) for *_, data in self._store.load_state(AGGREGATE_SHARD)), None)
        name = row.plan if row is not None else ""  # a fresh one turns to the plan of its first cut
        self._plans.fetch(self._store, name)
        plan = self._plans.known[name] if name else NO_PLAN
        shard = AggregateShard(plan, self._plans.known, name)
        if row is not None:
            shard.restore(row)
        self._saved_ms = shard.at_ms
        return lease, shard
