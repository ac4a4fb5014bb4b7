"""What is relied on in Faust, on a real broker: a new version of it is a run of this file, not a hope."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import faust
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from monitor.runtime.cluster.consumer import Batch
from monitor.runtime.cluster.records import read
from monitor.runtime.cluster.split import partition_of
from monitor.runtime.plan_book import PlanBook
from monitor.shard.shard import Shard
from monitor.store.sqlite import SqliteStore
from rules.rule import RuleSet
from tests.cluster.inside import (
    caught_up,
    folded,
    make_topic,
    plan,
    rebalanced,
    send,
    settings_of,
    working,
)
from tests.servers.kafka import PASSWORD, USER
from tests.waiting import PATIENCE_S, eventually, until

pytestmark = pytest.mark.live


def test_records_come_in_packed_batches_each_once_in_order_and_as_they_were_sent(settings, tmp_path):
    send(settings, 0, 3_000)
    batches = []

    async def scene():
        async with working(settings, tmp_path) as it:
            take = it.owner.take

            async def watch(batch):
                batches.append(batch)
                await take(batch)

            it.owner.take = watch
            await until(lambda: sum(folded(it).values()) == 3_000)
            await until(lambda: caught_up(it), what="ticks read back")

    asyncio.run(scene())
    for partition in range(3):
        offsets = [r.offset for b in batches if b.partition == partition for r in b.records]
        assert offsets == list(range(len(offsets))), "each once, in order"
    assert len(batches) < 60, "by the batch, not by the record"
    assert all(r.value[:1] == b"{" and r.timestamp > 1_700_000_000_000 for b in batches for r in b.records)


def test_while_a_step_of_one_shard_is_stored_the_others_go_on(settings, tmp_path):
    first, *others = sorted(range(12), key=lambda n: partition_of(f"mall:s{n}", 3))
    others = [n for n in others if partition_of(f"mall:s{n}", 3) > 0]

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            slow = it.owner.held[0]
            slow.ticking = True  # nothing else comes for it
            await until(lambda: slow.next > slow.tick_offset)
            fold, stored = slow.fold, asyncio.Event()

            async def fold_once_stored(records):
                await stored.wait()
                await fold(records)

            slow.fold = fold_once_stored
            for n in (first, *others):
                await asyncio.to_thread(send, settings, n, 1)
            await until(lambda: sum(folded(it).values()) == len(others))
            assert folded(it)[0] == 0
            stored.set()
            await until(lambda: folded(it)[0] == 1)
            assert (it.stale, it.parts.health.problems) == (0, {})

    asyncio.run(scene())


def test_what_was_fetched_for_a_shard_that_is_gone_is_not_for_the_one_after_it(settings, tmp_path):
    """It waits in Faust's hands while the next one is loaded, which may begin to read at any record."""

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            held, run = it.owner.held[0], it.consumer.run_of(0)
            it.consumer.hold_back(0)
            late = SimpleNamespace(offset=held.next + 10, timestamp=1, key=None, value=b"", headers=())
            await it.owner.take(Batch(0, run, [late]))
            await it.owner.held[0].feeding
            assert held.next <= late.offset

    asyncio.run(scene())


def test_kafkas_committed_offset_is_advice(settings, tmp_path):
    """aiokafka fetches there at once; what it hands over from there must not be folded."""
    send(settings, 0, 3_000)
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    ahead = {TopicPartition(settings.topic, p): OffsetAndMetadata(500, "", -1) for p in range(3)}

    def moved():
        with contextlib.suppress(CoordinatorNotAvailableError):  # of a broker that has just begun
            return admin.alter_group_offsets(settings.group, ahead)

    eventually(moved, what="offsets of the group")
    admin.close()

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: sum(folded(it).values()) == 3_000, what="every event, from the floor on")
            assert it.parts.health.problems == {}
        send(settings, 3_000, 300)
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            assert sum(folded(it).values()) == 300, "the state holds the others"

    asyncio.run(scene())


def test_a_commit_of_partitions_that_went_to_others_does_not_end_the_worker(settings, tmp_path):
    send(settings, 0, 300)

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            gone = next(iter(it.consumer.assignment()))._replace(partition=77)
            assert not await it.consumer._thread.commit({gone: 1})
            assert not it.app.crash_reason
            await asyncio.to_thread(send, settings, 300, 300)
            await until(lambda: sum(folded(it).values()) == 600)

    asyncio.run(scene())


