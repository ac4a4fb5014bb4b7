"""The real worker as a process, which stores its state more often: a test is shorter than a checkpoint.

With ``TEST_STUCK_MS`` its watchdog waits that long, and a shard never returns from an event called ``hang``.
"""

from __future__ import annotations

import os
import sys
import threading

from monitor.cli import main
from monitor.runtime import limits
from monitor.shard import Shard

limits.CHECKPOINT_MS = 1_500
if stuck_ms := os.environ.get("TEST_STUCK_MS"):
    limits.STUCK_MS = int(stuck_ms)
    step = Shard.step

    def hang(shard, records):
        if any(event.id == "hang" for record in records for event in record.events):
            threading.Event().wait()
        return step(shard, records)

    Shard.step = hang
main(sys.argv[1:])
