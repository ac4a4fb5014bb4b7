"""An hour that nobody folded, then consumed at full speed."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from alerting.policy.records import Cursor
from tests.cluster.inside import caught_up, folded, make_topic, settings_of, working
from tests.cluster.workers import message
from tests.waiting import until

pytestmark = pytest.mark.live
HOUR_S = 3_600


def fill(settings, begin_ms):
    """A question a second, each of another shop, each answered a second later but for every tenth."""
    producer = KafkaProducer(bootstrap_servers=settings.brokers, linger_ms=50)
    for second in range(HOUR_S + 1):
        at_ms = begin_ms + 1_000 * second
        said = [(second, "customer")] if second < HOUR_S else []
        said += [(second - 1, "agent")] if second and (second - 1) % 10 else []
        for n, actor in said:
            event = message(f"{n}-{actor}", at_ms, f"s{n}", n, actor)
            value = json.dumps(event).encode()
            producer.send(settings.topic, value, key=f"mall:s{n}".encode(), timestamp_ms=at_ms)
    producer.flush(30)
    producer.close()


def test_an_hours_backlog_fires_what_would_have_been_fired_then_and_nobody_falsely(
    kafka, topic_name, tmp_path
):
    """The broker's append times are given here, so that an hour need not be waited for."""
    settings = settings_of(kafka, topic_name, partitions=1)
    make_topic(settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    given = {"message.timestamp.type": "CreateTime"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, given)])
    admin.close()
    begin_ms = (time.time_ns() // 1_000_000 // 1_000 - HOUR_S - 60) * 1_000
    fill(settings, begin_ms)

    async def scene():
        async with working(settings, tmp_path) as it:
            all_of = 2 * HOUR_S - HOUR_S // 10 - 1
            await until(lambda: caught_up(it, 1) and folded(it)[0] >= all_of, what="an hour in seconds")
            found = await it.parts.thread.run(it.parts.store.transitions_after, Cursor({}))
            while fresh := await it.parts.thread.run(
                it.parts.store.transitions_after, Cursor({0: found[-1].position})
            ):
                found += fresh
        return [t for t in found if t.to_state == "firing"]

    fired = asyncio.run(scene())
    late_ms = {t.subject["shop"]: t.at_ms - begin_ms for t in fired}
    unanswered = {f"mall:s{n}": 1_000 * n + 2_000 for n in range(0, HOUR_S, 10)}
    assert set(late_ms) == set(unanswered), "those nobody answered, and no other"
    assert len(fired) == len(unanswered), "each once"
    assert all(0 < late_ms[shop] - deadline_ms <= 1_000 for shop, deadline_ms in unanswered.items())