def test_what_expired_before_it_was_folded_is_counted_and_the_rest_is_folded(settings, tmp_path):
    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: sum(folded(it).values()) == 300)
        await asyncio.to_thread(send, settings, 300, 300)
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.delete_records({TopicPartition(settings.topic, p): -1 for p in range(3)})
        admin.close()
        await asyncio.to_thread(send, settings, 600, 300)
        async with working(settings, tmp_path) as it:
            await until(lambda: sum(folded(it).values()) == 300, what="what is left")
            await until(lambda: caught_up(it))
            assert it.parts.health.problems == {}
            assert it.parts.health.failures == {"retention": 3}, "each shard says so"

    asyncio.run(scene())


def test_a_topic_made_anew_is_not_taken_for_the_old_one(settings, tmp_path):
    async def scene():
        await asyncio.to_thread(send, settings, 0, 300)
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
        admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
        admin.delete_topics([settings.topic])
        await asyncio.to_thread(eventually, lambda: settings.topic not in admin.list_topics())
        admin.close()
        await asyncio.to_thread(make_topic, settings)
        async with working(settings, tmp_path) as it:
            await until(lambda: len(it.parts.health.problems) == 3)
            assert all("was the topic made anew?" in what for what in it.parts.health.problems.values())
            assert it.owner.held == {}

    asyncio.run(scene())


def test_a_worker_that_comes_back_on_another_host_has_its_shards_again(settings, tmp_path, monkeypatch):
    named = settings.model_copy(update={"instance": "worker-1"})

    async def scene():
        for host in ("one", "two"):  # a container that is made anew
            monkeypatch.setattr(faust.Settings, "NODE_HOSTNAME", host)
            async with asyncio.timeout(PATIENCE_S), working(named, tmp_path) as it:
                await until(lambda it=it: caught_up(it))

    asyncio.run(scene())


def slow_until(gate):
    """A store that reads shard 1 only once the gate is open."""

    class Slow(SqliteStore):
        def load_state(self, shard):
            if shard == 1:
                assert gate.wait(PATIENCE_S)
            return super().load_state(shard)

    return Slow


def test_a_shard_that_loads_slowly_holds_up_no_other(settings, tmp_path):
    send(settings, 0, 300)
    slow = threading.Event()

    async def scene():
        async with working(settings, tmp_path, make_store=slow_until(slow)) as it:
            await until(lambda: 0 in it.owner.held and it.owner.held[0].caught_up_ms, what="shard 0 ticking")
            assert 1 not in it.owner.held
            slow.set()
            await until(lambda: caught_up(it))
            assert sum(folded(it).values()) == 300

    asyncio.run(scene())


def test_a_rebalance_while_shards_load_keeps_what_stays_and_takes_nothing_from_others(settings, tmp_path):
    send(settings, 0, 300)
    slow, taken = threading.Event(), []

    class Slow(slow_until(slow)):
        def take(self, shard):
            taken.append(shard)
            return super().take(shard)

    async def scene():
        async with working(settings, tmp_path, make_store=Slow) as it:
            await until(lambda: 0 in it.owner.held and 1 in taken, what="shard 1 loading, shard 2 behind it")
            await until(lambda: not it.progress()[1], what="that a long read is no standstill")
            it.consumer.generation += 2
            it.owner.revoked()
            it.owner.assigned(frozenset({0, 1}))  # as if another worker had joined
            slow.set()
            await until(lambda: caught_up(it, 2))
            assert it.owner.held.keys() == {0, 1}

    asyncio.run(scene())
    assert taken == [0, 1]


