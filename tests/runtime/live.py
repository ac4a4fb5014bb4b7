"""The real daemon as a process of its own, to be fed, asked and killed."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.waiting import PATIENCE_S, end_of, eventually

PACK = """
pack: mall
version: "1"
timezone: Asia/Shanghai
service_hours: ["00:00-24:00"]
measures:
  reply:
    title: {zh: 回复率, en: reply rate}
    kind: reply_rate
    within: 2s
    unit: customer_day
    by: [agent]
    periods: [day]
lines:
  - {id: mall-50, measure: reply, period: day, at_least: 50%, min_count: 1}
"""

RULES = """
rules:
  - id: a-miss
    title: {zh: 有超时, en: a miss}
    line: mall-50
    crit: {late: ">= 1"}
"""

ALERTING = """
receivers:
  managers: {accounts: [group], group_wait: 0s}
default: managers
accounts:
  group: {type: wecom_bot, key: test-key, base_url: WECOM}
"""


@dataclass
class Live:
    """A daemon over a folder; its configuration is written when it is made.

    As a context manager it leaves no process behind, however the test ends.
    """

    folder: Path
    wecom: str
    settings: str = ""  # more of slawatch.yaml
    clock: str = ""  # the time at which its clock stands; empty: the machine's
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    def __post_init__(self) -> None:
        self.port = free_port()
        (self.folder / "rules").mkdir()
        (self.folder / "packs").mkdir()
        self._write("rules/rules.yaml", RULES)
        self._write("packs/mall.yaml", PACK)
        self._write("alerting.yaml", ALERTING.replace("WECOM", self.wecom))
        self._write(
            "slawatch.yaml",
            f"listen: 127.0.0.1:{self.port}\npacks: packs\nlog:\n  format: json\n{self.settings}",
        )
        if self.clock:
            self.tell_time(self.clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text), "utf-8")

    def tell_time(self, text: str) -> None:
        """Let the daemon's time pass to this."""
        (self.folder / "clock.new").write_text(text)
        (self.folder / "clock.new").replace(self.folder / "clock")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--testing", "--clock", str(self.folder / "clock")] if self.clock else []
        command = [sys.executable, "-m", "monitor", "--config", str(self.folder / "slawatch.yaml"), "run"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
        eventually(self.answers, what="the daemon's answer", log=self.folder / "log")

    def answers(self) -> bool:
        """Whether it takes connections; fails at once when the process has ended."""
        assert self.process is not None
        assert self.process.poll() is None, end_of(self.folder / "log")
        try:
            return self.get("/healthz") is not None
        except OSError:
            return False

    def kill(self) -> None:
        """As a power switch does it to a process."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def get(self, path: str) -> dict:
        """The JSON answer, whatever its status."""
        return self._ask("GET", path)[1]

    def post(self, events: list[dict]) -> tuple[int, dict]:
        """Status and answer for a batch; ``OSError`` where nobody answers."""
        body = "\n".join(json.dumps(event) for event in events).encode()
        return self._ask("POST", "/api/v1/events", body)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {"content-type": "application/x-ndjson"} if body else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
