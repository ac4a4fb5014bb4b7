"""Everything as the files say now: all of it put in force, or nothing changed and said so."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

from alerting.errors import AlertingError, StoreBusy, StoreFull
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.web.rules import Applied
from rules.pack import Text
from rules.problems import RulesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from monitor.configured import Configured
    from monitor.runtime.health import Health
    from monitor.runtime.names import Names
    from monitor.runtime.plan_book import PlanBook
    from monitor.runtime.worker_thread import WorkerThread
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
NOTICE = "rules"  # what a notice about the files is of
PART = "rules"  # of a process, that follows what is in force
Stamps = dict[str, tuple[int, int]]
OTHER = Text(
    "本机的规则文件与生效的不同；用 `slawatch rules apply` 使其生效",
    "rules: the files here are not those in force; `slawatch rules apply` puts them in force",
)


class Reload:
    """Puts in force what the files say.

    Args:
        read: Reads and checks every file; raises when one has a mistake.
        plans: Told of the new plan, and by way of the store every other process.
        names: Of messages and pages; take the new texts.
        store: Where plans are kept; called only in ``thread``.
        thread: Where that waits for the disk.
        health: Has a notice while the files are not those in force.
        prepare: Makes what else the files say, and gives back what puts it in force; raises as ``read`` does.
    """

    def __init__(
        self,
        read: Callable[[], Configured],
        plans: PlanBook,
        names: Names,
        store: ShardStore,
        thread: WorkerThread,
        health: Health,
        prepare: Callable[[Configured], Callable[[], object]] | None = None,
    ) -> None:
        self._read, self._plans, self._names, self._prepare = read, plans, names, prepare
        self._store, self._thread, self._health = store, thread, health
        self._one = asyncio.Lock()

    async def apply(self) -> Applied:
        """Read the files anew and put them in force, in one step for all shards.

        Raises:
            RulesError, MonitorError, AlertingError: With every mistake; nothing was changed.
        """
        async with self._one:
            before = self._plans.in_force
            try:
                files = await asyncio.to_thread(self._read)
                use = await asyncio.to_thread(self._prepare, files) if self._prepare else None
                name = await self._thread.run(self._plans.apply, self._store, files.plan)
            except (RulesError, MonitorError, AlertingError) as error:
                first, *more = str(error).splitlines()
                rest = f" (and {len(more)} more)" if more else ""
                zh = f"新规则有误，未采用，原规则继续生效：{first}"
                zh += f"（另有 {len(more)} 处）" if more else ""
                what = f"rules not taken, those in force stay: {first}{rest}"
                if self._health.notices.get(NOTICE) != Text(zh, what):  # the same is tried every second
                    log.warning("rules not taken", problems=1 + len(more), first=first)
                self._health.notices[NOTICE] = Text(zh, what)
                raise
            self._health.notices.pop(NOTICE, None)
            self._names.take(files.names)
            if use:
                use()
            return Applied(name, name != before, len(files.plan.rules.rules))

    async def try_apply(self) -> bool:
        """The same where nobody waits for the answer: what is wrong is a notice; False: with the store."""
        try:
            await self.apply()
        except (StoreBusy, StoreFull):
            return False
        except (RulesError, MonitorError, AlertingError):
            return True
        return True

    async def watch(self, places: Iterable[Path], applied: Stamps | None = None) -> None:
        """Apply whenever a file in one of the places has changed and stands still, for ever.

        Args:
            places: Files, and directories of them.
            applied: As they were when they were read last; None: as they are now.
        """
        places = list(places)
        seen = await asyncio.to_thread(stamps_of, places)
        applied = seen if applied is None else applied
        while True:
            await asyncio.sleep(limits.RULES_LOOK_S)
            now = await asyncio.to_thread(stamps_of, places)
            if now == seen and now != applied and await self.try_apply():  # nobody writes them any more
                applied = now
            seen = now

    async def say_other(self, plan: str) -> None:
        """Say that the files of the start, whose plan has this name, are not in force; until they are."""
        if self._plans.plan.name != plan:
            self._health.notices[NOTICE] = OTHER
        while self._health.notices.get(NOTICE) is OTHER:
            await asyncio.sleep(limits.RULES_LOOK_S)
            if self._plans.plan.name == plan:
                self._health.notices.pop(NOTICE, None)

    async def follow(self) -> None:
        """Take up what other processes put in force, for ever."""
        while True:
            before = self._plans.in_force
            try:
                now = await self._thread.run(self._plans.look, self._store)
            except (StoreBusy, StoreFull) as error:  # those known go on, until it answers
                self._health.failed(PART, f"{PART}: {error}")
            else:
                self._health.well(PART)
                if now != before:
                    self._names.use(self._plans.plan.packs, self._plans.plan.rules)
            await asyncio.sleep(limits.RULES_LOOK_S)


def on_hangup(reload: Reload) -> None:
    """Read the rules again at SIGHUP."""
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[bool]]()

    def begin() -> None:
        tasks.add(task := loop.create_task(reload.try_apply()))
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, begin)


def stamps_of(places: Iterable[Path]) -> Stamps:
    """When each file was changed last, and its size."""
    found = {}
    for place in places:
        for path in sorted(place.rglob("*.y*ml")) if place.is_dir() else [place]:
            try:
                stat = path.stat()
            except OSError:
                continue
            found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found
