"""What a cluster knows of itself: who judges what, how far behind, and that it cannot write."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from types import SimpleNamespace

import pytest
from kafka import KafkaProducer

from alerting.errors import StoreBusy, StoreFull
from alerting.policy.records import Cursor, alert_key
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.cluster.answers import PART, answered
from monitor.runtime.cluster.desk import LeadingDesk
from monitor.runtime.cluster.escape import Escape
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.roll import KEY, SUBJECT, Call, Caller, Roll, unjudged
from monitor.runtime.cluster.status import WorkerGauges, WorkerStatus
from monitor.runtime.cluster.worker import Worker
from monitor.runtime.health import Health
from monitor.runtime.watchdog import STUCK_STATUS
from monitor.runtime.worker_thread import StoreThread
from monitor.settings_cluster import KafkaSettings
from monitor.sinks.metrics import Metrics
from monitor.store.sqlite import SqliteStore
from tests.cluster.inside import caught_up, folded, make_topic, send, settings_of, working
from tests.cluster.workers import begin, message
from tests.waiting import PATIENCE_S, eventually, until

NOW_MS = 1_794_362_400_000


def test_what_nobody_judges_is_what_no_fresh_call_names():
    calls = [
        Call(NOW_MS, [0, 1]),
        Call(NOW_MS - limits.CALLED_MS + 1, [3]),
        Call(NOW_MS - limits.CALLED_MS, [2]),
    ]
    assert unjudged(calls, 5, NOW_MS) == [2, 4]


def test_the_escape_says_once_that_nothing_is_stored_and_once_that_it_is_again():
    told, clock, health = [], ManualClock(NOW_MS), Health()
    takes = [0, 1, 1, 1, 1, 1]  # nobody takes the first one

    async def tell(alerts):
        told.extend(alert.rule for alert in alerts)
        return takes.pop(0)

    async def scene():
        escape = Escape(tell, clock, health, "w1")

        async def seconds(count):
            for _ in range(count):
                clock.move_to(clock.now_ms() + 1_000)
                await escape.look()

        health.failed("store", "down")
        await seconds(4)
        health.well("store")
        await seconds(3)
        assert told == [], "a moment is nothing to tell of"
        health.failed("database", "down")
        await seconds(60)
        assert told == ["slawatch-store"] * 2, "again where nobody took it, then never"
        health.well("database")
        await seconds(60)
        assert told[2:] == ["slawatch-store-back"]
        health.failed("store", "down")
        await seconds(60)
        assert told[3:] == ["slawatch-store"], "another outage"
        health.well("store")
        await seconds(1)
        health.failed("database call", "full")
        await seconds(60)
        assert told[5:] == ["slawatch-store"], "who calls in writes to the store as well"

    asyncio.run(scene())


def test_a_call_that_is_not_written_is_said_until_one_is_whatever_else_of_the_database_is_well(tmp_path):
    class Full(SqliteStore):
        full = True

        def put_meta(self, *row):
            if self.full:
                raise StoreFull("the database's disk is full")
            super().put_meta(*row)

    async def scene():
        health = Health()
        thread = StoreThread("store", health)
        store = await thread.run(Full, tmp_path / "store.db")
        status = SimpleNamespace(status=lambda: SimpleNamespace(problems=()), judged=lambda: [0])
        caller = Caller(status, "w-1", "g", "w-1-a", store, thread, ManualClock(NOW_MS))
        await caller.call()
        health.well("database")  # as ticks say each second, which read it and have nothing to write
        assert list(health.problems.values()) == ["the database's disk is full"]
        store.full = False
        await caller.call()
        assert health.problems == {}
        await thread.run(store.close)
        thread.close()

    asyncio.run(scene())


def test_a_database_that_hangs_is_said_while_it_is_waited_for(tmp_path, monkeypatch):
    class Slow(SqliteStore):
        answers = threading.Event()

        def put_meta(self, *row):
            assert self.answers.wait(PATIENCE_S)
            super().put_meta(*row)

    async def scene():
        health = Health()
        thread = StoreThread("store", health)
        store = await thread.run(Slow, tmp_path / "store.db")
        status = SimpleNamespace(status=lambda: SimpleNamespace(problems=()), judged=lambda: [0])
        caller = Caller(status, "w-1", "g", "w-1-a", store, thread, ManualClock(NOW_MS))
        store.answers.set()
        await caller.call()
        assert health.failures == {}
        store.answers.clear()
        monkeypatch.setattr(limits, "ANSWER_S", 0.05)
        call = asyncio.create_task(caller.call())
        await until(lambda: "has not answered" in health.problems.get(PART, ""), what="that it is said")
        store.answers.set()
        await call
        assert health.problems == {}
        await thread.run(store.close)
        thread.close()

    asyncio.run(scene())


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("why", [StoreBusy, StoreFull])
def test_a_desk_says_it_as_well_be_it_leading_or_not_and_why_where_that_is_known(
    tmp_path, monkeypatch, leads, why
):
    """It goes on leading while the store takes nothing: nobody else can."""

    class Slow(SqliteStore):
        answers, refused = threading.Event(), False

        def lead_desk(self, *_):
            assert self.answers.wait(PATIENCE_S)
            if self.refused:
                raise why("nobody listens there")
            return leads

    async def scene():
        health = Health()
        thread = StoreThread("store", health)
        store = await thread.run(Slow, tmp_path / "store.db")
        loop = SimpleNamespace(run=asyncio.Event().wait, read=lambda: None, desk=None)
        desk = asyncio.create_task(LeadingDesk(loop, store, thread, ManualClock(NOW_MS), "d-1").run())

        def said():
            return health.problems.get(PART, "")

        await until(lambda: "has not answered" in said(), what="that it is said")
        store.answers.set()
        await until(lambda: not health.problems, what="that it is well")
        store.refused = True
        await until(lambda: said() == "nobody listens there", what="why")
        assert not desk.done()
        store.refused = False
        await until(lambda: not health.problems, what="that it is well again")
        desk.cancel()
        await asyncio.gather(desk, return_exceptions=True)
        await thread.run(store.close)
        thread.close()

    monkeypatch.setattr(limits, "ANSWER_S", 0.05)
    monkeypatch.setattr(limits, "DESK_RENEW_S", 0.01)
    asyncio.run(scene())


def test_why_nothing_comes_is_not_hidden_by_that_nothing_comes(monkeypatch):
    async def question():
        for _ in range(10):
            await asyncio.sleep(0)

    async def scene():
        health = Health()
        await answered(question(), health)
        assert "has not answered" in health.problems[PART]
        health.failed(PART, "nobody listens there")
        await answered(question(), health)
        assert health.problems[PART] == "nobody listens there"

    monkeypatch.setattr(limits, "ANSWER_S", 0)
    asyncio.run(scene())


def test_two_workers_of_one_name_each_say_so_until_one_is_gone_and_a_restart_is_none(tmp_path):
    async def scene():
        clock, opened = ManualClock(NOW_MS), []
        status = SimpleNamespace(status=lambda: SimpleNamespace(problems=()), judged=lambda: [0])

        async def caller(process):
            thread = StoreThread("store", Health())
            store = await thread.run(SqliteStore, tmp_path / "store.db")
            opened.append((thread, store))
            return Caller(status, "w-1", "g", process, store, thread, clock), thread.health

        async def call(*callers):
            for one, _ in callers:
                clock.move_to(clock.now_ms() + 1_500)
                await one.call()
            return [health.problems.get("instance", "").partition(":")[0] for _, health in callers]

        before = await caller("w-1-a")
        await call(before, before)
        first = await caller("w-1-b")  # the one before was killed
        assert await call(first, first) == ["", ""]
        second = await caller("w-1-c")
        await call(first, second)
        assert await call(first, second) == ["another worker is called w-1"] * 2
        for _ in range(12):
            (said,) = await call(second)
        assert not said, "the first is gone"
        for thread, store in opened:
            await thread.run(store.close)
            thread.close()

    asyncio.run(scene())


def test_two_groups_on_one_database_each_say_so_until_one_is_gone(tmp_path):
    """Each takes every shard from the other, and between two of these each calls itself well."""

    async def scene():
        clock, health = ManualClock(NOW_MS), [Health(), Health()]
        status = SimpleNamespace(status=lambda: SimpleNamespace(problems=()), judged=lambda: [0])
        thread = [StoreThread("store", one) for one in health]
        store = [await one.run(SqliteStore, tmp_path / "store.db") for one in thread]
        one = Caller(status, "w-0", "g", "w-0-a", store[0], thread[0], clock)
        other = Caller(status, "w-1", "other", "w-1-a", store[1], thread[1], clock)
        for caller in (one, one, other, one):
            await caller.call()
        said = [found.problems.get("group", "").partition(" are")[0] for found in health]
        assert said == ["workers of group other", "workers of group g"]
        clock.move_to(clock.now_ms() + limits.CALLED_MS)
        await one.call()
        assert not health[0].problems
        for n in range(2):
            await thread[n].run(store[n].close)
            thread[n].close()

    asyncio.run(scene())


def test_shards_that_nobody_judges_for_a_while_are_an_alert_until_all_are(tmp_path):
    async def scene():
        clock, health = ManualClock(NOW_MS), Health()
        thread = StoreThread("store", health)
        store = await thread.run(SqliteStore, tmp_path / "store.db")
        desk = SimpleNamespace(desk=None, wake=lambda: None)
        roll = Roll(desk, lambda: True, 2, store, thread, clock)

        async def call(**workers):
            clock.move_to(clock.now_ms() + 3_000)
            for name, shards in workers.items():
                row = f'{{"at_ms": {clock.now_ms()}, "shards": {shards}}}'.encode()
                await thread.run(store.put_meta, KEY + name, row)
            await roll.call()

        def stored():
            return [(t.rule, t.to_state, t.subject) for t in store.transitions_after(Cursor({}))]

        await call(a=[0], b=[1])
        for _ in range(14):  # b is gone; 15 s later that is known, 30 s later it is told
            await call(a=[0])
        assert await thread.run(stored) == []
        assert roll.missing == [1]
        await call(a=[0])
        assert await thread.run(stored) == [("slawatch-shards", "firing", SUBJECT)]
        known = {alert_key("slawatch-shards", SUBJECT): SimpleNamespace(over=False)}
        desk.desk = SimpleNamespace(books=SimpleNamespace(alerts=known))
        await call(a=[0])
        assert len(await thread.run(stored)) == 1, "once"
        await call(a=[0, 1])
        assert (await thread.run(stored))[1:] == [("slawatch-shards", "ok", SUBJECT)]
        roll = Roll(desk, lambda: True, 2, store, thread, ManualClock(NOW_MS - 3_600_000))
        await roll._tell("firing", [1], [], NOW_MS - 3_600_000)
        assert len(await thread.run(stored)) == 3, "told at once, though the clock was set back"
        await thread.run(store.close)
        thread.close()

    asyncio.run(scene())


@pytest.mark.live
def test_a_group_that_waits_for_one_that_is_gone_is_no_standstill(tmp_path):
    """A worker that ended over it, and began anew, would be one more to wait for, for ever."""
    settings = KafkaSettings(brokers="127.0.0.1:1", session_timeout=300_000)
    parts = SimpleNamespace(topic="t", health=Health())
    it = Worker(parts, link_of(settings, tmp_path), settings, tmp_path)
    it.owner.rebalance_began_s = time.monotonic() - 590.0
    assert not it.progress()[1]
    it.owner.rebalance_began_s -= 20.0
    assert it.progress()[1], "twice the session timeout"


def test_metrics_and_readyz_say_how_far_each_shard_is(kafka, topic_name, tmp_path):
    settings = settings_of(kafka, topic_name)
    make_topic(settings)

    async def scene():
        async with working(settings, tmp_path) as it:
            metrics, status = Metrics(), WorkerStatus(it)
            gauges = WorkerGauges(it, status, metrics)

            def value(name, **labels):
                return metrics.registry.get_sample_value(f"slawatch_{name}", labels)

            assert any("group: joining" in problem.en for problem in status.status().problems)
            await until(lambda: caught_up(it) and status.status().ready)
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: sum(folded(it).values()) == 300)
            await until(lambda: status.judged() == [0, 1, 2])

            def up() -> list[float]:
                gauges.set()
                return [value("shard_caught_up", shard=str(p)) for p in range(3)]

            await until(lambda: up() == [1, 1, 1])
            assert [value("shards", state=state) for state in ("held", "loading", "blind")] == [3, 0, 0]
            assert value("rebalances_total") >= 1
            assert value("rebalance_seconds") > 0
            held = it.owner.held[1]
            held.checkpoint_ms -= 90_000
            held.arrival_ms -= 60_000
            held.caught_up_ms = 0
            gauges.set()
            assert value("shards", state="blind") == 1
            assert value("shard_caught_up", shard="1") == 0
            assert value("shard_lag_seconds", shard="1") >= 60
            assert value("shard_checkpoint_age_seconds", shard="1") >= 90
            assert not status.status().ready
            assert any("shard 1: 6" in problem.en for problem in status.status().problems)
            assert status.judged() == [0, 2]

    asyncio.run(scene())


@pytest.mark.live
def test_what_cannot_be_stored_is_bounded_and_a_checkpoint_that_fails_grows_old(
    kafka, topic_name, tmp_path, monkeypatch
):
    monkeypatch.setattr(limits, "UNSTORED_BYTES_MAX", 60_000)
    monkeypatch.setattr(limits, "CHECKPOINT_MS", 200)
    settings, down = settings_of(kafka, topic_name, partitions=1), threading.Event()
    make_topic(settings)

    class Store(SqliteStore):
        def save_state(self, *args):
            if down.is_set():
                raise StoreBusy("the database does not answer")
            return super().save_state(*args)

    async def scene():
        async with working(settings, tmp_path, make_store=Store) as it:
            await until(lambda: caught_up(it, 1))
            down.set()
            for first in range(0, 3_000, 300):
                await asyncio.to_thread(send, settings, first, 300)
            await until(lambda: "it waits" in it.parts.health.problems.get("store", ""))
            stood = folded(it)[0]
            assert stood < 3_000, "about 60 kB of them"
            age_ms = it.parts.clock.now_ms() - it.owner.held[0].checkpoint_ms
            assert age_ms > 200, "none ended since"
            assert not it.progress()[1], "a new process would find the store as it is"
            down.clear()
            await until(lambda: folded(it)[0] == 3_000, what="all of them")
            await until(lambda: it.parts.health.problems == {})

    asyncio.run(scene())


@pytest.mark.live
def test_the_store_is_not_well_while_one_shard_cannot_write_whatever_others_store(
    kafka, topic_name, tmp_path, monkeypatch
):
    """Until it can, or goes to another worker."""
    monkeypatch.setattr(limits, "CHECKPOINT_MS", 200)
    settings = settings_of(kafka, topic_name, partitions=2)
    make_topic(settings)

    class Store(SqliteStore):
        def save_state(self, shard, *args):
            if shard == 0:
                raise StoreBusy("its rows are locked")
            return super().save_state(shard, *args)

    async def scene():
        async with working(settings, tmp_path, make_store=Store) as it:
            health, other = it.parts.health, it.owner.held
            await asyncio.to_thread(send, settings, 0, 100)
            await until(lambda: health.problems == {"store": "its rows are locked"}, what="that it is said")
            before_ms = other[1].checkpoint_ms
            await until(lambda: other[1].checkpoint_ms > before_ms, what="the other's state")
            await it.parts.thread.until_stored(lambda: None)
            assert health.problems == {"store": "its rows are locked"}
            it.owner.assigned(frozenset({1}))
            assert health.problems == {}

    asyncio.run(scene())


@pytest.mark.live
def test_a_database_that_is_full_holds_a_shard_up_and_nothing_is_lost_or_doubled(kafka, topic_name, tmp_path):
    """A step that tells of something waits; once there is room it is stored, and all after it."""
    settings, full = settings_of(kafka, topic_name, partitions=1), threading.Event()
    make_topic(settings)

    class Store(SqliteStore):
        def commit_step(self, *step):
            if full.is_set():
                raise StoreFull("the database's disk is full")
            return super().commit_step(*step)

    async def scene():
        async with working(settings, tmp_path, make_store=Store) as it:
            await until(lambda: caught_up(it, 1))
            full.set()
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: "full" in it.parts.health.problems.get("store", ""), what="that it is said")
            await asyncio.to_thread(send, settings, 300, 300)
            assert not it.progress()[1], "a new process would find the disk as full"
            assert await it.parts.thread.run(it.parts.store.transitions_after, Cursor({})) == []
            full.clear()
            await until(lambda: folded(it)[0] == 600 and it.parts.health.problems == {}, what="all of them")
            store = it.parts.store

            async def fired():
                found = await it.parts.thread.run(store.transitions_after, Cursor({}))
                return sorted(t.subject["shop"] for t in found if t.to_state == "firing")

            wanted = sorted(f"mall:s{n}" for n in range(12))
            async with asyncio.timeout(PATIENCE_S):
                while await fired() != wanted:  # noqa: ASYNC110 - another thread writes them
                    await asyncio.sleep(0.1)

    asyncio.run(scene())


@pytest.mark.live
@pytest.mark.slow
def test_a_worker_without_progress_ends_and_one_that_starts_goes_on(
    kafka, postgres_server, topic_name, tmp_path, monkeypatch
):
    """The real process: an event on which its shard never returns. Its supervisor sees the exit status."""

    def put(event):
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
        producer.send(topic_name, key=b"mall:s1", value=json.dumps(event).encode()).get(PATIENCE_S)
        producer.close()

    monkeypatch.setenv("TEST_STUCK_MS", "4000")
    (worker,) = begin(tmp_path, kafka.bootstrap, postgres_server.new_database(), topic_name, 1)
    with worker:
        worker.start()
        eventually(worker.ready, what="the worker ready")
        put(message("hang", time.time_ns() // 1_000_000, "s1", 1, "customer"))
        assert worker.process.wait(PATIENCE_S) == STUCK_STATUS
        assert "no progress" in (worker.folder / "log").read_text()
        monkeypatch.delenv("TEST_STUCK_MS")
        worker.start()
        eventually(worker.ready, what="the next one, past the place")
        assert worker.stop() == 0
