"""Which shards have no clock is said, as long as they are ours."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from aiokafka.errors import LeaderNotAvailableError

from alerting.errors import StoreDown
from monitor.runtime.cluster.ticks import Ticks
from monitor.runtime.health import Health


class Shard:
    """As much of a held shard as a tick needs."""

    def __init__(self, partition):
        self.partition, self.epoch, self.state, self.dropped, self.tick_offset = partition, 1, None, False, 0


class Leaderless:
    """A producer of a topic of which some partitions have no leader."""

    def __init__(self, *partitions):
        self._without = partitions

    async def send_and_wait(self, topic, value, *, partition, headers):
        if partition in self._without:
            raise LeaderNotAvailableError
        return SimpleNamespace(offset=7)


def test_only_the_shards_without_a_tick_are_said_and_none_that_went_to_others():
    health = Health()
    parts = SimpleNamespace(
        health=health, plans=SimpleNamespace(due=lambda _: ""), worker="one", topic="events"
    )
    ticks = Ticks(parts, SimpleNamespace(held={}), SimpleNamespace(brokers=["a:1"]))
    shards = [Shard(n) for n in range(3)]

    async def scene():
        for shard in shards:
            await ticks._send(Leaderless(1, 2), shard, {})
        (said,) = health.told
        assert said.en.startswith(
            "kafka: a:1: shard 1, 2: no tick is taken, so nothing is judged there (Leader"
        )
        assert said.zh.startswith("kafka：a:1：分片 1, 2：写不进 tick，因此该处不作判断（Leader")
        shards[1].dropped = True
        await ticks._tick(None)
        assert "ticks" in health.problems, "one is still ours"
        shards[2].dropped = True
        await ticks._tick(None)
        assert health.problems == {}

    asyncio.run(scene())


def test_a_worker_without_a_shard_has_no_trouble_with_the_database(tmp_path):
    """Its last one went to another while the database was down: it was not ready for ever."""
    health, held = Health(), {0: Shard(0)}
    held[0].state, held[0].ticking, held[0].next = SimpleNamespace(sources={}), False, 1

    class Down:
        async def run(self, *_):
            raise StoreDown("nobody listens there")

    plans = SimpleNamespace(due=lambda _: "", look=None)
    parts = SimpleNamespace(
        health=health, plans=plans, worker="one", topic="events", thread=Down(), store=None
    )
    ticks = Ticks(parts, SimpleNamespace(held=held), SimpleNamespace(brokers=["a:1"]))

    async def scene():
        await ticks._tick(Leaderless())
        assert health.problems == {"database": "nobody listens there"}
        held.pop(0).dropped = True
        await ticks._tick(Leaderless())
        assert health.problems == {}

    asyncio.run(scene())


def test_a_producer_that_is_given_up_as_it_starts_is_closed(monkeypatch):
    """Of one that is not the log of a worker that is told to stop as it starts had an error."""
    starting, stopped = asyncio.Event(), []

    class Slow:
        def __init__(self, **_):
            pass

        async def start(self):
            starting.set()
            await asyncio.Event().wait()

        async def stop(self):
            stopped.append(self)

    monkeypatch.setattr("monitor.runtime.cluster.ticks.AIOKafkaProducer", Slow)
    link = SimpleNamespace(brokers=["a:1"], options=dict)
    ticks = Ticks(SimpleNamespace(clock=None), SimpleNamespace(held={}), link)

    async def scene():
        running = asyncio.create_task(ticks.run())
        await starting.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scene())
    assert len(stopped) == 1
