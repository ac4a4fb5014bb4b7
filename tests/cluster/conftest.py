"""One real broker for the tests of a process (with xdist each has its own), and a topic for each test."""

from __future__ import annotations

import itertools

import pytest

from tests.servers.kafka import Kafka, missing

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    if reason := missing():
        pytest.skip(reason)
    with Kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic_name():
    """A topic that no other test has."""
    return f"events-{next(_numbers)}"
