"""The daemon under load while InfluxDB hangs, drips or is stopped: the same alerts at the same seconds."""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from contextlib import contextmanager

import pytest

from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.sinks import influx_limits
from monitor.sinks.influx_spool import Spool
from tests.runtime.scenes import TEN_MS, living, message, post
from tests.servers.influx import ORG, TOKEN, InfluxServer, missing
from tests.servers.influx_standin import DRIPS, NONE, Standin
from tests.waiting import eventually

SHOPS, SECONDS, BEGIN = 40, 20, 5
LINE_BYTES = 150  # of a point, at least
WAIT_S = 300.0  # whoever waited for one answer would wait so long


def settings(url):
    return f"influx: {{url: '{url}', org: {ORG}, bucket: figures, token: {TOKEN}, every: 1s}}\n"


async def scene(folder, text, stick=lambda: None):
    """Two questions a second, over HTTP, that nobody answers: who was told what, when; bytes held."""
    clock = ManualClock(TEN_MS)
    async with living(folder, clock, text) as (it, client, wecom):
        for second in range(SECONDS):
            now_ms = TEN_MS + second * 1000
            shops = range(second * 2 % SHOPS, second * 2 % SHOPS + 2)
            await post(client, *(message(n, now_ms, shop=f"s{n}") for n in shops))
            await pass_time(clock, now_ms + 1000, it.running.settled)
            if second == BEGIN:
                stick()
        await pass_time(clock, TEN_MS + (SECONDS + 10) * 1000, it.running.settled)  # the group's limit
        assert (await client.get("/readyz")).status_code == 200
        return [(one.at_ms, one.text) for one in wecom.inbox], held_by_sinks()


def held_by_sinks():
    """Bytes that are held now and were made by what makes, keeps and sends points."""
    if not tracemalloc.is_tracing():
        return 0
    only = tracemalloc.Filter(inclusive=True, filename_pattern="*/monitor/sinks/influx*")
    return sum(one.size for one in tracemalloc.take_snapshot().filter_traces([only]).statistics("filename"))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """The run without InfluxDB: what the channel was told, and when."""
    return asyncio.run(scene(tmp_path_factory.mktemp("quiet"), ""))[0]


@contextmanager
def hanging():
    with Standin(lambda _: NONE) as server:
        yield server.url, lambda: None


@contextmanager
def dripping():
    with Standin(lambda _: DRIPS) as server:
        yield server.url, lambda: None


@contextmanager
def stopped():
    """A real one that works for a while, and then is stopped with its connections open."""
    if why := missing():
        pytest.skip(why)
    with InfluxServer() as server:
        bucket = server.new_bucket("figures")

        def stick():
            eventually(lambda: server.points(bucket), what="figures before it is stopped")
            server.pause()

        yield server.url, stick


@pytest.mark.parametrize("stuck", [hanging, dripping, stopped])
def test_alerts_come_at_the_same_seconds_and_nothing_piles_up_in_memory(stuck, quiet, tmp_path, monkeypatch):
    monkeypatch.setattr(influx_limits, "ASK_S", WAIT_S)
    tracemalloc.start()
    try:
        with stuck() as (url, stick):
            began = time.monotonic()
            told, held = asyncio.run(scene(tmp_path, settings(url), stick))
            took_s = time.monotonic() - began
    finally:
        tracemalloc.stop()
    assert told == quiet
    assert {name for _, text in told for name in re.findall(r"mall:s\d+", text)} == {
        f"mall:s{n}" for n in range(SHOPS)
    }
    spool = Spool(tmp_path / "data" / "influx.db", 1 << 30, 1 << 50)
    given = spool.points * LINE_BYTES
    spool.close()
    assert held < given / 3
    assert took_s < WAIT_S, "somebody waited for an answer"
