"""A topic for each test, on the broker of the run."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture
def topic_name():
    """A topic that no other test has, in whatever process."""
    return f"events-{uuid4().hex[:12]}"