def test_a_shard_that_loads_is_not_read_through_a_rebalance_that_leaves_it_here(settings, tmp_path):
    send(settings, 0, 300)
    slow = threading.Event()

    async def scene():
        async with working(settings, tmp_path, make_store=slow_until(slow)) as it:
            await until(lambda: 0 in it.owner.held and it.owner.held[0].caught_up_ms, what="shard 0 ticking")
            look, read_of = it.consumer._is_sound, []

            async def watch(tp, records):
                read_of.append(tp.partition)
                return await look(tp, records)

            it.consumer._is_sound = watch
            await rebalanced(it)
            read_of.clear()
            await asyncio.to_thread(send, settings, 300, 300)
            await until(lambda: folded(it)[0] == count_of(settings, [0]), what="that shard 0 goes on")
            assert it.owner.held.keys() == {0}
            assert set(read_of) == {0}, "what is fetched of the others would be thrown away"
            slow.set()
            await until(lambda: caught_up(it))
            await until(lambda: sum(folded(it).values()) == 600)

    asyncio.run(scene())


def test_a_shard_that_cannot_be_loaded_is_tried_again_while_the_others_go_on(settings, tmp_path):
    send(settings, 0, 300)
    tries = []

    class Broken(SqliteStore):
        def load_state(self, shard):
            if shard == 1:
                tries.append(shard)
                if len(tries) < 3:
                    raise OSError("no such luck")
            return super().load_state(shard)

    async def scene():
        async with working(settings, tmp_path, make_store=Broken) as it:
            await until(lambda: it.parts.health.problems)
            assert it.parts.health.problems == {"shard 1": "shard 1: no such luck"}
            await until(lambda: caught_up(it) and not it.parts.health.problems)
            assert sum(folded(it).values()) == 300

    asyncio.run(scene())
    assert len(tries) == 3


def test_rules_put_in_force_anywhere_reach_every_shard_by_a_record_of_its_own_log(settings, tmp_path):
    """At that record each decides by them, and from then on, also when it is folded again elsewhere."""
    from tests.cluster.workers import log_of

    first = plan(tmp_path)
    rules = {**first.rules.rules, "again": replace(first.rules.rules["a-miss"], id="again")}

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            await asyncio.to_thread(send, settings, 0, 300)
            elsewhere = SqliteStore(tmp_path / "store.db")
            name = PlanBook().apply(elsewhere, replace(first, rules=RuleSet(rules)))
            elsewhere.close()
            held = it.owner.held
            await until(lambda: all(held[p].state.plan_name == name for p in range(3)), what="all shards")
            assert name.startswith("000002-")
            await until(lambda: not any(it.parts.plans.due(one.state) for one in held.values()))
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            assert {one.state.plan_name for one in it.owner.held.values()} == {name}
        return name

    name = asyncio.run(scene())
    for partition in range(3):
        records = read(log_of(settings.brokers, settings.topic, partition), settings.topic).records
        assert {record.plan for record in records} == {"", name}, "in each log"


def test_a_plan_that_cannot_be_read_stops_nothing(settings, tmp_path):
    """A newer version of slawatch wrote it: the one before goes on, and that is said."""

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            elsewhere = SqliteStore(tmp_path / "store.db")
            elsewhere.apply_plan("0123456789abcdef", b'{"=":"Plan","packs":{},"new":1}')
            elsewhere.close()
            await until(lambda: "plan" in it.parts.health.problems, what="that it is said")
            await asyncio.to_thread(send, settings, 0, 300)
            await until(lambda: sum(folded(it).values()) == 300)
            assert {one.state.plan_name[:7] for one in it.owner.held.values()} == {"000001-"}

    asyncio.run(scene())


def test_a_shard_that_breaks_is_fenced_and_the_others_go_on(settings, tmp_path):
    the_plan, broken = plan(tmp_path), threading.Event()
    broken.set()

    class Breaks(Shard):
        def step(self, records):
            if broken.is_set() and self.number == 2 and any(record.events for record in records):
                raise ArithmeticError("a defect")
            return super().step(records)

    async def scene():
        async with working(settings, tmp_path, make_shard=lambda p, _: Breaks(the_plan, p)) as it:
            await until(lambda: caught_up(it))
            await asyncio.to_thread(send, settings, 0, 600)
            await until(lambda: it.parts.health.problems)
            assert it.parts.health.problems == {"shard 2": "shard 2: a defect"}
            others = await asyncio.to_thread(count_of, settings, (0, 1))
            await until(lambda: sum(folded(it).get(p, 0) for p in (0, 1)) == others)
            broken.clear()
            await until(lambda: sum(folded(it).values()) == 600, what="the broken one, once mended")
            await until(lambda: it.parts.health.problems == {})

    asyncio.run(scene())


