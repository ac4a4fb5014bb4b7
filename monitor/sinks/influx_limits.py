"""Limits of what goes to InfluxDB, and what happens at each."""

from __future__ import annotations

BATCH_POINTS = 5_000  # points of one row of the spool; more are several
REQUEST_POINTS = 10_000  # of one request, of several rows if they are small; halved when that is too many
GROWN_BY = 8  # an eighth more after each that was stored, up to REQUEST_POINTS
MEMORY_BYTES = 16 << 20  # of a spool that cannot be on disk
QUEUED_BATCHES = 64  # given and not on disk yet; more are dropped and counted (busy)
REFUSED_KEPT = 1_000  # batches or lines the server refused for good; the oldest go
WORDS = 500  # of what the server said are kept
WORDS_BYTES = 4 << 20  # of it are read: it names every line that is wrong, and there may be thousands

ASK_S = 10.0  # the longest a connection may take, then a request with its whole answer
STOP_S = 0.5  # the longest a stop waits for the request on its way; the thread ends with the process
PAUSE_S = 1.0  # after a failure, doubled …
PAUSE_MAX_S = 30.0  # … up to this
RETRY_AFTER_MAX_S = 300.0  # a server that asks for a longer rest is asked after this
OPERATOR_PAUSE_S = 15.0  # between tries while somebody must mend something: token, bucket
TOLD_MS = 60_000  # what lasts so long is said
BEHIND_TOLD_MS = 600_000  # that the oldest point has waited so long is told to people
DROPPED_TOLD_MS = 600_000  # that points were dropped is said for so long

AFTER_TICK_MS = 500  # a sample is taken so long after its second, which is folded by then
AGENTS_MS = 60_000  # agents are written so often
SLICE_SHOPS = 20  # shops read in one turn of the loop: about 5 ms
SHOPS = 200_000  # whose series are remembered; then they are made anew
