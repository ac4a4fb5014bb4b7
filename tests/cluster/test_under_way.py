"""What changes or ends under a worker that runs: its clock's producer, the number of partitions."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import faust
import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from alerting.errors import Fenced, StoreBusy
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster import ticks
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.topic_watch import UNFIT
from monitor.runtime.cluster.topics import see
from monitor.runtime.watchdog import Watchdog
from monitor.store.sqlite import SqliteStore
from tests.cluster.inside import caught_up, make_topic, send, settings_of, working
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.live


def test_a_producer_that_ended_is_followed_by_another(settings, tmp_path, monkeypatch):
    """One whose own task failed takes no tick ever again: every shard stood still until somebody came."""
    made = []

    class Producer(ticks.AIOKafkaProducer):
        def __init__(self, **options):
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(ticks, "AIOKafkaProducer", Producer)

    def fails(*_, **__):
        raise ValueError("broken")

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            made[0]._message_accumulator.drain_by_nodes = fails
            await until(lambda: len(made) > 1, what="another producer")
            before = {p: held.arrival_ms for p, held in it.owner.held.items()}
            await until(
                lambda: all(it.owner.held[p].arrival_ms > ms for p, ms in before.items()), what="ticks"
            )
            await until(lambda: it.parts.health.problems == {}, what="nothing more to tell")

    asyncio.run(scene())


def test_what_nobody_foresaw_of_one_shards_tick_is_told_and_the_others_tick_on(
    settings, tmp_path, monkeypatch
):
    whole, made = threading.Event(), ticks.tick_of
    broken: list = []

    def tick_of(tick):
        if tick.epoch in broken and not whole.is_set():
            raise TypeError("no such tick")
        return made(tick)

    monkeypatch.setattr(ticks, "tick_of", tick_of)

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            held = it.owner.held
            held[0]._epoch += 1  # so that it is known from the others'
            broken.append(held[0].epoch)
            said = "shard 0: no tick is taken, so nothing is judged there (TypeError); see the log"
            await until(lambda: it.parts.health.problems.get("ticks", "").endswith(said))
            before = {p: held[p].arrival_ms for p in (1, 2)}
            await until(
                lambda: all(held[p].arrival_ms > ms + 3_000 for p, ms in before.items()), what="ticks"
            )
            whole.set()
            await until(lambda: "ticks" not in it.parts.health.problems, what="well again")

    asyncio.run(scene())


def test_a_worker_is_watched_before_its_group_meets(settings, tmp_path, monkeypatch):
    """Or one whose group never meets would be ended by nobody."""
    began = []

    async def start(_app):
        began.append("group")
        raise RuntimeError("enough")

    watch = Watchdog.start
    monkeypatch.setattr(Watchdog, "start", lambda it: (began.append("watchdog"), watch(it)))
    monkeypatch.setattr(faust.App, "start", start)

    async def scene():
        with pytest.raises(RuntimeError, match="enough"):
            async with working(settings, tmp_path):
                pass

    asyncio.run(scene())
    assert began == ["watchdog", "group"]


def test_a_worker_whose_fetches_ended_ends_for_its_supervisor(settings, tmp_path):
    """Its members go on to be heard of, so that nobody took over, and what was written last was read."""

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            thread = it.consumer._thread
            thread.thread_loop.call_soon_threadsafe(thread._consumer._fetcher._fetch_task.cancel)
            with pytest.raises(MonitorError, match="nothing is fetched any more"):
                await asyncio.wait_for(it.ended(), PATIENCE_S)
        await asyncio.to_thread(thread._thread.join, PATIENCE_S)  # Faust does not wait for it

    asyncio.run(scene())


def test_a_shard_lost_while_its_state_waits_for_a_step_holds_up_no_other_state(
    settings, tmp_path, monkeypatch
):
    """State is written shard by shard: who waited for a step that never came was waited for by all."""
    monkeypatch.setattr(limits, "CHECKPOINT_MS", 200)
    down, taken = threading.Event(), threading.Event()

    class Store(SqliteStore):
        def commit_step(self, shard, *step):
            if shard == 0 and taken.is_set():
                taken.clear()
                raise Fenced("taken over")
            if shard == 0 and down.is_set():
                raise StoreBusy("no answer")
            return super().commit_step(shard, *step)

    async def scene():
        async with working(settings, tmp_path, make_store=Store) as it:
            await until(lambda: caught_up(it))
            first, other = it.owner.held[0], it.owner.held[1]
            down.set()
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: it.parts.clock.now_ms() - other.checkpoint_ms > 1_000, what="all held up")
            taken.set()
            await until(lambda: first.dropped, what="the shard lost")
            down.clear()
            before_ms = other.checkpoint_ms
            await until(lambda: other.checkpoint_ms > before_ms, what="the other's state")
            held = it.owner.held
            await until(lambda: 0 in held and held[0].checkpoint_ms > before_ms, what="its own, taken again")

    asyncio.run(scene())


def test_brokers_that_take_no_tick_are_named_with_the_mend(own_kafka, topic_name, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "TICK_TIMEOUT_MS", 1_000)
    settings = settings_of(own_kafka, topic_name)
    make_topic(settings)

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            own_kafka.kill()
            said = (
                f"kafka: {own_kafka.bootstrap}: shard 0, 1, 2: no tick is taken, so nothing is judged there ("
            )
            await until(lambda: said in it.parts.health.problems.get("ticks", ""))
            assert it.parts.health.problems["ticks"].endswith(
                "); see that the brokers run, and `slawatch topics check`"
            )
            await asyncio.to_thread(own_kafka.start)
            await until(lambda: it.parts.health.problems == {}, what="nothing more to tell")

    asyncio.run(scene())


def test_partitions_that_were_added_are_told(settings, tmp_path):
    """Shops whose keys hash to them would be judged twice, from two halves of their events."""

    async def scene():
        async with working(settings, tmp_path) as it:
            await it._topic_watch.look()
            assert it.parts.health.notices == {}
            admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
            admin.create_partitions({settings.topic: 6})
            admin.close()
            await until(lambda: see(link_of(settings, Path()), settings).wrong, what="six to be seen")
            await it._topic_watch.look()
            said = it.parts.health.notices["partitions"]
            assert "6 partitions, the configuration says 3" in said.en
            assert "从头计数" in said.zh

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"message.timestamp.type": "CreateTime"}, "records carry their senders' time"),
        ({"cleanup.policy": "compact"}, "compacted"),
        ({"min.insync.replicas": "2"}, "and is on 1: so it takes none"),
    ],
)
def test_a_topic_that_is_configured_to_give_wrong_figures_or_none_is_told_until_it_is_mended(
    settings, tmp_path, config, says
):
    """A worker would not start on it; those that run fold what it gives."""

    def configure(**configs):
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, configs)])
        admin.close()

    def unfit():
        return see(link_of(settings, Path()), settings).unfit

    async def scene():
        async with working(settings, tmp_path) as it:
            configure(**config)
            await until(unfit, what="that it is seen")
            await it._topic_watch.look()
            (said,) = [one for one in it.parts.health.told if says in one.en]
            assert "`slawatch topics create` sets it" in said.en
            assert said.zh == f"主题的配置不可用：{said.en}"
            make_topic(settings)
            await until(lambda: not unfit(), what="that it is mended")
            await it._topic_watch.look()
            assert UNFIT not in it.parts.health.problems

    asyncio.run(scene())
