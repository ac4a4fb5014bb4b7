"""Which shards this worker holds: taken, kept, lost, taken again.

A shard whose write is refused (another worker took it) or that fails is dropped, and the others go on. As
long as its partition is ours it is taken again after a pause.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from typing import TYPE_CHECKING

import structlog
from aiokafka.errors import KafkaError

from alerting.errors import Fenced, StoreDown, StoreError, StoreFull
from monitor.runtime import limits
from monitor.runtime.cluster.held import HeldShard, tell_expired
from monitor.runtime.cluster.records import BROKEN
from monitor.runtime.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from monitor.runtime.cluster.consumer import Batch, PackedConsumer
    from monitor.runtime.cluster.ends import Ends
    from monitor.runtime.cluster.parts import Parts
    from monitor.runtime.cluster.unpack import Unreadable

log = structlog.get_logger(__name__)


class Owner:
    """Holds shards for ``PackedConsumer`` (its ``Holder``), and feeds them.

    Args:
        parts: What all shards share.
        consumer: The consumer, once there is one.
        ends: Says where partitions begin and end.
    """

    def __init__(self, parts: Parts, consumer: Callable[[], PackedConsumer], ends: Ends) -> None:
        self._parts, self._consumer, self._ends = parts, consumer, ends
        self.held: dict[int, HeldShard] = {}
        self.assignment: frozenset[int] = frozenset()
        self.rebalances = 0
        self.gone = 0  # shards that nobody has any more, also such as were let go while they were read
        self.rebalance_began_s = time.monotonic()  # 0: none is under way
        self.rebalance_s = 0.0  # the seconds of the last one, until every shard of ours was read again
        self._assigned_s = time.monotonic()  # when the group had met, in the last one
        self.stopping = False
        self.barred = False  # the topic is not the store's: nothing is held
        self._loading: dict[int, asyncio.Task[None]] = {}
        self._reading = 0  # of those; the others wait for the group to meet
        self._assigned = asyncio.Event()  # cleared while a rebalance is under way
        self._background: set[asyncio.Task[None]] = set()
        self._saving = asyncio.Lock()  # a slice given up half-way would be passed over by the next one
        self._failed: dict[int, tuple[float, int]] = {}  # partition → pause after its last failure, and where
        self._again_s: dict[int, float] = {}  # partition → not to be taken, or read again, before
        self.unread: set[int] = set()  # held, and read no further

    @property
    def loads(self) -> bool:
        """Whether state is being read; a database that says nothing ends that by itself."""
        return self._reading > 0

    # asked by the consumer

    def revoked(self) -> None:
        """Keep every shard: nobody can have written to one that is still ours when it comes back."""
        self.assignment = frozenset()
        self._assigned.clear()
        self.rebalances += 1
        self.rebalance_began_s = time.monotonic()
        self._again_s.clear()
        self.unread.clear()

    def assigned(self, partitions: frozenset[int]) -> None:
        """Forget what is not ours any more, look whether the rest still is, load what is missing."""
        self.assignment, self._assigned_s = partitions, time.monotonic()
        self._assigned.set()
        for gone in set(self._loading) - partitions:  # it would be taken from the one whose it is now
            self._loading.pop(gone).cancel()
        for gone in (self.held.keys() | self._failed.keys()) - partitions:
            if held := self.held.get(gone):
                self._drop(held)
            self._failed.pop(gone, None)  # whoever has it now tells whether it is well
            self._parts.health.well(part_of(gone))
        for partition in sorted(partitions):
            if held := self.held.get(partition):
                self._in_background(self._check(held))
            else:
                self._begin_load(partition)
        self._note_rebalanced()

    def next_of(self, partition: int) -> int | None:
        """The next record of a shard that is held; None: it is not, or not yet."""
        held = self.held.get(partition)
        return held.next if held is not None else None

    def unreadable(self, partition: int, bad: Unreadable) -> None:
        """Hold its shard where it stands, so that what it has is stored, and read there again and again."""
        self._failed[partition] = (limits.REREAD_S, bad.offset)
        self._again_s[partition] = time.monotonic() + limits.REREAD_S
        self.unread.add(partition)
        what = f"shard {partition}: record {bad.offset} of its partition cannot be read: {bad.why}"
        zh = f"分片 {partition}：分区中第 {bad.offset} 条记录无法读取：{bad.why}"
        self._parts.health.failed(part_of(partition), f"{what}; see {BROKEN}", f"{zh}；见 {BROKEN}")

    def missing(self, partition: int, first: int, end: int) -> None:
        """Say so, if they were deleted; the mark of a sender's transaction is no record either."""
        self._in_background(self._tell_missing(partition, first, end))

    # feeding

    async def take(self, batch: Batch) -> None:
        """Have a batch fed to its shard, after the one before it; others go on until its next one."""
        held = self.held.get(batch.partition)
        if held is not None:
            if held.feeding is not None:
                await asyncio.wait((held.feeding,))
            held.feeding = self._in_background(self._feed(held, batch))

    async def _feed(self, held: HeldShard, batch: Batch) -> None:
        """Never raises, whatever is wrong with shard or batch."""
        if held.dropped or self.stopping or batch.run != self._consumer().run_of(batch.partition):
            return  # it is read again from where its shard begins
        try:
            await held.feed(batch.records)
            self._mended(held)
        except Fenced as error:
            self._lose(held, error)
        except Exception as error:  # noqa: BLE001 - whatever breaks one shard, the others go on
            self._fail(held, error)

    async def save(self) -> None:
        """Write state in the background, shard by shard, until all is released."""
        while not self.stopping:
            more = False
            for held in list(self.held.values()):
                async with self._saving:
                    more |= not self.stopping and await self._guarded(held, held.checkpoint)
            await asyncio.sleep(limits.SAVE_PAUSE_S if more else limits.SAVE_LOOK_S)

    async def tend(self) -> None:
        """Each second, take again what is ours and neither held nor being loaded."""
        while True:
            await asyncio.sleep(1.0)
            now_s = time.monotonic()
            for partition in self.assignment - self.held.keys() - self._loading.keys():
                if now_s >= self._again_s.get(partition, 0.0):
                    self._begin_load(partition)
            for partition in [one for one in self.unread if now_s >= self._again_s[one]]:
                self._again_s[partition] = now_s + limits.REREAD_S
                held = self.held.get(partition)
                if held is None or await self._consumer().read_from(partition, held.next):
                    self.unread.discard(partition)

    def let_go(self) -> None:
        """Hold nothing until the topic is the store's again; what is not stored is in that topic."""
        self.barred = True
        for task in self._loading.values():
            task.cancel()
        for held in list(self.held.values()):
            self._drop(held)

    async def release(self) -> None:
        """Feed nothing more, and write the state of every shard, so that a successor need not fold."""
        self.stopping = True
        for task in self._loading.values():
            task.cancel()
        try:
            async with self._saving:
                for held in list(self.held.values()):
                    await self._guarded(held, held.save_all)
        finally:
            for task in self._background:
                task.cancel()  # as a step that the store does not take

    # losing and taking again

    async def _check(self, held: HeldShard) -> None:
        try:
            ours = await held.still_ours()
        except StoreError:
            return  # the next write finds out
        if not ours and not held.dropped:
            self._drop(held)
            if held.partition in self.assignment:
                self._begin_load(held.partition)

    async def _tell_missing(self, partition: int, first: int, end: int) -> None:
        try:
            lost = min(end, await self._ends.first_kept(partition)) - first
        except KafkaError as error:
            log.warning("records missing", shard=partition, first=first, end=end, error=repr(error))
            return
        if lost > 0:
            tell_expired(self._parts.health, partition, lost)

    def _begin_load(self, partition: int) -> None:
        if partition not in self._loading and not (self.stopping or self.barred):
            self._loading[partition] = asyncio.create_task(self._load(partition))

    async def _load(self, partition: int) -> None:
        consumer = self._consumer()
        generation, part = consumer.generation, self._parts
        known = part.dead_letters, part.store, part.thread, part.on_refusals
        refusals = Refusals(*known, shard=partition, told_before=frozenset())
        held = HeldShard(part, partition, refusals)
        weakref.finalize(held, self._let_go).atexit = False
        try:
            self._reading += 1
            try:
                await held.load(self._ends)
            finally:
                self._reading -= 1
            await self._assigned.wait()  # what a rebalance leaves with us need not be read again
            ours = partition in self.assignment
            if ours and (consumer.generation == generation or await held.still_ours()):
                self.held[partition] = held
                if not await consumer.read_from(partition, held.next):
                    self._drop(held)
        except Exception as error:  # noqa: BLE001 - told, and tried again while the partition is ours
            self._fail(held, error)
        else:
            if partition not in self._failed:
                part.health.well(part_of(partition))
        finally:
            if self._loading.get(partition) is asyncio.current_task():
                del self._loading[partition]
            if partition in self.assignment and partition not in self.held:  # a rebalance came between
                self._again_s.setdefault(partition, time.monotonic() + limits.RESTART_PAUSE_S)
            self._note_rebalanced()

    def _let_go(self) -> None:
        """A shard is held by nobody any more: what it holds is to be looked for (``runtime.memory``)."""
        self.gone += 1

    def _lose(self, held: HeldShard, error: Fenced) -> None:
        """Another worker took it: if the partition is ours all the same, wait for the group to settle."""
        log.warning("shard lost", shard=held.partition, epoch=held.epoch, error=str(error))
        self._again_s[held.partition] = time.monotonic() + limits.LOST_PAUSE_S
        self._drop(held)

    def _fail(self, held: HeldShard, error: Exception) -> None:
        if held.dropped:  # it is another's, or loaded anew
            return
        partition, part = held.partition, part_of(held.partition)
        before_s = self._failed[partition][0] if partition in self._failed else limits.RESTART_PAUSE_S / 2
        waits = isinstance(error, (StoreDown, StoreFull))  # all of them do; one that is busy is left in peace
        pause_s = min(2 * before_s, limits.RESTART_PAUSE_S if waits else limits.RESTART_PAUSE_MAX_S)
        self._failed[partition] = (pause_s, held.next)
        self._again_s[partition] = time.monotonic() + pause_s
        self._parts.health.failed(part, f"{part}: {error or type(error).__name__}", error=error)
        self._drop(held)

    def _mended(self, held: HeldShard) -> None:
        """A shard that failed is well once it is past the place."""
        if held.partition in self._failed and held.next > self._failed[held.partition][1]:
            del self._failed[held.partition]
            self._parts.health.well(part_of(held.partition))

    def _drop(self, held: HeldShard) -> None:
        held.drop()
        if self.held.get(held.partition) is held:
            del self.held[held.partition]
            self._consumer().hold_back(held.partition)

    async def _guarded(self, held: HeldShard, write: Callable[[], Awaitable[bool | None]]) -> bool:
        """What writes state of a shard; a shard that another worker took, or that fails, is dropped."""
        if held.dropped:
            return False
        try:
            return bool(await write())
        except Fenced as error:
            self._lose(held, error)
        except Exception as error:  # noqa: BLE001 - the same
            self._fail(held, error)
        return False

    def _note_rebalanced(self) -> None:
        if self.rebalance_began_s and not self._loading:
            now_s = time.monotonic()
            self.rebalance_s, read_s = now_s - self.rebalance_began_s, now_s - self._assigned_s
            self.rebalance_began_s = 0.0
            took = {"took_s": round(self.rebalance_s, 3), "read_s": round(read_s, 3)}
            log.info("rebalanced", shards=sorted(self.held), **took)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def part_of(partition: int) -> str:
    """A shard's name among the parts that may have a problem."""
    return f"shard {partition}"
