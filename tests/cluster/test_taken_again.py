"""When a shard that failed is taken again."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from alerting.errors import StoreBusy, StoreDown, StoreFull
from monitor.runtime import limits
from monitor.runtime.cluster.owner import Owner
from monitor.runtime.health import Health


class Consumer:
    """As much of Faust's consumer as an owner needs."""

    def hold_back(self, partition):
        pass


@pytest.mark.parametrize(
    ("error", "longest_s"),
    [
        (StoreDown("no answer"), limits.RESTART_PAUSE_S),
        (StoreFull("no room"), limits.RESTART_PAUSE_S),
        (StoreBusy("it waits for a lock"), limits.RESTART_PAUSE_MAX_S),
        (ValueError("broken"), limits.RESTART_PAUSE_MAX_S),
    ],
)
def test_a_shard_that_failed_for_the_database_is_taken_again_as_soon_as_that_is_back(error, longest_s):
    """After an outage of minutes nobody judged it for another one."""
    owner = Owner(SimpleNamespace(health=Health()), Consumer, None)
    held = SimpleNamespace(partition=0, next=7, dropped=False, drop=lambda: None)
    for _ in range(9):
        owner._fail(held, error)
    assert longest_s - 1 < owner._again_s[0] - time.monotonic() <= longest_s
