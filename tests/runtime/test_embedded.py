"""All parts side by side on a manual clock: from a batch to an intent in the store."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from alerting.policy.records import Ack
from alerting.policy.rulings import Policy, Receiver
from monitor.engine.events import Event
from monitor.errors import MonitorError
from monitor.runtime.clock import ManualClock
from monitor.runtime.embedded import Embedded, opened, owned
from monitor.store.journal import JournalLimits
from monitor.web.ports import EntranceClosedError
from tests.runtime.standin import StandIn

START_MS = 1_770_000_000_000
POLICY = Policy({"boss": Receiver("boss", ("bot",), group_wait_ms=0)}, default="boss")


def events(first, last, shop="s1"):
    return [
        Event(type="message", id=str(n), at=START_MS, platform="pdd", shop_id=shop)
        for n in range(first, last)
    ]


@asynccontextmanager
async def running(folder, clock=None):
    clock = clock or ManualClock(START_MS)
    async with opened(folder, clock, JournalLimits(free_disk_min=0)) as files:
        it = Embedded(files, StandIn, POLICY, clock, dead_letters=None)
        try:
            await it.start()
            yield it
        finally:
            await it.stop()


async def second(it):
    it.clock.move_to(it.clock.now_ms() // 1000 * 1000 + 1000)
    await it.settled()


async def due(it):
    found = await it.thread.run(it.store.due, "bot", it.clock.now_ms(), 100)
    return [queued.intent.alert for queued in found]


def test_a_transition_becomes_an_intent_without_the_clock_moving(tmp_path):
    async def scene():
        told = []
        async with running(tmp_path) as it:
            it.intents_told.append(lambda: told.append(1))
            await it.settled()
            await it.entrance.accept("erp", events(0, 10), START_MS)
            await it.settled()
            assert await due(it) == ["every-10|shop=pdd:s1"]
            assert told
            assert it.health.problems == {}
            assert it.caught_up

    asyncio.run(scene())


def test_a_second_of_the_clock_is_a_tick_folded(tmp_path):
    async def scene():
        async with running(tmp_path) as it:
            await it.settled()
            for _ in range(20):
                await second(it)
            assert len(it.shard_loop.shard.ticks) == 20
            assert it.shard_loop.shard.clock_ms == START_MS + 20_000

    asyncio.run(scene())


def test_an_intent_is_made_once_however_often_the_process_starts(tmp_path):
    async def scene():
        clock = ManualClock(START_MS)
        for turn in range(3):
            async with running(tmp_path, clock) as it:
                await it.entrance.accept("erp", events(0, 10 * turn + 10), START_MS)
                await second(it)
        async with running(tmp_path, clock) as it:
            await it.settled()
            assert sorted(await due(it)) == [f"every-{n}|shop=pdd:s1" for n in (10, 20, 30)]

    asyncio.run(scene())


def test_what_somebody_does_is_folded_by_the_desk(tmp_path):
    async def scene():
        async with running(tmp_path) as it:
            await it.entrance.accept("erp", events(0, 10), START_MS)
            await it.settled()
            await it.desk_loop.hear(Ack(START_MS, "every-10|shop=pdd:s1", "li"))
            await it.settled()
            assert it.desk_loop.desk.books.alerts["every-10|shop=pdd:s1"].acked_by == "li"
            assert await due(it) == []

    asyncio.run(scene())


def test_a_folder_serves_one_process(tmp_path):
    async def scene():
        async with running(tmp_path):
            with pytest.raises(MonitorError, match="another slawatch runs on this folder; stop it"):
                async with running(tmp_path):
                    pass
        async with running(tmp_path) as again:
            await again.settled()

    asyncio.run(scene())


def test_a_folder_may_be_shared_among_those_who_say_so(tmp_path):
    refused = pytest.raises(MonitorError, match="another slawatch runs on this folder")
    with owned(tmp_path, shared=True), owned(tmp_path, shared=True), refused, owned(tmp_path):
        pass
    with owned(tmp_path), refused, owned(tmp_path, shared=True):
        pass


def test_when_it_stops_nothing_more_is_taken(tmp_path):
    async def scene():
        async with running(tmp_path) as it:
            await it.entrance.accept("erp", events(0, 1), START_MS)
        with pytest.raises(EntranceClosedError, match="stopping"):
            await it.entrance.accept("erp", events(1, 2), START_MS)

    asyncio.run(scene())
