"""A topic that is not shown to a worker is not gone: its shards are kept, and nobody is told to leave it."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from monitor.errors import MonitorError
from monitor.runtime.cluster import topics
from monitor.settings_cluster import KafkaSettings


@pytest.mark.parametrize(
    ("code", "said"),
    [(29, "topic slawatch.events: we may not DESCRIBE; kafka-acls --add"), (5, "the broker answers 5")],
)
def test_a_topic_that_may_not_be_looked_at_is_not_gone(monkeypatch, code, said):
    """The worker let go of every shard and named what to do where the topic is lost: a new database."""
    answer = {"error_code": code, "topic_id": "", "partitions": []}

    @contextmanager
    def admin(_link):
        yield SimpleNamespace(describe_topics=lambda _names: [answer])

    monkeypatch.setattr(topics, "_admin", admin)
    settings = KafkaSettings(brokers="127.0.0.1:1")
    with pytest.raises(MonitorError, match=said):
        topics.see(None, settings)
    answer["error_code"] = topics.NO_SUCH_TOPIC
    assert topics.see(None, settings).identity == ""