def count_of(settings, partitions):
    from tests.cluster.workers import log_of

    found = [log_of(settings.brokers, settings.topic, p) for p in partitions]
    return sum(not record.headers for records in found for record in records)


def test_what_is_bad_goes_to_the_dead_letters_once_and_stops_nothing(settings, tmp_path):
    elsewhere = b'{"type":"message","id":"y","at":1794362400000,"platform":"mall","shop_id":"s1",'
    elsewhere += b'"conversation_id":"c","customer_id":"u","actor":"customer","text":"private"}'
    bad = [
        (b"mall:s1", b'{"type": "mess'),
        (b"mall:s1", b"[1, 2"),
        (b"mall:s1", None),
        (b"mall:s1", b'{"type": "message", "id": "x"}'),
        (b"mall:s2", elsewhere),
    ]
    producer = KafkaProducer(bootstrap_servers=settings.brokers)
    for key, value in bad:
        producer.send(settings.topic, key=key, value=value)
    producer.send(settings.topic, value=b"{}", partition=0, headers=[("slawatch-tick", b"1")])
    producer.flush()
    producer.close()
    send(settings, 0, 30)

    async def scene():
        for _ in range(2):  # all is folded again, as the state of so few never moved the floor, and told once
            async with working(settings, tmp_path) as it:
                await until(lambda: caught_up(it))
                letters = it.letters.list()
                codes = sorted(letter.code for letter in letters)
                assert codes == ["bad_tick", "empty", "missing_field", "not_json", "unframed", "wrong_key"]
                assert all(b"private" not in letter.raw for letter in letters)

    asyncio.run(scene())


def test_a_step_that_hangs_is_seen_as_no_progress_and_a_store_that_is_down_is_not(settings, tmp_path):
    """What the watchdog asks each second: it ends the process when this stands for 60 s and work waits."""
    hangs, go_on = threading.Event(), threading.Event()

    class Hangs(SqliteStore):
        def commit_step(self, *step):
            hangs.set()
            assert go_on.wait(PATIENCE_S)
            return super().commit_step(*step)

    async def scene():
        async with working(settings, tmp_path, make_store=Hangs) as it:
            await until(lambda: caught_up(it))
            await until(lambda: not it.progress()[1], what="nothing waiting")
            await asyncio.to_thread(send, settings, 0, 300)
            await until(hangs.is_set, what="a step that tells of the first misses")
            await asyncio.to_thread(send, settings, 300, 300)
            await until(lambda: it.progress()[1], what="work waiting")
            stands = it.progress()
            it.parts.health.failed("store", "down")
            assert it.progress() == (stands[0], False), "a new process would find the store as it is"
            it.parts.health.well("store")
            go_on.set()
            await until(lambda: it.progress()[0] != stands[0], what="progress")
            await until(lambda: sum(folded(it).values()) == 600)

    asyncio.run(scene())


def test_no_web_server_of_fausts_own(settings, tmp_path):
    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: caught_up(it))
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", 6066)) != 0

    asyncio.run(scene())


@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-512"])
def test_over_tls_with_a_name(kafka, settings, tmp_path, mechanism):
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    rights = [(ResourceType.TOPIC, ACLOperation.READ), (ResourceType.TOPIC, ACLOperation.WRITE)]
    for kind, operation in [*rights, (ResourceType.GROUP, ACLOperation.READ)]:
        pattern = ResourcePattern(kind, settings.topic)
        admin.create_acls([ACL(f"User:{USER}", "*", operation, ACLPermissionType.ALLOW, pattern)])
    admin.close()
    send(settings, 0, 300)
    link = {"brokers": kafka.secure_bootstrap, "tls": True, "ca_file": kafka.authority}
    secured = settings_of(kafka, settings.topic, **link, sasl=mechanism, user=USER, password=PASSWORD)

    async def scene():
        async with working(secured, tmp_path) as it:
            await until(lambda: sum(folded(it).values()) == 300)
            await until(lambda: caught_up(it), what="ticks written and read back")

    asyncio.run(scene())
