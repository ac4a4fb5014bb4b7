"""Where cluster benchmarks play: a real broker, a real PostgreSQL, and workers as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from benchmarks.daemon import PACKS
from benchmarks.processes import cpu_s
from monitor.engine import fold
from rules.load import starter_rules
from tests.servers import kafka, postgres
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

BROKER = ("-Xms512m", "-Xmx1g")  # otherwise as Java is by itself
BROKER_MORE = "group.initial.rebalance.delay.ms=3000"  # Kafka's own: who starts together is assigned once
DATABASE = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
PARTITIONS = 8
HOUR_OF_DAY = 20  # local time of every shop, whenever this runs


def missing() -> str:
    """Why there can be no cluster on this machine; empty: there can."""
    return kafka.missing() or postgres.missing()


def compiled() -> str:
    """Which engine runs, for the table."""
    return "compiled" if str(fold.__file__).endswith(".so") else "as written, not compiled"


@dataclass
class Stage:
    """Broker, database, and a folder."""

    kafka: kafka.Kafka
    postgres: postgres.PostgresServer
    folder: Path
    made: int = 0

    def new_topic(self) -> str:
        """A topic whose records keep the times they are given, until ``finish_topic``."""
        self.made += 1
        name = f"events-{self.made}"
        config = {"message.timestamp.type": "CreateTime", "retention.ms": str(30 * 86_400_000)}
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        plan = {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": config}
        admin.create_topics({name: plan}, wait_for_metadata=True)
        admin.close()
        return name

    def finish_topic(self, name: str) -> None:
        """From now on the broker's time counts, as workers demand."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        config = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(30 * 86_400_000)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])
        admin.close()

    def worker(self, name: str, topic: str, database: str, group: str, *, rules: bool = True) -> Worker:
        """A worker that is not started yet."""
        folder = self.folder / f"{topic}-{name}"
        folder.mkdir()
        return Worker(folder, name, self.kafka.bootstrap, topic, database, group, rules=rules)

    def cpu_s(self) -> tuple[float, float]:
        """Processor seconds of broker and database."""
        children = Path(f"/proc/{self.postgres.pid}/task/{self.postgres.pid}/children").read_text().split()
        database = cpu_s(self.postgres.pid) + sum(cpu_s(int(pid)) for pid in children)
        return cpu_s(self.kafka.pid), database


@contextmanager
def stage() -> Iterator[Stage]:
    """Start both servers, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="slawatch-cluster-") as name:
        folder = Path(name)
        database = postgres.PostgresServer(DATABASE)
        try:
            database.start()
            (folder / "kafka").mkdir()
            with kafka.Kafka(folder / "kafka", BROKER, BROKER_MORE) as broker:
                yield Stage(broker, database, folder)
        finally:
            database.close()


def write_packs(folder: Path) -> None:
    """The packs that ship, in a zone where it is evening: they count, and no midnight is near."""
    ahead = (HOUR_OF_DAY - time.gmtime().tm_hour + 11) % 24 - 11  # hours east of Greenwich
    zone = f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"  # the sign of these names is the other way about
    folder.mkdir()
    for pack in PACKS.glob("*.yaml"):
        text = re.sub(r"^timezone: .*", f"timezone: {zone}", pack.read_text("utf-8"), flags=re.MULTILINE)
        (folder / pack.name).write_text(text, "utf-8")


@dataclass
class Worker:
    """One ``slawatch worker``, over a folder that holds its configuration."""

    folder: Path
    name: str
    brokers: str
    topic: str
    database: str
    group: str
    rules: bool = True
    url: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None)

    def __post_init__(self) -> None:
        write_packs(self.folder / "packs")
        (self.folder / "rules").mkdir()
        for path in starter_rules() if self.rules else ():
            (self.folder / "rules" / path.name).write_bytes(path.read_bytes())
        (self.folder / "alerting.yaml").write_text(
            "accounts: {screen: {type: console}}\n"
            "receivers: {screen: {accounts: [screen]}}\n"
            "default: screen\n"
        )
        head, _, tail = self.database.partition("@")
        user, _, password = head.rpartition(":")
        link = {"brokers": self.brokers, "topic": self.topic, "group": self.group, "instance": self.name}
        link |= {"partitions": PARTITIONS, "replication": 1, "retention": "3d"}
        config = {"listen": "127.0.0.1:0", "packs": "packs", "log": {"format": "json"}, "kafka": link}
        config |= {"postgres": {"url": f"{user}@{tail}", "password": password}}
        (self.folder / "slawatch.yaml").write_text(json.dumps(config))  # which is YAML as well

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, and wait for the address of its probes."""
        self.launch()
        self.announced()

    def launch(self) -> None:
        """Start its process."""
        command = [sys.executable, "-m", "monitor", "--config", str(self.folder / "slawatch.yaml"), "worker"]
        out = self.folder / "out"
        with (self.folder / "log").open("ab") as log, out.open("wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=log)

    def announced(self) -> None:
        """Wait for the address of its probes."""
        self.url = str(eventually(self._announced, within_s=60, what="the worker's address"))

    def _announced(self) -> str:
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-2_000:]
        found = re.search(r"http://\S+", (self.folder / "out").read_text("utf-8"))
        return found[0] if found else ""

    def log(self) -> str:
        """All it logged."""
        return (self.folder / "log").read_text("utf-8")

    def logged(self, event: str) -> list[dict]:
        """Lines of its log about one thing."""
        lines = [line for line in self.log().splitlines() if f'"{event}"' in line]
        return [found for found in map(json.loads, lines) if found.get("event") == event]

    def metrics(self, *names: str) -> list[float]:
        """For each name the sum over its labels; a name may end in some labels."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-3_000:]
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
        except OSError as error:
            raise AssertionError(f"{self.name} does not answer: {self.log()[-3_000:]}") from error
        return [
            sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)) for name in names
        ]

    def events(self) -> float:
        """Events folded since its start."""
        return self.metrics("slawatch_events_total{")[0]

    def ready(self) -> bool:
        """Whether all its shards are judged in time."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=30):
                return True
        except urllib.error.HTTPError:
            return False

    def stop(self) -> float:
        """Let it write its state and end; the processor seconds of all its life."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.returncode == 0, self.log()[-2_000:]
        return used.ru_utime + used.ru_stime

    def kill(self) -> None:
        """As a power switch does it to a process."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
