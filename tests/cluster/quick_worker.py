"""The real worker or desk as a process, in which less time passes: a test is shorter than a checkpoint.

It stores its state more often, and the accounts of a sender that was killed are free sooner.
With ``TEST_STUCK_MS`` its watchdog waits that long, and a shard never returns from an event called ``hang``;
with ``TEST_REST_MS`` shops sleep after so long, however few they are; with ``TEST_FORMAT`` it is a version
whose state has that format.
"""

from __future__ import annotations

import os
import sys
import threading

from alerting import limits as alerting_limits
from monitor.cli import main
from monitor.runtime import limits
from monitor.shard import checkpoint, restore
from monitor.shard.shard import Shard

limits.CHECKPOINT_MS = 1_500
limits.TOPIC_LOOK_S = 3.0
limits.DESK_LEASE_MS, limits.DESK_RENEW_S = 5_000, 1.0
limits.PARTS_KEPT_MS = 3_600_000  # for who compares them at the end
alerting_limits.LEASE_MS = 12_000  # as ever longer than a call of a provider may take
if stuck_ms := os.environ.get("TEST_STUCK_MS"):
    limits.STUCK_MS = int(stuck_ms)
    step = Shard.step

    def hang(shard, records):
        if any(event.id == "hang" for record in records for event in record.events):
            threading.Event().wait()
        return step(shard, records)

    Shard.step = hang
if rest_ms := os.environ.get("TEST_REST_MS"):
    limits.REST_MS, limits.SPARE_SHOPS = int(rest_ms), 0
if other := os.environ.get("TEST_FORMAT"):
    checkpoint.FORMAT = restore.FORMAT = int(other)
main(sys.argv[1:])
