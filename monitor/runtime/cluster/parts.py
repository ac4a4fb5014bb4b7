"""What all shards of a worker share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.runtime.told import UNTIMED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.runtime.plan_book import PlanBook
    from monitor.runtime.ports import DeadLetters, Outputs
    from monitor.runtime.told import Timings
    from monitor.runtime.worker_thread import StoreThread
    from monitor.shard.shard import Shard
    from monitor.sources.found import Rejected
    from monitor.store.port import ShardStore
    from rules.transition import Transition


@dataclass(frozen=True, slots=True)
class Parts:
    """The stores, the clock, and who is told.

    ``state_store`` is a connection of its own, so that taking a shard over or writing state never holds up
    a step; each is used in its thread only.
    """

    worker: str  # a name of this process and no other
    topic: str
    make_shard: Callable[[int, str], Shard]  # partition, plan; called in ``state_thread``
    plans: PlanBook
    store: ShardStore
    thread: StoreThread
    state_store: ShardStore
    state_thread: StoreThread
    clock: Clock
    health: Health
    dead_letters: DeadLetters
    on_outputs: Callable[[Outputs], None]
    on_refusals: Callable[[str, Sequence[Rejected]], None]
    tell_unrecorded: Callable[[list[Transition]], Awaitable[object]]
    timings: Timings = UNTIMED
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # to fold: one step, then the rest of the loop
