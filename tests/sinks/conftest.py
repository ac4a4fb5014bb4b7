"""Sinks that rest briefly, and small disks that can be full."""

from __future__ import annotations

import subprocess

import pytest

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from tests.servers.influx import Bucket

NOW_MS = 1_795_000_000_000


@pytest.fixture
def short_pauses(monkeypatch):
    """After a failure it is tried again at once."""
    monkeypatch.setattr(limits, "PAUSE_S", 0.02)
    monkeypatch.setattr(limits, "PAUSE_MAX_S", 0.05)


@pytest.fixture
def short_operator_pauses(short_pauses, monkeypatch):
    """Also after one that somebody has to mend."""
    monkeypatch.setattr(limits, "OPERATOR_PAUSE_S", 0.02)


@pytest.fixture
def sinks(tmp_path):
    """Makes sinks to a bucket that run until the end, each from a spool of its own or from the test's."""
    made = []

    def make(bucket: Bucket, spool: Spool | None = None) -> InfluxSink:
        spool = spool or Spool(tmp_path / "spool.db", 1 << 30, 10**9)
        link = Link(bucket.url, bucket.org, bucket.name, lambda: bucket.token)
        sink = InfluxSink(spool, link, lambda: NOW_MS)
        sink.start()
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def new_disk(tmp_path):
    """Makes a folder on a disk of so many bytes; needs root."""
    made = []

    def make(size_bytes):
        folder = tmp_path / f"disk{len(made)}"
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk: {done.stderr.strip()}")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
