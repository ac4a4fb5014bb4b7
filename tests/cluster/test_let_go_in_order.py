"""What a worker has taken of a shard's state to be written is written, or is not passed over."""

from __future__ import annotations

import asyncio
import json
import threading
from functools import partial
from types import SimpleNamespace

from monitor.runtime import limits
from monitor.runtime.clock import SystemClock
from monitor.runtime.cluster.held import HeldShard
from monitor.runtime.cluster.owner import Owner
from monitor.runtime.cluster.parts import Parts
from monitor.runtime.cluster.worker import Worker
from monitor.runtime.health import Health
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.worker_thread import StoreThread
from monitor.store.sqlite import SqliteStore
from tests.cluster.inside import nobody, plan
from tests.waiting import until

NOW_MS = 1_795_000_000_000
SHOPS = 6


def question(n):
    shop = f"s{n % SHOPS}"
    event = {"type": "message", "id": f"e{n}", "at": NOW_MS + n, "platform": "mall", "shop_id": shop}
    event |= {"conversation_id": f"c{n}", "customer_id": f"u{n}", "actor": "customer"}
    value, key = json.dumps(event).encode(), f"mall:{shop}".encode()
    return SimpleNamespace(offset=n, timestamp=NOW_MS + n, key=key, value=value, headers=())


class Topic:
    """A partition of so many questions."""

    async def first_kept(self, partition):
        return 0

    async def end(self, partition):
        return 60


class Consumer:
    """As much of Faust's consumer as an owner needs."""

    generation = 0

    def hold_back(self, partition):
        pass

    async def read_from(self, partition, offset):
        return True


async def parts_in(folder):
    health = Health()
    thread, state_thread = StoreThread("store", health), StoreThread("state", health)
    store = await thread.run(SqliteStore, folder / "store.db")
    state_store = await state_thread.run(SqliteStore, folder / "store.db")
    plans = PlanBook()
    await thread.run(partial(plans.apply, store, plan(folder), first=True))
    told = {"on_outputs": lambda _: None, "on_refusals": lambda *_: None, "tell_unrecorded": nobody}
    return Parts(
        worker="inside",
        topic="events",
        make_shard=partial(plans.shard, state_store),
        plans=plans,
        store=store,
        thread=thread,
        state_store=state_store,
        state_thread=state_thread,
        clock=SystemClock(),
        health=health,
        dead_letters=None,
        **told,
    )


async def closed(parts):
    await parts.thread.run(parts.store.close)
    await parts.state_thread.run(parts.state_store.close)
    parts.thread.close()
    parts.state_thread.close()


def worker_of(owner):
    """A worker whose Faust is not started."""

    async def stop():
        pass

    it = Worker.__new__(Worker)
    it.owner, it._watchdog = owner, SimpleNamespace(stop=lambda: None)
    it.app = it._ends = SimpleNamespace(stop=stop)
    it._tasks = {"checkpoints": asyncio.create_task(owner.save())}
    return it


async def loaded(parts):
    refusals = SimpleNamespace(put=nobody)
    held = HeldShard(parts, 0, refusals)
    await held.load(Topic())
    return held


def test_a_slice_that_waits_for_its_thread_as_the_worker_stops_is_not_lost(tmp_path, monkeypatch):
    """The thread reads another shard's state: the slice was given up, and the floor went past it."""
    monkeypatch.setattr(limits, "SAVE_LOOK_S", 0.01)

    async def scene():
        parts = await parts_in(tmp_path)
        owner = Owner(parts, Consumer, Topic())
        held = owner.held[0] = await loaded(parts)
        await held.feed([question(n) for n in range(60)])
        gate = threading.Event()
        reads = asyncio.create_task(parts.state_thread.run(gate.wait))
        await asyncio.sleep(0.05)
        held.checkpoint_ms = 0  # one is due
        worker = worker_of(owner)
        await until(lambda: held.state.checkpoints.floor >= 0)  # its first slice is taken
        ended = asyncio.create_task(worker.stop())
        await asyncio.sleep(0.05)
        gate.set()
        await asyncio.gather(ended, reads)
        again = await loaded(parts)
        await again.feed([question(n) for n in range(again.next, 60)])
        found = sorted(again.state.engine.shops)
        await closed(parts)
        return found

    assert asyncio.run(scene()) == [f"mall:s{n}" for n in range(SHOPS)]


def test_a_shard_that_failed_and_went_to_another_worker_is_no_problem_of_this_one(tmp_path):
    async def scene():
        parts = await parts_in(tmp_path)
        owner = Owner(parts, Consumer, Topic())
        held = owner.held[0] = await loaded(parts)
        owner.assignment = frozenset({0})
        owner._fail(held, ValueError("a defect"))
        assert list(parts.health.problems) == ["shard 0"]
        owner.revoked()
        owner.assigned(frozenset())
        found = dict(parts.health.problems)
        await closed(parts)
        return found

    assert asyncio.run(scene()) == {}


def test_a_shard_that_is_read_and_waits_for_the_group_keeps_no_group_from_being_ended(tmp_path):
    """One that never meets again ends the process, which a large state that is being read must not."""

    async def scene():
        parts = await parts_in(tmp_path)
        owner = Owner(parts, Consumer, Topic())
        owner.assigned(frozenset({0}))
        owner.revoked()
        await asyncio.sleep(0)
        assert owner.loads
        await until(lambda: not owner.loads, within_s=5.0, what="that it is read")
        owner.assigned(frozenset({0}))
        await until(lambda: 0 in owner.held)
        await closed(parts)

    asyncio.run(scene())
