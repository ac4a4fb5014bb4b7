"""Senders of whatever make: what of theirs reaches the shards, and what is passed over without harm."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from kafka import KafkaProducer

from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.tools import Span, Topic
from tests.cluster.inside import caught_up, folded, working
from tests.cluster.workers import message
from tests.waiting import until

pytestmark = pytest.mark.live
CODECS = ("gzip", "lz4", "snappy", "zstd")
SHOP = b"mall:s1"


class NoText(str):
    """A header's name as a sender in C may write it."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return "渠道".encode("gbk")


def question(n: int) -> bytes:
    return json.dumps(message(f"e{n}", time.time_ns() // 1_000_000, "s1", n, "customer")).encode()


def send(settings, numbers, headers=(), **how) -> None:
    """Questions in one batch, each of another customer, into the first partition."""
    producer = KafkaProducer(bootstrap_servers=settings.brokers, linger_ms=200, **how)
    if "transactional_id" in how:
        producer.init_transactions()
        producer.begin_transaction()
    for n in numbers:
        producer.send(settings.topic, key=SHOP, value=question(n), partition=0, headers=list(headers))
    producer.flush(30)
    if "transactional_id" in how:
        producer.commit_transaction()
    producer.close()


def test_events_are_taken_however_they_are_compressed_and_in_transactions(settings, tmp_path, topic_name):
    """A client without a codec's library ends at such a batch: every worker, one after the other."""
    for place, codec in enumerate(CODECS):
        send(settings, range(100 * place, 100 * place + 100), compression_type=codec)
    send(settings, range(400, 500), transactional_id=topic_name)  # its mark takes the last place
    topic = Topic(link_of(settings, tmp_path), settings.topic, Span(0), lambda *_: None)
    assert sum(len(record.events) for record in topic.records()) == 500, "tools read them, to the end"

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: sum(folded(it).values()) == 500, what="every event")
            await until(lambda: caught_up(it))
            assert it.parts.health.problems == {}

    asyncio.run(scene())


def test_a_header_whose_name_is_no_text_ends_no_worker(settings, tmp_path):
    send(settings, range(100))
    send(settings, range(100, 110), headers=[(NoText("x"), b"1")])
    send(settings, range(110, 200))

    async def scene():
        async with working(settings, tmp_path) as it:
            await until(lambda: sum(folded(it).values()) == 190, what="what came before and after")
            await until(lambda: caught_up(it))
            assert it.app.crash_reason is None

    asyncio.run(scene())


@pytest.mark.parametrize(
    "tick",
    [
        {"plan": "²-x"},
        {"plan": "9" * 5_000 + "-0"},
        {"plan": "999999999999-0123456789abcdef"},
        {"plan": "000009-0123456789abcdef"},
        {"heard": {"the topic": 10**30}},
        {"heard": {"the topic": -(10**18)}},
    ],
    ids=["no number", "long", "beyond", "lost", "later", "before"],
)
def test_a_forged_tick_stops_no_shard(settings, tmp_path, tick):
    """Who may send events may send these as well."""
    value = json.dumps({"worker": "nobody", "epoch": 1} | tick).replace("the topic", settings.topic).encode()
    send(settings, range(100))
    producer = KafkaProducer(bootstrap_servers=settings.brokers)
    producer.send(settings.topic, value, partition=0, headers=[("slawatch-tick", b"1")]).get(30)
    producer.close()

    async def scene():
        for _ in range(2):
            async with working(settings, tmp_path) as it:
                await until(lambda: caught_up(it))
                assert not it.parts.health.failures
                assert it.parts.plans.plan
                assert it.parts.plans.in_force < "0001", "so that rules can go on to change"

    asyncio.run(scene())
