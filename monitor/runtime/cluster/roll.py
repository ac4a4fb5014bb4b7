"""Which shards are judged by anybody: workers call in by way of the store, the leading desk calls the roll.

A worker that is gone, asleep or behind cannot be trusted to say so itself. What nobody judges for a while is
an alert like any other: a transition of a shard that is only this roll, whose log is the leader's clock.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from alerting.errors import Fenced, StoreBusy, StoreFull
from alerting.policy.records import alert_key
from alerting.policy.rulings import SHARDS_RULE
from monitor.runtime import limits
from monitor.runtime.cluster.answers import PART, answered
from rules.transition import Facts, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from monitor.runtime.clock import Clock
    from monitor.runtime.cluster.status import WorkerStatus
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
ROLL_SHARD: Final = 1_000_000  # beyond any partition
KEY: Final = "worker:"  # in the store, and the worker's name
TWIN: Final = "instance"  # among the parts that may have a problem
GROUP: Final = "group"  # another of them
SUBJECT: Final = {"daemon": "workers"}


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker says of itself: the shards that it judges in time, and how it is."""

    at_ms: int
    shards: list[int] = []
    problems: list[str] = []
    process: str = ""  # who called: a name is to be of one process at a time
    group: str = ""  # of Kafka's: one shares out the partitions, so a database is to be of one


decode_call = msgspec.json.Decoder(Call).decode


def unjudged(calls: Iterable[Call], partitions: int, now_ms: int) -> list[int]:
    """The partitions that no worker which called in of late judges in time."""
    fresh = (call for call in calls if now_ms - call.at_ms < limits.CALLED_MS)
    judged = {shard for call in fresh for shard in call.shards}
    return [shard for shard in range(partitions) if shard not in judged]


class Caller:
    """A worker's part: it calls in, and hears whether another does so under its name, or of another group.

    Args:
        status: How it is.
        name: Its own (``kafka.instance``).
        group: Its own (``kafka.group``).
        process: A name that no other process has, nor this one at its next start.
        store: Where to; called only in ``thread``.
        thread: Where that waits.
        clock: When it called.
    """

    def __init__(
        self,
        status: WorkerStatus,
        name: str,
        group: str,
        process: str,
        store: ShardStore,
        thread: StoreThread,
        clock: Clock,
    ) -> None:
        self._status, self._name, self._group, self._process = status, name, group, process
        self._store, self._thread, self._clock = store, thread, clock
        self._called_ms = clock.now_ms()  # whoever had the name before us called before that
        self._twin_ms = 0  # when another of that name was last heard of; 0: never
        self._left = False

    async def run(self) -> None:
        """Call in every now and then, for ever."""
        while not self._left:
            await self.call()
            await asyncio.sleep(limits.CALL_S)

    async def call(self) -> None:
        """Call in once; that the database takes long to answer is said before it is given up."""
        health = self._thread.health
        with suppress(StoreBusy):
            rows = await answered(self._thread.run(self._store.metas, KEY), health)
            calls = {name: decode_call(row) for name, row in rows.items()}
            self._look_at(calls.get(KEY + self._name))
            self._look_for_groups(calls.values())
        self._called_ms = self._clock.now_ms()
        problems = [problem.en for problem in self._status.status().problems[:5]]
        call = Call(self._called_ms, self._status.judged(), problems, self._process, self._group)
        await answered(self._put(call), health)

    def _look_at(self, last: Call | None) -> None:
        """Look who called last under our name: of two, each is given by the group what the other has."""
        now_ms = self._clock.now_ms()
        if last and last.process not in ("", self._process) and last.at_ms > self._called_ms:
            self._twin_ms = now_ms
            what = f"another worker is called {self._name}: each takes the shards from the other"
            zh = f"另有一个 worker 也叫 {self._name}：两者互相抢走分片；请给每个 worker 各自的 kafka.instance"
            self._thread.health.failed(TWIN, f"{what}; give each a kafka.instance of its own", zh)
        elif now_ms - self._twin_ms >= limits.CALLED_MS:
            self._thread.health.well(TWIN)

    def _look_for_groups(self, calls: Iterable[Call]) -> None:
        """Look who is of another group: that gives its members every shard, as ours does."""
        since_ms = self._clock.now_ms() - limits.CALLED_MS
        others = sorted({call.group for call in calls if call.at_ms > since_ms} - {"", self._group})
        if not others:
            self._thread.health.well(GROUP)
            return
        what = f"workers of group {others[0]} are on this database too: each takes the shards from the other"
        zh = f"消费组 {others[0]} 的 worker 也在用此数据库：两组互相抢走分片；请各用一个数据库"
        self._thread.health.failed(GROUP, f"{what}; give each kafka.group a database of its own", zh)

    async def leave(self) -> None:
        """Say that no more calls come."""
        self._left = True
        await self._put(None)

    async def _put(self, call: Call | None) -> None:
        row = msgspec.json.encode(call) if call is not None else None
        try:
            await self._thread.run(self._store.put_meta, KEY + self._name, row)
        except (StoreBusy, StoreFull) as error:
            self._thread.health.failed(PART, str(error))
        else:
            self._thread.health.well(PART)


