"""From an event to the POST at the channel while InfluxDB is stuck, beside the same without charts.

The latency benchmark, five times: without charts, with a real InfluxDB that works, with one that hangs (takes
the request and says nothing), with one whose answer drips in for ever, and with a real one that is stopped in
the middle of it. Figures are sampled every second, ten times as often as usual. Needs influxd
(``bash tests/servers/influxd/build``). ``python -m benchmarks influx-stuck``
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.latency import BAR_P50_MS, BAR_P99_MS, RATE, measure
from benchmarks.table import Row, measure_and_print
from tests.servers.influx import ORG, TOKEN, InfluxServer
from tests.servers.influx_standin import DRIPS, NONE, Standin

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60
BAR_MORE_MS, BAR_MORE_MB = 250, 32  # of two runs on a machine that does other things


@contextmanager
def _none(_seconds: int) -> Iterator[str]:
    yield ""


@contextmanager
def _works(_seconds: int) -> Iterator[str]:
    with InfluxServer() as server:
        server.new_bucket("figures")
        yield server.url


@contextmanager
def _hangs(_seconds: int) -> Iterator[str]:
    with Standin(lambda _: NONE) as server:
        yield server.url


@contextmanager
def _drips(_seconds: int) -> Iterator[str]:
    with Standin(lambda _: DRIPS) as server:
        yield server.url


@contextmanager
def _stopped(seconds: int) -> Iterator[str]:
    with InfluxServer() as server:
        server.new_bucket("figures")
        timer = threading.Timer(seconds / 3, server.pause)
        timer.start()
        yield server.url
        timer.join()


WAYS = {
    "without charts": _none,
    "InfluxDB works": _works,
    "it hangs": _hangs,
    "its answers drip": _drips,
    "it is stopped after a third": _stopped,
}


def rows(seconds: int = SECONDS) -> list[Row]:
    """A row for each way; all but the first are judged beside the first."""
    found: list[Row] = []
    quiet: dict[str, float] = {}
    for name, way in WAYS.items():
        with way(seconds) as url:
            link = f"influx: {{url: '{url}', org: {ORG}, bucket: figures, token: {TOKEN}, every: 1s}}\n"
            run = measure(seconds, link if url else "")
        quiet = quiet or run
        held = (
            not run["lost"]
            and run["p50_ms"] <= min(quiet["p50_ms"] + BAR_MORE_MS, BAR_P50_MS)
            and run["p99_ms"] <= min(quiet["p99_ms"] + BAR_MORE_MS, BAR_P99_MS)
            and run["grown_mb"] <= quiet["grown_mb"] + BAR_MORE_MB
        )
        found.append(
            Row(
                f"event to the POST at the channel, {RATE:,} events/s, {seconds} s, {name}",
                f"p50 {run['p50_ms']} ms, p99 {run['p99_ms']} ms, {run['lost']} of {run['probes']} lost,"
                f" {run['grown_mb']:+} MB",
                bar=f"p50 and p99 ≤ +{BAR_MORE_MS} ms, memory ≤ +{BAR_MORE_MB} MB"
                if run is not quiet
                else "",
                held=held if run is not quiet else None,
            )
        )
    return found


if __name__ == "__main__":
    measure_and_print(__doc__, rows, seconds=SECONDS)
