"""What drives a shard wherever its log lies: fold, store what came of it, write its state in slices.

``ShardLoop`` feeds it from the journal of one machine, ``cluster.held`` from a partition of a topic.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

import structlog

from alerting.errors import StoreBusy, StoreFull
from monitor.aggregate.sums import encode_part
from monitor.runtime import limits
from monitor.runtime.plan_book import BEGAN
from monitor.shard.restore import OtherFormatError, plan_in
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.runtime.clock import Clock
    from monitor.runtime.ports import ShardPort
    from monitor.runtime.told import Told
    from monitor.runtime.worker_thread import StoreThread
    from monitor.shard.marks import Slice
    from monitor.store.port import ShardLease, ShardStore

log = structlog.get_logger(__name__)
LOST_PLAN = Text(
    "日志里的一次规则变更在库中找不到（库是新建的，或比日志旧）：沿用先前的规则；"
    "`slawatch rules apply` 使本机的规则文件生效",
    "the log names rules that the store does not have, being new or older: those before go on;"
    " `slawatch rules apply` puts the files here in force",
)

Shard = TypeVar("Shard", bound="ShardPort")


def take_over(
    store: ShardStore, number: int, make_shard: Callable[[str], Shard], first: Callable[[], int]
) -> tuple[ShardLease, Shard]:
    """Become a shard's owner, with the state that is stored of it, under the plan it was stored under.

    State of another format is deleted, and the shard begins anew at the ``first`` record of its log.
    """
    lease = store.take(number)
    try:
        rows = iter(store.load_state(number))
        head = list(islice(rows, 1))
        shard = make_shard(plan_in(head))
        shard.restore(chain(head, rows), lease.floor, lease.floor_clock_ms)
    except OtherFormatError as error:
        log.warning("state is folded again from the log", shard=number, reason=str(error))
    else:
        return lease, shard
    gone = [(key, part, 0, None) for key, part, _, _ in store.load_state(number)]
    lease = replace(lease, floor=first(), floor_clock_ms=0)
    store.save_state(number, lease.epoch, gone, lease.floor, lease.floor_clock_ms)
    if lease.floor > 1:  # the beginning of the log was pruned, and with it what was in force there
        store.put_meta(BEGAN.format(number), None)
    return lease, make_shard("")


class ShardDriver:
    """One shard, and its place in the store.

    Args:
        store: Opened in ``thread`` and called only there.
        thread: Where commits wait for the disk.
        clock: When checkpoints are due.
        told: Of what it does.
        fetch_plan: Called in ``thread`` with the name of a plan before a record that names it is folded;
            whether there is one.
        shard: Its number.
        state: A store of its own for the shard's state, with its thread, so that steps do not wait for it.
    """

    def __init__(
        self,
        store: ShardStore,
        thread: StoreThread,
        clock: Clock,
        told: Told,
        fetch_plan: Callable[[str], bool],
        *,
        shard: int = 0,
        state: tuple[ShardStore, StoreThread] | None = None,
    ) -> None:
        self._store, self._thread, self._clock = store, thread, clock
        self._state_store, self._state_thread = state or (store, thread)
        self._told, self._health = told, told.health
        self._fetch_plan, self._number, self._epoch = fetch_plan, shard, 0
        self._saving = f"state of shard {shard}"  # who says that the store takes none
        self._moved = asyncio.Event()  # set, and replaced, whenever position moves
        self._stored = asyncio.Event()  # set but for the time between a fold and its commit, or its loss
        self._stored.set()
        self._held_s = 0.0  # how long the last step or slice held the loop
        self._shops_a_slice = 1  # doubled while a slice is short
        self._bytes = 0  # read since the last checkpoint began …
        self._bytes_saving = 0  # … and before, while it runs
        self._refused = False  # the store did not take the last slice
        self._rest_until_s = 0.0  # until then no further slice is taken
        self._checkpoint_began_s = 0.0
        self._checkpoint_to: int | None = None  # while one runs: it ends when the floor has passed this
        self.dropped = False  # another owner has it, or it failed: nothing is folded or written any more
        self.checkpoint_ms = 0  # when the last checkpoint ended
        self.shard: ShardPort | None = None  # None until it is restored
        self.position = 0  # last record folded and, with its transitions, stored
        self.arrival_ms = 0  # of that record

    async def reached(self, position: int) -> None:
        """Return once the record at ``position`` is folded and its transitions are stored."""
        while self.position < position:
            await self._moved.wait()

    async def fold(self, records: Sequence[Record]) -> None:
        """Fold records and store what came of them; nothing is folded ahead of a step that is not stored.

        Raises:
            Fenced: Another owner took the shard; nothing was stored.
        """
        assert self.shard is not None
        if records[0].position != self.position + 1:
            log.error("gap in the log", shard=self._number, wanted=self.position + 1, got=records[0].position)
        for name in {record.plan for record in records if record.plan}:
            if not await self._thread.run(self._fetch_plan, name):
                self._health.notices["lost plan"] = LOST_PLAN
        self._stored.clear()
        began = time.perf_counter()
        outputs = self.shard.step(records)
        self._held_loop(began)
        last = records[-1]
        if outputs.transitions or outputs.parts:
            told = list(outputs.transitions)
            parts = [(position, part.at_ms, encode_part(part)) for position, part in outputs.parts]
            await self._thread.until_stored(
                partial(self._store.commit_step, self._number, self._epoch, last.position, told, parts),
                partial(self._told.unrecorded, told),
            )
        await self._tell_refused(records, outputs.rejected)
        self._stored.set()
        self.arrival_ms = last.arrival_ms
        self._move_to(last.position)
        self._told.outputs(outputs)

    async def checkpoint(self) -> bool:
        """Write a slice if a checkpoint is due or under way; whether there is more to write now."""
        if self._checkpoint_to is None:
            if not self._is_checkpoint_due():
                return False
            self._checkpoint_to, self._bytes, self._bytes_saving = self.position, 0, self._bytes
            self._checkpoint_began_s = time.perf_counter()
        if time.perf_counter() < self._rest_until_s:
            return False
        saved = await self._save_slice()
        if self._refused:
            self._rest_until_s = time.perf_counter() + limits.RESTART_PAUSE_S
            return False
        if saved is not None and saved.floor <= self._checkpoint_to:
            return True
        self._checkpoint_to, self.checkpoint_ms, self._bytes_saving = None, self._clock.now_ms(), 0
        self._told.timings.checkpoint(time.perf_counter() - self._checkpoint_began_s)
        return False

    def _is_checkpoint_due(self) -> bool:
        assert self.shard is not None
        now_ms = self._clock.now_ms()
        waited_ms = now_ms - self.checkpoint_ms
        if not 0 <= waited_ms < limits.CHECKPOINT_MS or self._bytes >= limits.CHECKPOINT_BYTES:
            return True  # below 0 the clock was set back
        if waited_ms < limits.CHECKPOINT_ASLEEP_MS or now_ms - self.arrival_ms > limits.LAG_TOLD_MS:
            return False
        return self.shard.asleep_unstored >= limits.CHECKPOINT_ASLEEP

    @property
    def unstored_bytes(self) -> int:
        """Bytes of the log that were folded and may not be in the stored state."""
        return self._bytes + self._bytes_saving

    async def save_all(self) -> None:
        """Write all state there is to write, so that nothing is folded again."""
        assert self.shard is not None
        self.shard.end()
        while await self._save_slice():
            pass

    def drop(self) -> None:
        """Fold and write nothing any more, and say nothing of the store."""
        self.dropped = True
        self._stored.set()
        self._health.well("store", by=self._saving)

    def _begin(self, epoch: int, shard: ShardPort) -> None:
        """Drive ``shard``, which was restored under ``epoch``."""
        self._epoch, self.shard = epoch, shard
        self._stored.set()
        self._checkpoint_to, self.checkpoint_ms = None, self._clock.now_ms()
        self._bytes = self._bytes_saving = 0

    def _move_to(self, position: int) -> None:
        self.position = position
        self._moved.set()
        self._moved = asyncio.Event()

    async def _save_slice(self) -> Slice | None:
        assert self.shard is not None
        await self._stored.wait()  # state is never ahead of the transitions that go with it
        if self.dropped:
            return None
        began = time.perf_counter()
        taken = self.shard.checkpoint(self._shops_a_slice)
        if taken is None:
            return None
        took_ms = self._held_loop(began)
        self._rest_until_s = time.perf_counter() + limits.SLICE_REST * took_ms / 1000
        fits = int(self._shops_a_slice * limits.SLICE_MS / max(took_ms, 0.1))
        self._shops_a_slice = max(1, min(fits, 2 * self._shops_a_slice, limits.SLICE_SHOPS_MAX))
        try:
            await self._state_thread.run(
                self._state_store.save_state,
                self._number,
                self._epoch,
                taken.rows,
                taken.floor,
                taken.floor_clock_ms,
            )
        except (StoreFull, StoreBusy) as error:
            self._refused = True
            self._shops_a_slice = max(
                1, self._shops_a_slice // 2
            )  # it may be what a slow store could not take
            self.shard.checkpoint_failed(taken)
            if not self.dropped:
                self._health.failed("store", str(error), by=self._saving)
            return None
        self._refused = False
        self._health.well("store", by=self._saving)
        self._floor_moved(taken.floor)
        return taken

    async def _tell_refused(self, records: Sequence[Record], rejected: Sequence[tuple[Event, str]]) -> None:
        """Tell what a step refused."""
        if rejected:
            await self._told.refused(records, rejected)

    def _floor_moved(self, floor: int) -> None:
        """The log before ``floor`` is not needed by this shard any more."""

    def _held_loop(self, began_s: float) -> float:
        self._held_s = time.perf_counter() - began_s
        self._told.timings.step(self._held_s)
        return self._held_s * 1000
