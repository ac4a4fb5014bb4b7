"""A real InfluxDB 2.7 for tests: built once from its Go module, on loopback, killed and paused at will.

``tests/servers/influxd/build`` makes the program, outside the checkout; ``TEST_INFLUXD`` names another one.
One server serves all tests of a process; each takes a bucket of its own.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.waiting import PATIENCE_S, end_of, eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILD = Path(__file__).parent / "influxd" / "build"
ORG, TOKEN = "acme", "a-token-of-tests-that-is-no-secret"


@functools.cache
def where() -> tuple[str, str]:
    """The program, and why there is none; one of both is empty."""
    done = subprocess.run(
        ["bash", str(BUILD), "--where"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    found = done.stdout.strip()
    if done.returncode == 0:
        return found, ""
    why = done.stderr.strip() or f"no influxd at {found}"
    return "", f"{why}; `bash tests/servers/influxd/build` builds it"


def missing() -> str:
    """Why no server can be started here; empty: one can."""
    return where()[1]


@dataclass(frozen=True)
class Bucket:
    """A bucket, and what a client needs to reach it."""

    url: str
    name: str
    org: str = ORG
    token: str = TOKEN


class InfluxServer:
    """One server on a folder and a port of its own; the port stays the same when it starts again.

    Args:
        folder: Where it keeps all of its own; None: one that goes with it.
        tls: Its certificate, which is its own authority, and its key; None: plain HTTP.
    """

    def __init__(self, folder: Path | None = None, tls: tuple[Path, Path] | None = None) -> None:
        self._made = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="slawatch-influx-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self._tls = [f"--tls-cert={tls[0]}", f"--tls-key={tls[1]}"] if tls else []
        self._process: subprocess.Popen[bytes] | None = None
        self._buckets, self._set_up = 0, False
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {TOKEN}"},
            params={"org": ORG},
            timeout=PATIENCE_S,
            verify=ssl.create_default_context(cafile=tls[0]) if tls else True,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and return when it answers; the first time it gets its organisation and token."""
        places = {"bolt-path": "bolt", "sqlite-path": "sqlite", "engine-path": "engine"}
        options = [f"--{name}={self.folder / file}" for name, file in places.items()]
        options += self._tls
        options += [f"--http-bind-address=127.0.0.1:{self.port}", "--reporting-disabled", "--log-level=warn"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [where()[0], "run", *options],
                stdout=log,
                stderr=log,
                env={**os.environ, "INFLUXD_CONFIG_PATH": "/nonexistent"},
                start_new_session=True,
            )
        eventually(self._ready, what=f"InfluxDB in {self.folder}", log=self.folder / "log")
        if not self._set_up:
            first = {"username": "admin", "password": "adminpass1", "org": ORG, "bucket": "first"}
            self.ask("POST", "/api/v2/setup", json=first | {"token": TOKEN, "retentionPeriodSeconds": 0})
            self._set_up = True

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def worked_s(self) -> float:
        """Seconds of processor time since its start: what it costs, however busy the machine is."""
        times = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Kill -9, as a machine that loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end in order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang: it takes connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        eventually(self._hangs, what="every thread of InfluxDB stopped")

    def resume(self) -> None:
        """Let a paused one go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it and leave nothing behind."""
        self.kill()
        self._client.close()
        if self._made:
            shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer of its API, which must be a good one."""
        answer = self._client.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def new_bucket(self, name: str = "", retention_s: int = 0) -> Bucket:
        """A new, empty bucket; what it holds is kept for ever, or so long."""
        self._buckets += 1
        name = name or f"test-{self._buckets}"
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        self.ask(
            "POST", "/api/v2/buckets", json={"orgID": self._org_id(), "name": name, "retentionRules": rules}
        )
        return Bucket(self.url, name)

    def delete_bucket(self, bucket: Bucket) -> None:
        """Delete a bucket with all it holds."""
        found = self.ask("GET", "/api/v2/buckets", params={"org": ORG, "name": bucket.name}).json()["buckets"]
        self.ask("DELETE", f"/api/v2/buckets/{found[0]['id']}")

    def forget(self, name: str) -> None:
        """Delete every bucket whose name begins so, and every task."""
        for bucket in self.ask("GET", "/api/v2/buckets", params={"org": ORG, "limit": 100}).json()["buckets"]:
            if bucket["name"].startswith(name):
                self.ask("DELETE", f"/api/v2/buckets/{bucket['id']}")
        for task in self.ask("GET", "/api/v2/tasks").json()["tasks"]:
            self.ask("DELETE", f"/api/v2/tasks/{task['id']}")

    def new_token(self) -> str:
        """Another token that may do everything; ``revoke`` ends it."""
        rights = [
            {"action": action, "resource": {"type": kind, "orgID": self._org_id()}}
            for action in ("read", "write")
            for kind in ("buckets", "tasks", "orgs")
        ]
        asked = {"orgID": self._org_id(), "permissions": rights}
        return str(self.ask("POST", "/api/v2/authorizations", json=asked).json()["token"])

    def revoke(self, token: str) -> None:
        """Have a token of ``new_token`` hold no more."""
        known = self.ask("GET", "/api/v2/authorizations").json()["authorizations"]
        (one,) = (found for found in known if found["token"] == token)
        self.ask("DELETE", f"/api/v2/authorizations/{one['id']}")

    def write(self, bucket: Bucket, lines: Iterable[str]) -> None:
        """Seed a bucket with line protocol, times in nanoseconds."""
        body = "\n".join(lines).encode()
        self.ask(
            "POST",
            "/api/v2/write",
            params={"org": ORG, "bucket": bucket.name, "precision": "ns"},
            content=body,
        )

    def query(self, flux: str) -> list[dict[str, str]]:
        """What a query gives: a row is column → text, of all its tables."""
        asked = {"query": flux, "dialect": {"annotations": [], "header": True}}
        text = self.ask("POST", "/api/v2/query", json=asked, headers={"Accept": "application/csv"}).text
        rows: list[dict[str, str]] = []
        for table in text.replace("\r\n", "\n").split("\n\n"):
            rows += [
                {name: value for name, value in row.items() if name}
                for row in csv.DictReader(io.StringIO(table.strip()))
            ]
        return rows

    def points(self, bucket: Bucket, measurement: str = "") -> int:
        """How many field values are there."""
        only = f'|> filter(fn: (r) => r._measurement == "{measurement}")' if measurement else ""
        flux = f'from(bucket: "{bucket.name}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) {only}'
        return sum(int(row["_value"]) for row in self.query(f"{flux} |> count()"))

    def _hangs(self) -> bool:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in self._threads()]
        return set(states) <= {"T"}

    def _threads(self) -> list[Path]:
        return list(Path(f"/proc/{self.pid}/task").glob("*/stat"))

    def _org_id(self) -> str:
        return str(self.ask("GET", "/api/v2/orgs").json()["orgs"][0]["id"])

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, end_of(self.folder / "log")
        try:
            return json.loads(self._client.get("/health", timeout=2).text)["status"] == "pass"
        except (httpx.HTTPError, json.JSONDecodeError):
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None
