"""Bytes of the topic that broke on the broker's disk: one shard stands there and says so; others go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from structlog.testing import capture_logs

from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster import tools, unpack
from monitor.runtime.cluster.consumer import PackedConsumer
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.records import BROKEN
from monitor.runtime.cluster.status import WorkerStatus
from monitor.runtime.cluster.unpack import BareRecords, Unreadable
from tests.cluster.inside import caught_up, folded, make_topic, rebalanced, send, settings_of, working
from tests.waiting import eventually, until

pytestmark = pytest.mark.live
# Of a batch as Kafka stores it: where a field lies, and what is written there.
LENGTH, PAYLOAD, PLACE = (8, b"\0\0\0\4"), (70, b"!!!!"), (0, b"\0\0\0\0\0\1\0\0")


def batches(path):
    """First record, next record and place in the file of each batch of a segment."""
    data, place, found = path.read_bytes(), 0, []
    while place + 27 <= len(data):
        first = int.from_bytes(data[place : place + 8])
        found.append((first, first + 1 + int.from_bytes(data[place + 23 : place + 27]), place))
        place += 12 + int.from_bytes(data[place + 8 : place + 12])
    return found


def rot(kafka, topic, partition, number, field):
    """Write over a field of a partition's batch of that number, as a disk does; where it began and ended."""
    path = kafka.log_of(topic, partition)
    first, end, place = batches(path)[number]
    with path.open("r+b") as file:
        file.seek(place + field[0])
        file.write(field[1])
    return first, end


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(limits, "REREAD_S", 0.2)
    monkeypatch.setattr(limits, "LAG_TOLD_MS", 3_000)


@pytest.fixture
def topic(own_kafka, topic_name):
    settings = settings_of(own_kafka, topic_name)
    make_topic(settings)
    for n in range(5):
        send(settings, 100 * n, 100)
    return settings


@pytest.mark.usefixtures("quick")
def test_a_batch_that_cannot_be_read_stops_its_shard_until_it_is_passed_over(own_kafka, topic, tmp_path):
    """Another worker is no better off; what its shard has folded is stored, and goes on behind the batch."""
    whole = batches(own_kafka.log_of(topic.topic, 1))[-1][1]
    first, end = rot(own_kafka, topic.topic, 1, 2, PAYLOAD)

    async def scene():
        async with working(topic, tmp_path) as it:
            await until(lambda: "shard 1" in it.parts.health.problems, what="that it is said")
            said = it.parts.health.problems["shard 1"]
            why = f"cannot be read: the checksum of its batch, up to record {end - 1}, is wrong; see {BROKEN}"
            assert said == f"shard 1: record {first} of its partition {why}"
            await until(lambda: all(it.owner.held[p].caught_up_ms for p in (0, 2)), what="the others go on")
            assert folded(it)[1] == first
            assert not it.progress()[1], "a new process would find the same bytes"
        async with working(topic, tmp_path) as it:
            await until(lambda: "shard 1" in it.parts.health.problems, what="that the next one says it")
            assert folded(it)[1] == 0, "what came before is in the stored state"
            admin = KafkaAdminClient(bootstrap_servers=topic.brokers)
            admin.delete_records({TopicPartition(topic.topic, 1): end})
            admin.close()
            await until(lambda: caught_up(it) and not it.parts.health.problems, what="all shards well")
            assert folded(it)[1] == whole - end
            assert it.parts.health.failures["retention"] == 1, "what was passed over is told"

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_a_batch_behind_the_mark_of_a_real_transaction_is_told_and_what_is_behind_it_goes_on(
    own_kafka, topic, tmp_path
):
    producer = KafkaProducer(bootstrap_servers=topic.brokers, transactional_id="sender")
    producer.init_transactions()
    producer.begin_transaction()
    mark = producer.send(topic.topic, partition=1, value=b"{}").get(30).offset + 1
    producer.commit_transaction()
    producer.close()
    eventually(lambda: batches(own_kafka.log_of(topic.topic, 1))[-1][0] == mark, what="the mark")
    send(topic, 900, 100)
    first, end = rot(own_kafka, topic.topic, 1, -1, PAYLOAD)

    async def scene():
        async with working(topic, tmp_path) as it:
            await until(lambda: "shard 1" in it.parts.health.problems, what="that it is said")
            assert f"record {first} of its partition" in it.parts.health.problems["shard 1"]
            assert it.owner.held[1].next == mark == first - 1, "no record is passed over"
            admin = KafkaAdminClient(bootstrap_servers=topic.brokers)
            admin.delete_records({TopicPartition(topic.topic, 1): end})
            admin.close()
            await until(lambda: caught_up(it) and not it.parts.health.problems, what="all shards well")
            assert it.parts.health.failures["retention"] == 1, "what was passed over is told once"

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_a_shard_before_broken_bytes_stands_there_through_a_rebalance_that_leaves_it_here(
    own_kafka, topic, tmp_path
):
    """It is read once more, found as it was, and held again."""
    first, _ = rot(own_kafka, topic.topic, 1, 2, PAYLOAD)

    async def scene():
        async with working(topic, tmp_path) as it:
            await until(lambda: 1 in it.owner.unread, what="that it stands")
            held, said = dict(it.owner.held), it.parts.health.problems
            await rebalanced(it)
            await until(lambda: 1 in it.owner.unread, what="that it stands again")
            assert it.parts.health.problems == said
            assert it.owner.held == held, "nothing is loaded again"
            assert folded(it)[1] == held[1].next == first
            await rebalanced(it)
            await until(lambda: 1 in it.owner.unread)
            assert not it.progress()[1]

    asyncio.run(scene())