class Roll:
    """The leading desk's part: it fires when shards go unjudged, and resolves when all are judged.

    Args:
        loop: The desk's; it knows what fires already.
        leads: Whether this desk leads.
        partitions: How many shards there should be.
        store: Where workers call in, and alerts go; called only in ``thread``.
        thread: Where that waits.
        clock: How old a call is.
    """

    def __init__(
        self,
        loop: DeskLoop,
        leads: Callable[[], bool],
        partitions: int,
        store: ShardStore,
        thread: StoreThread,
        clock: Clock,
    ) -> None:
        self._loop, self._leads, self._partitions = loop, leads, partitions
        self._store, self._thread, self._clock = store, thread, clock
        self._since_ms = 0  # from when shards were unjudged; 0: all are judged
        self.missing: list[int] = []

    async def run(self) -> None:
        """Call the roll, for ever."""
        while True:
            await asyncio.sleep(limits.CALL_S)
            if self._leads():
                with suppress(StoreBusy, StoreFull):  # the lease says so; the next call finds out
                    await self.call()
            else:
                self._since_ms = 0

    async def call(self) -> None:
        """Call it once, and write what is to be told."""
        now_ms = self._clock.now_ms()
        rows = await self._thread.run(self._store.metas, KEY)
        calls = {name: decode_call(row) for name, row in rows.items()}
        self.missing = unjudged(calls.values(), self._partitions, now_ms)
        self._since_ms = (self._since_ms or now_ms) if self.missing else 0
        fires = self._fires
        if self.missing and not fires and now_ms - self._since_ms >= limits.UNROLLED_MS:
            said = [f"{name.removeprefix(KEY)}: {p}" for name, c in calls.items() for p in c.problems]
            await self._tell("firing", self.missing, said, now_ms)
        elif fires and not self.missing:
            await self._tell("ok", [], [], now_ms)
        for name, call in calls.items():
            if now_ms - call.at_ms > limits.CALL_KEPT_MS:
                await self._thread.run(self._store.put_meta, name, None)

    @property
    def _fires(self) -> bool:
        desk = self._loop.desk
        alert = desk.books.alerts.get(alert_key(SHARDS_RULE, SUBJECT)) if desk else None
        return alert is not None and not alert.over

    async def _tell(self, state: str, shards: list[int], said: list[str], now_ms: int) -> None:
        which = ", ".join(map(str, shards[:20])) + (" …" if len(shards) > 20 else "")
        condition = "; ".join([f"shards {which}", *said[:3]]) if shards else ""
        told = Transition(
            at_ms=now_ms,
            rule=SHARDS_RULE,
            subject=SUBJECT,
            from_state="ok" if shards else "firing",
            to_state=state,
            severity="crit",
            verdict="unknown" if shards else "ok",
            reason="reached" if shards else "cleared",
            since_ms=now_ms,
            facts=Facts(condition=condition),
            shard=ROLL_SHARD,
        )
        try:
            lease = await self._thread.run(self._store.take, ROLL_SHARD)
            place = max(now_ms, lease.position + 1)  # the clock may have been set back
            told = msgspec.structs.replace(told, position=place)
            await self._thread.run(self._store.commit_step, ROLL_SHARD, lease.epoch, place, [told])
        except (Fenced, StoreBusy, StoreFull) as error:  # the next call tells it
            log.warning("roll not told", error=str(error))
            return
        self._loop.wake()
