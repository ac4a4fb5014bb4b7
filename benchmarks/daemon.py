"""A real daemon as a process of its own, for benchmarks that go through its door."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import cpu_s, resident_mb
from rules.load import starter_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKS = Path(__file__).parent.parent / "rules" / "packs"


class Daemon:
    """One daemon over a folder that holds its configuration."""

    def __init__(self, folder: Path, alerting: str = "", rules: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        (folder / "rules").mkdir()
        (folder / "packs").mkdir()
        for pack in PACKS.glob("*.yaml"):  # whatever the hour, the packs count
            text = re.sub(r"service_hours: .*", 'service_hours: ["00:00-24:00"]', pack.read_text("utf-8"))
            (folder / "packs" / pack.name).write_text(text, "utf-8")
        for path in starter_rules():
            (folder / "rules" / path.name).write_bytes(path.read_bytes())
        if rules:
            (folder / "rules" / "benchmark.yaml").write_text(rules, "utf-8")
        if alerting:
            (folder / "alerting.yaml").write_text(alerting, "utf-8")
        (folder / "slawatch.yaml").write_text(
            f"listen: 127.0.0.1:{self.port}\npacks: packs\nlog: {{format: json}}\n"
            "limits: {requests_per_minute: 1000000}\n"
        )

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Status and JSON."""
        connection = self.connect()
        try:
            return post(connection, path, body) if method == "POST" else _get(connection, path)
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, wait until it is ready, end it."""
        command = [sys.executable, "-m", "monitor", "--config", str(self.folder / "slawatch.yaml"), "run"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 30
            while not self._ready():
                assert time.monotonic() < end, (self.folder / "log").read_text("utf-8")[-2_000:]
                time.sleep(0.05)
            yield
        finally:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def _ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text("utf-8")[-2_000:]
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def cpu_s(self) -> float:
        """Processor seconds it has used."""
        return cpu_s(self.process.pid)

    def resident_mb(self) -> int:
        """Memory it holds."""
        return resident_mb(self.process.pid)

    def metric(self, name: str) -> float:
        """The sum over all labels of a metric of /metrics."""
        connection = self.connect()
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}(\{{| )", line))


def post(connection: http.client.HTTPConnection, path: str, body: bytes | None) -> tuple[int, Any]:
    """Post on a kept connection."""
    connection.request("POST", path, body, {"content-type": "application/x-ndjson"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[int, Any]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def percentile(values: list[float], per_cent: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * per_cent / 100))]