def test_bytes_without_a_meaning_are_what_ends_a_fetch():
    class Meaningless:
        def has_next(self):
            return True

        def next_batch(self):
            raise SystemError("Negative size passed to PyBytes_FromStringAndSize")

    tp = TopicPartition("events", 1)
    assert [*BareRecords(tp, Meaningless(), [], 50, None, None, check_crcs=True, isolation_level=0)] == [
        Unreadable(50, "Negative size passed to PyBytes_FromStringAndSize")
    ]


@pytest.mark.usefixtures("quick")
def test_what_has_the_wrong_place_or_is_not_given_is_told_and_the_others_go_on(own_kafka, topic, tmp_path):
    wrong, _ = rot(own_kafka, topic.topic, 1, 2, PLACE)
    first, _ = rot(own_kafka, topic.topic, 2, 2, LENGTH)
    said = {
        f"shard 1: record {wrong} of its partition cannot be read: it says to be record 65536; see {BROKEN}",
        f"shard 2: the broker gives nothing from record {first} of its partition on; see its log",
    }

    async def scene():
        async with working(topic, tmp_path) as it:
            status = WorkerStatus(it)
            await until(lambda: said <= {problem.en for problem in status.status().problems}, what="both")
            assert any("：broker 不返回分区第" in problem.zh for problem in status.status().problems)
            await until(lambda: it.owner.held[0].caught_up_ms, what="the other goes on")
            assert (folded(it)[1], folded(it)[2]) == (wrong, first)

    asyncio.run(scene())


def test_a_replay_names_the_record_and_the_page_and_reads_what_is_before_it(
    own_kafka, topic, tmp_path, monkeypatch
):
    """Also of the whole topic, where kafka-python forgets why nothing comes."""
    monkeypatch.setattr(tools, "POLL_MS", 2_000)
    first, _ = rot(own_kafka, topic.topic, 1, 2, PAYLOAD)
    wrong, _ = rot(own_kafka, topic.topic, 2, 2, PLACE)
    whole = batches(own_kafka.log_of(topic.topic, 0))[-1][1]

    def replayed(*span):
        link, asked = link_of(topic, tmp_path), tools.Span(*span)
        return [*tools.Topic(link, topic.topic, asked, pytest.fail, chosen=True).records()]

    def refused(*span):
        with pytest.raises(MonitorError) as raised:
            replayed(*span)
        assert BROKEN in raised.value.mend
        return raised.value

    for partition, place, why in ((1, first, "failed crc check"), (2, wrong, "says to be record 65536")):
        error = refused(partition)
        assert f"partition {partition} of {topic.topic}, from record {place} on: it cannot be read" in str(
            error
        )
        assert why in str(error)
        assert f"`--partition {partition} --offsets :{place}`" in error.mend
        assert len(replayed(partition, None, None, None, place)) == place
        with pytest.raises(MonitorError) as raised:
            list(
                tools.Topic(
                    link_of(topic, tmp_path), topic.topic, tools.Span(partition), pytest.fail
                ).records()
            )
        assert raised.value.mend == f"see {BROKEN}", "a desk's page has no such options"
    refused()
    assert len(replayed(0)) == whole


