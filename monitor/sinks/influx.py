"""Figures to InfluxDB, beside everything else: given on the event loop, kept on disk, sent by a thread.

Nothing here is waited for. What is given goes through a short queue to a thread that puts it into the
spool, and another thread sends from there; a full queue, a full disk or a server that is gone cost points
of charts, counted by reason, and never an alert.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import structlog

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx_sender import PointSender, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from monitor.sinks.influx_link import Link
    from monitor.sinks.influx_spool import Spool

log = structlog.get_logger(__name__)


class InfluxSink:
    """Takes lines and sees them through.

    Args:
        spool: Where they rest; closed with this.
        link: To the server.
        now_ms: The time, for ages.
    """

    def __init__(self, spool: Spool, link: Link, now_ms: Callable[[], int]) -> None:
        self._spool, self._now_ms = spool, now_ms
        self._sender = PointSender(spool, link, now_ms)
        self._queue: queue.Queue[tuple[Sequence[str], bool] | None] = queue.Queue(limits.QUEUED_BATCHES)
        self._writer = threading.Thread(target=self._write, name="influx spool", daemon=True)

    def start(self) -> None:
        """Begin to keep and to send, what an earlier run left first."""
        self._writer.start()
        self._sender.start()

    def put(self, lines: Sequence[str], *, lasting: bool = False) -> None:
        """Take lines of line protocol; returns at once.

        Args:
            lines: Each a point with its own time.
            lasting: What happened, such as an alert: kept longer than figures when there is no room.
        """
        if not lines:
            return
        try:
            self._queue.put_nowait((lines, lasting))
        except queue.Full:
            self._spool.lose(len(lines), "busy")

    def flush(self) -> None:
        """Return once everything given before is in the spool."""
        self._queue.join()

    def close(self) -> None:
        """Put what was given into the spool and end, in milliseconds, whatever the server does."""
        self._queue.put(None)
        self._writer.join()
        self._sender.stop()
        self._spool.close()

    @property
    def state(self) -> State:
        """How sending goes."""
        return self._sender.state

    @property
    def waiting(self) -> int:
        """Points in the spool."""
        return self._spool.points

    @property
    def age_ms(self) -> int:
        """The age of the oldest of them."""
        oldest_ms = self._spool.oldest_ms
        return max(0, self._now_ms() - oldest_ms) if oldest_ms else 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """Points lost since the start, by reason: full, old, disk, busy, refused."""
        found = dict(self._spool.dropped)
        if self.state.quarantined:
            found["refused"] = self.state.quarantined
        return found

    def _write(self) -> None:
        while (given := self._queue.get()) is not None:
            lines, lasting = given
            try:
                self._spool.put(lines, self._now_ms(), lasting=lasting)
            except Exception:  # nothing foreseen; a thread that died would hold up the end of the daemon
                log.exception("points not kept")
                self._spool.lose(len(lines), "disk")
            self._sender.wake()
            self._queue.task_done()
        self._queue.task_done()
