"""What a worker is compared with in benchmarks does what it is said to do."""

from __future__ import annotations

import asyncio
import time
from itertools import islice

import pytest
from kafka import KafkaConsumer, TopicPartition

from benchmarks.cluster_references import naive_faust
from benchmarks.cluster_stage import PARTITIONS
from benchmarks.cluster_traffic import an_hour, put
from tests.cluster.inside import make_topic, settings_of

pytestmark = pytest.mark.live


def test_an_agent_with_a_table_ends_when_the_topic_of_its_changes_has_each(kafka, topic_name):
    make_topic(settings_of(kafka, topic_name, partitions=PARTITIONS))
    events = list(islice(an_hour(60_000, 50, time.time_ns() // 1_000_000), 1_000))
    records = asyncio.run(put(kafka.bootstrap, topic_name, PARTITIONS, events))
    assert records > len(events), "no ticks"
    naive_faust(kafka.bootstrap, topic_name, records, durable=True)
    changelog = f"durable-{topic_name}-counted-changelog"
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    ends = consumer.end_offsets([TopicPartition(changelog, number) for number in range(PARTITIONS)])
    consumer.close()
    assert sum(ends.values()) == len(events)
