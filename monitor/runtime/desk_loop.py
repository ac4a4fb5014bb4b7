"""The loop that folds transitions and what people did into intents, beside the shard and after it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from alerting.desk import Desk
from alerting.policy.records import Tick
from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alerting.policy.records import Cursor, Input, Intent
    from alerting.policy.rulings import Policy
    from alerting.ports import DeskStore
    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.runtime.worker_thread import StoreThread
    from rules.transition import Transition

PART = "desk"


class DeskLoop:
    """Drives the desk.

    Args:
        policy: Receivers, routes, groups.
        store: Opened in ``thread`` and called only there.
        thread: Where reads and commits wait for the disk.
        clock: When it is time for a desk tick.
        health: Told of a store that does not take what the desk decided.
        on_intents: Called when new or changed intents are durable.
        tell_unrecorded: Awaited with new intents each time the store has no room for them.
        owner: The desk's name where it is one of several, and leads.
    """

    def __init__(
        self,
        policy: Policy,
        store: DeskStore,
        thread: StoreThread,
        clock: Clock,
        *,
        health: Health,
        on_intents: Callable[[], None],
        tell_unrecorded: Callable[[list[Intent]], Awaitable[object]],
        owner: str = "",
    ) -> None:
        self.policy, self._store, self._thread = policy, store, thread
        self._clock, self._health, self._on_intents = clock, health, on_intents
        self._tell_unrecorded, self._owner = tell_unrecorded, owner
        self._wake = asyncio.Event()
        self._epoch = 0
        self.desk: Desk | None = None  # None until it is read from the store
        self.idle = asyncio.Event()  # set while all that was known at the last look is folded

    def use(self, policy: Policy) -> None:
        """Decide by another policy from the next fold on."""
        self.policy = policy
        self.wake()

    def wake(self) -> None:
        """Say that there are new transitions or inputs."""
        self.idle.clear()
        self._wake.set()

    async def hear(self, item: Input) -> None:
        """Make durable what somebody did; the desk folds it in its turn."""
        await self._thread.run(self._store.add_input, item)
        self.wake()

    def read(self) -> Desk:
        """The desk as it is stored, to be looked at only; called in the store's thread."""
        cursor = self._store.desk_cursor()  # before the rows: they are never older than it
        known = self.desk
        if known is not None and known.cursor == cursor and known.books.policy is self.policy:
            return known
        return Desk(self.policy, self._store.desk_rows(), cursor)

    async def run(self) -> None:
        """Read the desk from the store, then fold for ever."""

        def load() -> tuple[int, Desk]:
            epoch, cursor = self._store.take_desk(self._owner)
            return epoch, Desk(self.policy, self._store.desk_rows(), cursor)

        self._epoch, desk = await self._thread.run(load)
        self.desk = desk
        desk.use(self.policy)  # which may be another one than before the start
        tick_ms = self._clock.now_ms()
        while True:
            self._wake.clear()
            if desk.books.policy is not self.policy:
                desk.use(self.policy)
                tick_ms = self._clock.now_ms()
            items = await self._thread.run(self._news, desk.cursor)
            if items:
                changes = desk.fold(items)
                # the desk in memory is ahead of the store by this fold at most
                await self._thread.until_stored(
                    partial(self._store.commit_desk, self._epoch, changes, desk.cursor),
                    partial(self._tell_unrecorded, changes.intents),
                    by=self,
                )
                self._on_intents()
            elif self._clock.now_ms() >= tick_ms:
                await self.hear(Tick(at_ms=self._clock.now_ms()))
                tick_ms = self._clock.now_ms() + limits.DESK_TICK_MS
            else:
                self._health.well(PART)
                if not self._wake.is_set():
                    self.idle.set()
                await self._clock.wait(self._wake, tick_ms)

    def _news(self, cursor: Cursor) -> list[Transition | tuple[int, Input]]:
        """What is to be folded. A log's clock may be ahead of ours: what stands in it has happened by now."""
        now_ms = self._clock.now_ms()
        happened = (
            t if t.at_ms <= now_ms else msgspec.structs.replace(t, at_ms=now_ms)
            for t in self._store.transitions_after(cursor)
        )
        return [*happened, *self._store.inputs_after(cursor.inputs)]