def test_a_replay_whose_first_record_is_broken_offers_what_is_behind_it(own_kafka, topic, tmp_path):
    """Before it nothing was asked for: that range would be empty."""
    first, end = rot(own_kafka, topic.topic, 1, 0, PAYLOAD)
    inner, _ = rot(own_kafka, topic.topic, 1, 2, PAYLOAD)

    def replayed(*span):
        link, asked = link_of(topic, tmp_path), tools.Span(*span)
        return [*tools.Topic(link, topic.topic, asked, pytest.fail, chosen=True).records()]

    assert first == 0
    for asked in (None, inner):
        with pytest.raises(MonitorError) as raised:
            replayed(1, None, None, asked)
        assert raised.value.mend.startswith(f"see {BROKEN}; nothing is before it; ")
        assert "`--partition 1 --offsets N:`" in raised.value.mend
    assert len(replayed(1, None, None, end, inner)) == inner - end


TP = TopicPartition("events", 1)


class Told(PackedConsumer):
    """A consumer of one partition without a broker: what it asks for and says."""

    def __init__(self, expected, end):
        self._expected, self._fetched_s, self._gaps, self._runs = {}, {}, Counter(), {}
        self.stale, self.said, self.end = 0, [], end
        self.transport = SimpleNamespace(
            holder=SimpleNamespace(unreadable=self.tell("unreadable"), missing=self.tell("missing"))
        )
        self._begin_run(TP, expected)

    def tell(self, what):
        return lambda *of: self.said.append((what, *of))

    def assignment(self):
        return {TP}

    def highwater(self, tp):
        return self.end

    def pause_partitions(self, tps):
        self.said.append(("paused", tps))

    async def seek_wait(self, offsets):
        self.said.append(("sought", offsets))


class Fetched:
    """A batch without records: a mark, one that is broken, or one with a header that is no text."""

    def __init__(self, next_offset, kind):
        self.next_offset, self._kind = next_offset, kind
        self.is_control_batch = kind == "mark"

    def validate_crc(self):
        return self._kind != "broken"

    def __iter__(self):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


def fetched(first, *batches):
    """What aiokafka makes of batches, each its next record and its kind."""
    made = [Fetched(end, kind) for end, kind in batches]
    log = SimpleNamespace(has_next=lambda: bool(made), next_batch=lambda: made.pop(0))
    return [*BareRecords(TP, log, [], first, None, None, check_crcs=True, isolation_level=0)]


def test_what_is_passed_over_before_broken_bytes_is_logged_once_and_again_after_ten_minutes(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(BareRecords, "_said", {})
    monkeypatch.setattr(unpack, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with capture_logs() as lines:
        for second in range(0, 1_000, 5):
            now_s[0] = float(second)
            for _ in range(4):
                bad = fetched(50, (60, "no text"), (70, "no text"), (80, "broken"))
                assert [one.offset for one in bad] == [70]
    said = [(one["event"], one["partition"], one["first"], one["end"]) for one in lines]
    assert said == [("records passed over", 1, 50, 60), ("records passed over", 1, 60, 70)] * 2


def records(first, end):
    return [SimpleNamespace(offset=n) for n in range(first, end)]


def test_a_broken_batch_behind_a_mark_is_told_each_time_it_is_read_and_passes_over_no_record():
    """The mark moves aiokafka on, so that its place is never the one expected."""

    async def scene():
        it = Told(50, 80)
        begun_s = it._fetched_s[TP]
        why = "the checksum of its batch, up to record 59, is wrong"
        told = [("sought", {TP: 50})] * 3 + [("paused", {TP}), ("unreadable", 1, Unreadable(51, why))]
        for _ in range(2):
            it.said.clear()
            for _ in range(4):
                assert not await it._is_sound(TP, fetched(50, (51, "mark"), (60, "broken")))
            assert it.said == told
            assert it._fetched_s[TP] == begun_s, "nothing came"
            it._begin_run(TP, 50)
            begun_s = it._fetched_s[TP]
        it.said.clear()
        assert [await it._is_sound(TP, records(60, 80)) for _ in range(4)] == [False] * 3 + [True]
        assert it.said[3:] == [("missing", 1, 50, 60)]
        assert it._expected[TP] == 80

    asyncio.run(scene())


def test_an_end_that_is_not_known_yet_calls_no_record_wrongly_placed():
    async def scene():
        it = Told(50, None)
        assert await it._is_sound(TP, records(50, 60))
        assert it.said == []

    asyncio.run(scene())
