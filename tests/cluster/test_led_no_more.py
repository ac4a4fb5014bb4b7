"""What a desk does not get from the store is its problem for as long as that lasts, and no longer."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from alerting.errors import StoreDown, StoreFull
from alerting.policy.records import Tick
from monitor.runtime import limits
from monitor.runtime.clock import SystemClock
from monitor.runtime.cluster.desk import LeadingDesk
from monitor.runtime.cluster.roll import Roll
from monitor.runtime.desk_loop import DeskLoop
from monitor.runtime.health import Health, keep_running
from monitor.runtime.worker_thread import StoreThread
from monitor.store.sqlite import SqliteStore
from tests.cluster.inside import nobody
from tests.runtime.test_embedded import POLICY
from tests.waiting import until


class Full(SqliteStore):
    """It has no room for what a desk decided, nor for a lease."""

    full = False

    def commit_desk(self, *args):
        if self.full:
            raise StoreFull("the disk is full")
        return super().commit_desk(*args)

    def lead_desk(self, owner, now_ms, until_ms):
        if self.full and owner == "d-1":
            raise StoreFull("the disk is full")
        return super().lead_desk(owner, now_ms, until_ms)


def test_a_desk_that_lost_the_lead_while_the_disk_was_full_is_well_once_there_is_room(tmp_path, monkeypatch):
    """The other one was sooner, as there was room again: this one was not ready for ever."""
    monkeypatch.setattr(limits, "DESK_LEASE_MS", 200)
    monkeypatch.setattr(limits, "DESK_RENEW_S", 0.02)

    async def scene():
        health, clock = Health(), SystemClock()
        thread = StoreThread("store", health)
        store = await thread.run(Full, tmp_path / "store.db")
        told = {"health": health, "on_intents": lambda: None, "tell_unrecorded": nobody, "owner": "d-1"}
        loop = DeskLoop(POLICY, store, thread, clock, **told)
        desk = LeadingDesk(loop, store, thread, clock, "d-1")
        running = asyncio.create_task(desk.run())
        await until(lambda: desk.leads and loop.idle.is_set())
        store.full = True
        await loop.hear(Tick(clock.now_ms()))
        await until(lambda: "store" in health.problems, what="that it is said")

        async def other_leads():
            now_ms = time.time_ns() // 1_000_000
            return await thread.run(store.lead_desk, "d-2", now_ms, now_ms + 60_000)

        while not await other_leads():  # noqa: ASYNC110 - the lease runs out by the clock
            await asyncio.sleep(0.02)
        store.full = False
        await until(lambda: not desk.leads, what="that the other one leads")
        await until(lambda: loop.desk is not None, what="that it follows")
        found = dict(health.problems)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await thread.run(store.close)
        thread.close()
        return found

    assert asyncio.run(scene()) == {}


def roll(store, thread):
    return Roll(SimpleNamespace(desk=None), lambda: True, 1, store, thread, SystemClock()).run


def house(store, thread):
    desk = LeadingDesk(None, store, thread, SystemClock(), "d-1")
    desk.leads = True
    return desk.keep_house


@pytest.mark.parametrize("part", [roll, house])
def test_a_leading_desk_is_well_as_soon_as_the_database_is_back(monkeypatch, part):
    """A part that asks it now and then was unwell for another minute, and asked nothing meanwhile."""
    monkeypatch.setattr(limits, "CALL_S", 0.01)
    monkeypatch.setattr(limits, "PRUNE_PAUSE_S", 0.01)
    called = []

    def asked(_):
        called.append(len(called))
        if len(called) == 2:
            raise StoreDown("nobody listens there")
        return {}

    async def scene():
        health = Health()
        thread = StoreThread("store", health)
        body = part(SimpleNamespace(metas=asked, prune=asked), thread)
        running = asyncio.create_task(keep_running("part", body, health))
        await until(lambda: len(called) > 2)
        found = dict(health.problems)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        thread.close()
        return found

    assert asyncio.run(scene()) == {}
