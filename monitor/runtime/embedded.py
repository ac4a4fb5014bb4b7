"""The daemon in one process: entrance, shard, ticks, desk and senders side by side on one event loop.

Each part runs under ``keep_running``: one that fails is told and started again while the others go on.
What waits for a disk waits in a thread: the journal's, or the store's. The store has one connection for
all, since several would wait for each other's locks by polling.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from monitor.engine import limits as engine_limits
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.aggregate_loop import AggregateLoop
from monitor.runtime.backlog import Backlog
from monitor.runtime.clock import ManualClock
from monitor.runtime.desk_loop import DeskLoop
from monitor.runtime.entrance import Entrance
from monitor.runtime.follower import Follower
from monitor.runtime.health import Health, keep_running
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.refusals import Refusals
from monitor.runtime.shard_loop import ShardLoop
from monitor.runtime.ticker import Ticker
from monitor.runtime.told import UNTIMED, Told
from monitor.runtime.watchdog import Watchdog
from monitor.runtime.worker_thread import StoreThread
from monitor.shard.shard import Shard
from monitor.store.journal import Journal, JournalLimits
from monitor.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from alerting.policy.records import Intent
    from alerting.policy.rulings import Policy
    from monitor.runtime.clock import Clock
    from monitor.runtime.ports import DeadLetters, Outputs, ShardPort
    from monitor.runtime.told import Timings
    from monitor.sources.follow import FollowedDirectory
    from monitor.sources.found import Rejected
    from rules.transition import Transition


@dataclass(frozen=True, slots=True)
class Files:
    """What is open in a data folder."""

    journal: Journal
    store: SqliteStore  # used only in its thread
    thread: StoreThread
    health: Health


class Embedded:
    """The parts, put together; the caller adds what wants to be told, then awaits ``start``.

    Args:
        files: The open data folder.
        make_shard: A fresh shard under a plan, before any record; called in the store's thread.
        policy: The desk's.
        clock: Everybody's.
        dead_letters: Where refused events go.
        plans: Those that the journal names, and the one in force.
        lateness_ms: How late an event may come; ids are remembered for twice this.
        timings: Told how long steps, checkpoints and commits take.
    """

    def __init__(
        self,
        files: Files,
        make_shard: Callable[[str], ShardPort],
        policy: Policy,
        clock: Clock,
        dead_letters: DeadLetters,
        *,
        plans: PlanBook | None = None,
        lateness_ms: int = engine_limits.LATENESS_MS,
        timings: Timings = UNTIMED,
    ) -> None:
        self.clock, self.health, self.journal = clock, files.health, files.journal
        self.store, self.thread = files.store, files.thread
        self.outputs_told: list[Callable[[Outputs], None]] = []  # after each step is durable
        self.refusals_told: list[Callable[[str, Sequence[Rejected]], None]] = []  # once durable, by source
        self.intents_told: list[Callable[[], None]] = []  # there may be something to send
        self.tell_unrecorded: Callable[[Iterable[Transition | Intent]], Awaitable[int]] | None = None
        # Parts that wait for the clock when there is nothing to do: shard, aggregate, desk, ticker.
        self.on_clock = 4
        self.beat_s, self.plans = 0.0, plans or PlanBook()
        self.late_dropped = Counter[str]()  # events that came too late to count since the start, by source
        self._loop, self._timings = asyncio.get_running_loop(), timings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._finishing: dict[str, Callable[[], None]] = {}
        self._watchdog: Watchdog | None = None
        self.journal.on_commit = self._grown
        self._found = self.journal.last.position  # the last record of an earlier run
        self.entrance = Entrance(self.journal, Backlog(self._paced), dead_letters, lateness_ms)
        refusals = Refusals(dead_letters, self.store, self.thread, self._refused)
        self.shard_loop = ShardLoop(
            make_shard,
            self.journal,
            self.store,
            self.thread,
            clock,
            Told(self.health, self._stepped, self._unrecorded, refusals.put, timings),
            partial(self.plans.fetch, self.store),
        )
        self.desk_loop = DeskLoop(
            policy,
            self.store,
            self.thread,
            clock,
            health=self.health,
            on_intents=self._decided,
            tell_unrecorded=self._unrecorded,
        )

        self.aggregate = AggregateLoop(self.plans, self.store, self.thread, clock, (0,), self.desk_loop.wake)

    def parts(self, **bodies: Callable[[], Awaitable[None]]) -> None:
        """Run several parts by their names."""
        for name, body in bodies.items():
            self.part(name, body)

    def part(
        self, name: str, body: Callable[[], Awaitable[None]], finish: Callable[[], None] | None = None
    ) -> None:
        """Run one more part beside the others; ``finish`` asks it to end by itself when all stops."""
        if finish is not None:
            self._finishing[name] = finish
        self._tasks[name] = asyncio.create_task(keep_running(name, body, self.health), name=name)

    def follow(
        self, directory: FollowedDirectory, count: Callable[[str, int, int, Sequence[Rejected]], None]
    ) -> None:
        """Take what comes into a directory, once started; it waits for the clock when nothing is new."""
        follower = Follower(
            directory,
            self.journal,
            self.entrance,
            self.clock,
            self.health,
            folded=self.shard_loop.reached,
            count=count,
        )
        self.expect(1)
        self.part(f"directory {directory.name}", follower.run)

    async def start(self) -> None:
        """Restore, and take events once the ids of the journal's tail are known."""
        heard, folded = self.entrance.heard, self.shard_loop.reached
        ticker = Ticker(
            self.journal, self.clock, heard, folded, self.health, self._unrecorded, self._plan_due
        )
        self.part("shard", self.shard_loop.run)
        self.part("aggregate", self.aggregate.run)
        self.part("desk", self.desk_loop.run)
        self.part("ticker", ticker.run)
        self.part("housekeeping", self._keep_house)
        self.part("beat", self._beat)
        await self.entrance.open(self.thread)
        self._watchdog = Watchdog(self.progress, lambda: self.beat_s)
        self._watchdog.start()

    async def stop(self) -> None:
        """Take nothing more, let parts finish, write the shard's state, end every part."""
        self.entrance.close()
        for finish in self._finishing.values():
            finish()
        if self._watchdog is not None:
            self._watchdog.stop()
        shard = self._tasks.pop("shard", None)
        await self.shard_loop.stop()
        if shard is not None:
            await asyncio.wait([shard], timeout=limits.DRAIN_S)
        await self.aggregate.save()
        if finishing := [self._tasks[name] for name in self._finishing]:
            await asyncio.wait(finishing, timeout=limits.FINISH_S)
        for task in [*self._tasks.values(), *([shard] if shard else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self.shard_loop.close()

    def expect(self, more: int) -> None:
        """Count on so many more parts that wait for the clock."""
        self.on_clock += more

    async def settled(self) -> None:
        """On a manual clock: return once all that has come in is folded and told, and everybody waits."""
        assert isinstance(self.clock, ManualClock)
        while not self.caught_up or self.clock.waiting < self.on_clock:
            await self.shard_loop.reached(self.journal.last.position)
            await self.clock.all_wait(self.on_clock)

    @property
    def caught_up(self) -> bool:
        """Whether every record is folded, the last tick's among them."""
        return self.shard_loop.shard is not None and self.shard_loop.position >= self.journal.last.position

    def progress(self) -> tuple[object, bool]:
        """For the watchdog: how far the shard is, and whether records wait and no failure is known."""
        waiting = not self.caught_up and "shard" not in self.health.problems
        return (self.shard_loop.position, self.shard_loop.shard is None), waiting

    def _plan_due(self) -> str:
        shard = self.shard_loop.shard
        return self.plans.due(shard) if isinstance(shard, Shard) else ""

    def _grown(self, _position: int, took_s: float) -> None:
        self._timings.commit(took_s)
        self._loop.call_soon_threadsafe(self.shard_loop.wake)

    def _paced(self) -> bool:
        """Whether who sends is held to what the shard folds; see ``Backlog``."""
        failing = {"shard", "store"} & self.health.problems.keys()
        return self.shard_loop.position >= self._found and not failing

    def _stepped(self, outputs: Outputs) -> None:
        self.entrance.backlog.folded(self.shard_loop.position)
        self.late_dropped.update(outputs.late)
        if outputs.transitions:
            self.desk_loop.wake()
        if outputs.parts:
            self.aggregate.wake()
        for told in self.outputs_told:
            told(outputs)

    def _refused(self, source: str, rejected: Sequence[Rejected]) -> None:
        for told in self.refusals_told:
            told(source, rejected)

    def _decided(self) -> None:
        for told in self.intents_told:
            told()

    async def _unrecorded(self, told: Iterable[Transition | Intent]) -> int:
        return await self.tell_unrecorded(told) if self.tell_unrecorded is not None else 0

    async def _beat(self) -> None:
        while True:
            self.beat_s = time.monotonic()
            await asyncio.sleep(1.0)

    async def _keep_house(self) -> None:
        """Delete from the store what is past its retention, a little at a time."""
        while True:
            gone = await self.thread.run(self.store.prune, self.clock.now_ms())
            await asyncio.sleep(0.1 if gone else limits.PRUNE_PAUSE_S)


@asynccontextmanager
async def opened(data: Path, clock: Clock, journal_limits: JournalLimits) -> AsyncIterator[Files]:
    """Open the journal and the store in ``data``, for this process alone; close them at the end.

    Raises:
        MonitorError: The folder is in use.
    """
    health = Health()
    async with AsyncExitStack() as stack:
        stack.enter_context(owned(data))
        thread = StoreThread("store", health)
        stack.callback(thread.close)
        store = await thread.run(SqliteStore, data / "store.db")
        stack.push_async_callback(thread.run, store.close)
        synced = not isinstance(clock, ManualClock)
        journal = Journal(data / "journal.db", clock.now_ms, limits=journal_limits, synced=synced)
        stack.callback(journal.close)
        yield Files(journal, store, thread, health)


@contextmanager
def owned(data: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the folder for this process, or with others that share it; the lock ends with the process."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)  # customers' ids rest in it in clear
        held = (data / "lock").open("w")
    except OSError as error:
        mend = "make it writable, or name another folder as `data`"
        raise MonitorError(f"{data}: {error.strerror}", mend=mend, code="unwritable") from error
    with held as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MonitorError(
                f"{data}: another slawatch runs on this folder",
                mend="stop it, or name another folder",
                code="in_use",
            ) from error
        yield
