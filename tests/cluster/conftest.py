"""A topic for each test, on the broker of the run; what is tried only when TEST_DISASTERS=1 asks for it."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest

from tests.cluster.inside import make_topic, settings_of

# Half a minute and more each of real processes. What is lost, and state of another format, is also in
# test_disasters.py, in one process and seconds; brokers killed and a standby that takes over are here alone.
DISASTERS = ["test_brokers_killed.py", "test_lost.py", "test_taken_over.py", "test_upgrade.py"]
collect_ignore = [] if os.environ.get("TEST_DISASTERS") == "1" else DISASTERS


@pytest.fixture
def topic_name():
    """A topic that no other test has, in whatever process."""
    return f"events-{uuid4().hex[:12]}"


@pytest.fixture
def settings(kafka, topic_name):
    """Such a topic, made."""
    found = settings_of(kafka, topic_name)
    make_topic(found)
    return found
