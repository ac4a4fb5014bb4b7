"""A shard that this worker holds: taken over, brought up to date from its partition, driven on."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster.records import read
from monitor.runtime.plan_book import BEGAN
from monitor.runtime.shard_driver import ShardDriver, take_over
from monitor.runtime.told import Told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.runtime.cluster.parts import Parts
    from monitor.runtime.cluster.records import Fetched
    from monitor.runtime.cluster.tick import Tick
    from monitor.runtime.health import Health
    from monitor.runtime.refusals import Refusals
    from monitor.shard.shard import Shard
    from monitor.sources.found import Rejected
    from monitor.store.port import ShardLease

log = structlog.get_logger(__name__)
RETENTION = "retention"  # the part that failed where the topic was kept too short


class Topic(Protocol):
    """What is asked of the topic while a shard is loaded; partition by partition."""

    async def first_kept(self, partition: int) -> int:
        """The first record there is."""

    async def end(self, partition: int) -> int:
        """The place of the next record to come."""


class HeldShard(ShardDriver):
    """One partition's shard.

    Args:
        parts: What all shards of the worker share.
        partition: Whose shard it is.
        refusals: Takes what is refused of it.
    """

    def __init__(self, parts: Parts, partition: int, refusals: Refusals) -> None:
        super().__init__(
            parts.store,
            parts.thread,
            parts.clock,
            Told(parts.health, parts.on_outputs, parts.tell_unrecorded, refusals.put, parts.timings),
            partial(parts.plans.fetch, parts.store),
            shard=partition,
            state=(parts.state_store, parts.state_thread),
        )
        self.partition = partition
        self._parts, self._refusals = parts, refusals
        self._waiting = f"log of shard {partition}"  # who says that the store must take more first
        self._unread: Sequence[tuple[Record, Rejected]] = ()
        self.next = 0  # the next record to be read
        self.feeding: asyncio.Task[None] | None = None  # of the last batch it was given
        self.loaded_ms = 0  # when its state was read
        self.tick_offset = -1  # of the last tick written; the next waits until it is read
        self.ticking = False  # while a tick is being written
        self.caught_up_ms = 0  # when a tick of this owner was last read; 0: never

    @property
    def epoch(self) -> int:
        """Under which it is ours."""
        return self._epoch

    @property
    def state(self) -> Shard:
        """The shard itself, once it is loaded."""
        assert self.shard is not None
        return self.shard  # type: ignore[return-value]  # what ``make_shard`` made

    async def load(self, topic: Topic) -> None:
        """Take the shard over and read its state; the former owner can write nothing from here on.

        Raises:
            MonitorError: The topic does not reach as far as the store.
        """
        began_s = time.perf_counter()
        lease, shard = await self._parts.state_thread.run(self._take)
        self._begin(lease.epoch, shard)
        self.loaded_ms = self._clock.now_ms()
        self.arrival_ms = lease.floor_clock_ms
        self.next = await self._first(lease, topic)
        if self.next > 1 and not lease.floor_clock_ms:
            self._begin(lease.epoch, await self._parts.state_thread.run(self._anew))
        self._move_to(self.next - 1)
        took_ms = int(1000 * (time.perf_counter() - began_s))
        log.info(
            "shard taken",
            shard=self.partition,
            epoch=lease.epoch,
            position=lease.position,
            floor=lease.floor,
            reads_from=self.next,
            shops=len(shard.engine.shops),
            took_ms=took_ms,
        )

    async def _first(self, lease: ShardLease, topic: Topic) -> int:
        """The first record to read."""
        end, kept = await topic.end(self.partition), await topic.first_kept(self.partition)
        if lease.floor > end or lease.position >= end:
            raise MonitorError(
                f"partition {self.partition}: the store knows record {max(lease.floor - 1, lease.position)},"
                f" the topic ends at {end}",
                mend="was the topic made anew? take a new database, or name the topic of this one",
                code="topic_behind",
            )
        lost = kept - max(lease.floor, self.state.engine.skips_until + 1)  # state may be beyond the floor
        if lease.floor_clock_ms and lost > 0:
            tell_expired(self._health, self.partition, lost)
        return max(lease.floor, kept)

    async def still_ours(self) -> bool:
        """Whether nobody took the shard over meanwhile."""
        return await self._parts.state_thread.run(self._parts.state_store.owned, self.partition, self._epoch)

    async def feed(self, fetched: Sequence[Fetched]) -> None:
        """Take records, in order and without a gap; any that were taken already are passed over.

        Raises:
            Fenced: Another owner took the shard.
        """
        fresh = [one for one in fetched if one.offset >= self.next]
        for begin in range(0, len(fresh), limits.STEP_EVENTS):
            async with self._parts.turn:
                await asyncio.sleep(0)  # what is not a shard has its turn after each 10 ms or so
            if self.dropped:
                return
            await self._feed(fresh[begin : begin + limits.STEP_EVENTS])

    async def _feed(self, fetched: Sequence[Fetched]) -> None:
        if self.unstored_bytes > limits.UNSTORED_BYTES_MAX:
            await self._wait_for_store()
        if self.dropped:
            return
        records, unread, ticks = read(fetched, self._parts.topic)
        self._unread = unread
        self._bytes += sum(len(one.value or b"") for one in fetched)
        await self.fold(records)
        self.next = self.position + 1
        if any(self._is_ours(tick) for tick in ticks):
            self.caught_up_ms = self._clock.now_ms()

    async def _wait_for_store(self) -> None:
        """Fold nothing more before what is folded is in the stored state."""
        while self.unstored_bytes > limits.UNSTORED_BYTES_MAX and not self.dropped:
            behind_mb = self.unstored_bytes >> 20
            what = f"shard {self.partition}: {behind_mb} MB not stored; it waits"
            zh = f"分片 {self.partition}：{behind_mb} MB 未能入库，等待中"
            self._health.failed("store", what, zh, by=self._waiting)
            await asyncio.sleep(limits.SAVE_LOOK_S)
        self._health.well("store", by=self._waiting)

    def _is_ours(self, tick: Tick) -> bool:
        return tick.epoch == self._epoch and tick.worker == self._parts.worker

    async def _tell_refused(self, records: Sequence[Record], rejected: Sequence[tuple[Event, str]]) -> None:
        if rejected or self._unread:
            await self._refusals.put(records, rejected, self._unread)

    def _anew(self) -> Shard:
        """Without state, on a log whose beginning has expired, and with it what was in force there."""
        self._parts.state_store.put_meta(BEGAN.format(self.partition), None)
        return self._parts.make_shard(self.partition, "")

    def _take(self) -> tuple[ShardLease, Shard]:
        return take_over(
            self._parts.state_store,
            self.partition,
            partial(self._parts.make_shard, self.partition),
            lambda: 0,
        )


def tell_expired(health: Health, partition: int, records: int) -> None:
    """Say that so many records of a partition are gone that nobody has folded."""
    what = "records expired before they were folded"
    mend = "raise kafka.retention, and `slawatch topics create`"
    log.error(what, shard=partition, records=records, mend=mend)
    health.failures[RETENTION] += 1  # of the metrics; nothing mends it any more
