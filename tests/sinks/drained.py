"""A sink that has sent all that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.waiting import eventually

if TYPE_CHECKING:
    from monitor.sinks.influx import InfluxSink


def drained(sink: InfluxSink) -> None:
    """Wait until nothing of it is on its way any more."""
    sink.flush()
    eventually(lambda: not sink.waiting and sink._sender.resting, what="the spool empty")
