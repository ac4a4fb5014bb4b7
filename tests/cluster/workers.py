"""A cluster for tests: workers on a broker and a database, and what an offline run says of its topic."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition

from alerting.policy.records import Cursor, alert_key
from monitor.configured import configure
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.records import read
from monitor.runtime.cluster.topics import create
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.shard_figures import ShardFigures
from monitor.settings import load_settings
from monitor.shard.restore import plan_in
from monitor.shard.shard import Shard
from monitor.store.postgres import PostgresStore
from tests.runtime.live import RULES, Live
from tests.waiting import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK = Path(__file__).with_name("quick_worker.py")
SHOPS, PARTITIONS = 200, 4
# Fires and resolves all the time: what a crash could lose, double or change.
BUSY = """
  - id: busy
    title: {zh: 忙, en: busy}
    measure: reply
    period: day
    warn: {open: ">= 2"}
"""


class Worker(Live):
    """One worker process; ``more`` are further settings of Kafka."""

    command = "worker"

    def __init__(
        self,
        folder: Path,
        kafka: str,
        postgres: str,
        topic: str,
        wecom: str = "http://127.0.0.1:1",
        **more: object,
    ) -> None:
        folder.mkdir()
        self.kafka, self.postgres, self.topic, self.more = kafka, postgres, topic, more
        super().__init__(folder, wecom=wecom)

    def __post_init__(self) -> None:
        super().__post_init__()
        link = {"brokers": self.kafka, "topic": self.topic, "group": self.topic, "partitions": PARTITIONS}
        link |= {"replication": 1, "session_timeout": "6s", **self.more}
        config = {"listen": f"127.0.0.1:{self.port}", "packs": "packs", "log": {"format": "json"}}
        config |= {"lateness": "10s", "kafka": link, "postgres": self._database()}
        self._write("rules/rules.yaml", RULES + BUSY)
        (self.folder / "slawatch.yaml").write_text(json.dumps(config))  # which is YAML as well

    def _database(self) -> dict[str, str]:
        """Address and password apart, as the settings want them."""
        head, _, tail = self.postgres.partition("@")
        user, _, password = head.rpartition(":")
        return {"url": f"{user}@{tail}", "password": password}

    def start(self, *, wait: bool = True) -> None:
        """Start it; it answers its probes once it is set up."""
        command = [sys.executable, str(QUICK), "--config", str(self.folder / "slawatch.yaml"), self.command]
        with (self.folder / "log").open("ab") as log:
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        if wait:
            eventually(self.answers, what="the worker's answer", log=self.folder / "log")

    def pause(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on as if nothing had been."""
        self.process.send_signal(signal.SIGCONT)

    def metric(self, name: str) -> str:
        """A value of ``/metrics``, by its name and labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=PATIENCE_S) as answer:
            lines = answer.read().decode().splitlines()
        return next(line.removeprefix(name).strip() for line in lines if line.startswith(name))

    def position(self, shard: int) -> int:
        """The last record that a shard of this worker has folded and stored; -1: it is not here."""
        try:
            return int(float(self.metric(f'slawatch_shard_position{{shard="{shard}"}}')))
        except (OSError, StopIteration):
            return -1

    def ready(self) -> bool:
        """Whether it says that all its shards are judged in time."""
        try:
            return self.get("/readyz")["status"] == "ready"
        except OSError:
            return False


class Desk(Worker):
    """One desk process, which tells a group."""

    command = "desk"


@dataclass
class Traffic(threading.Thread):
    """Keeps sending, at a steady rate, also while the broker is away: questions, four in five answered."""

    brokers: str
    topic: str
    rate: int
    first: int = 0
    sent: int = 0
    customers: dict[str, set[str]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._taken: list[asyncio.Future] = []

    __hash__ = threading.Thread.__hash__

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join(PATIENCE_S)
        assert not self.is_alive()

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.brokers, linger_ms=5, request_timeout_ms=60_000, acks="all"
        )
        await self._producer.start()
        began_s = time.monotonic()
        for n in itertools.count(self.first):
            if self.over.is_set():
                break
            await self._send(n)
            ahead_s = (n - self.first) / self.rate - (time.monotonic() - began_s)
            if ahead_s > 0.02:
                await asyncio.sleep(ahead_s)
        for taken in await asyncio.gather(*self._taken):
            assert taken.offset >= 0
        await self._producer.stop()

    async def _send(self, n: int) -> None:
        shop, at_ms = f"s{n % SHOPS}", time.time_ns() // 1_000_000
        asked = message(f"{n}-ask", at_ms, shop, n, "customer")
        batch = [asked] if n % 3 else [asked, message(f"{n}-more", at_ms, shop, n, "customer")]
        await self._put(shop, batch)
        self.customers.setdefault(f"mall:{shop}", set()).add(f"u{n}")
        answered = n - self.rate  # a second later; of every fifth nobody takes notice
        if answered >= self.first and answered % 5:
            to = f"s{answered % SHOPS}"
            await self._put(to, [message(f"{answered}-answer", at_ms, to, answered, "agent")])
        if n % 500 == 0:
            await self._write(shop, b'{"type": "mess')

    async def _put(self, shop: str, batch: list[dict]) -> None:
        await self._write(shop, json.dumps(batch if len(batch) > 1 else batch[0]).encode())
        self.sent += len(batch)

    async def _write(self, shop: str, value: bytes) -> None:
        self._taken.append(await self._producer.send(self.topic, value, key=f"mall:{shop}".encode()))


def wait_until_judged(workers: Sequence[Worker], after_ms: int = 3_000) -> None:
    """Return once every shard has folded a tick of so long after now; a question is late after 2 s."""
    at_ms = time.time_ns() // 1_000_000 + after_ms
    consumer = KafkaConsumer(bootstrap_servers=workers[0].kafka)
    partitions = range(workers[0].more.get("partitions", PARTITIONS))
    times = {TopicPartition(workers[0].topic, partition): at_ms for partition in partitions}
    found: dict = eventually(
        lambda: all((ticks := consumer.offsets_for_times(times)).values()) and ticks, what="such ticks"
    )
    consumer.close()
    for place, tick in found.items():
        eventually(
            lambda place=place, tick=tick: max(w.position(place.partition) for w in workers) >= tick.offset,
            what=f"shard {place.partition} judged to the end",
        )


def message(name: str, at_ms: int, shop: str, n: int, actor: str) -> dict:
    """One event of a shop."""
    who = {"agent_id": f"a{n % 3}"} if actor == "agent" else {}
    ids = {"conversation_id": f"c{n}", "customer_id": f"u{n}"}
    return (
        {"type": "message", "id": name, "at": at_ms, "platform": "mall", "shop_id": shop, "actor": actor}
        | ids
        | who
    )


def log_of(brokers: str, topic: str, partition: int) -> list:
    """Every record of a partition."""
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(bootstrap_servers=brokers, enable_auto_commit=False)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end, found = consumer.end_offsets([place])[place], []
    while len(found) < end:
        found += consumer.poll(1_000, max_records=10_000).get(place, [])
    consumer.close()
    return found[:end]


def told(transitions) -> list[tuple]:
    """What is compared of transitions."""
    return [
        (t.position, t.n, t.at_ms, t.rule, t.subject, t.from_state, t.to_state, t.reason, t.facts)
        for t in transitions
    ]


def figures(shard: Shard) -> dict:
    """What is compared of a shard."""
    reader = ShardFigures(shard)
    return {
        key: [(w.reading.asked, w.reading.late, w.reading.open, w.reading.items) for w in reader.watched(key)]
        for key in reader.shop_keys()
    }


@dataclass
class Verdict:
    """What was compared: records, transitions, shops, and the epochs that the shards had."""

    records: int = 0
    transitions: int = 0
    customers: dict[str, int] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    fired: set[str] = field(default_factory=set)  # firings that people are to be told of
    plans: int = 0  # changes of plan in the log of a partition, at most
    parts: dict[int, list] = field(default_factory=dict)  # what an undisturbed run publishes, by partition
    log: list = field(default_factory=list)  # every record


def compare(worker: Worker, address: str) -> Verdict:
    """Assert that the database is what one undisturbed run over the topic gives.

    For each partition: transitions field by field; the figures of the stored state, folded on from its floor
    to the end, shop by shop; and both again in small steps, since the size of a step must not matter.
    """
    settings = load_settings(worker.folder / "slawatch.yaml")
    store, verdict, plans = PostgresStore(address, "verdict"), Verdict(), PlanBook()
    for partition in range(settings.kafka.partitions):
        records = read(log_of(worker.kafka, worker.topic, partition), worker.topic).records
        assert [record.position for record in records] == list(range(len(records)))
        for name in {record.plan for record in records if record.plan}:
            plans.fetch(store, name)
        verdict.plans = max(verdict.plans, sum(bool(record.plan) for record in records))
        whole = plans.shard(store, partition, "")
        whole.restore([], 0, 0)
        steps = [whole.step(records[n : n + 700]) for n in range(0, len(records), 700)]
        expected = [t for step in steps for t in step.transitions]
        lease = store.take(partition)  # fences whoever is left
        stored = [t for t in all_transitions(store) if t.shard == partition]
        assert told(stored) == told([t for t in expected if t.position <= lease.position])
        assert all(t.position <= lease.position for t in expected), "every alert is told"
        again = plans.shard(store, partition, plan_in(store.load_state(partition)))
        again.restore(store.load_state(partition), lease.floor, lease.floor_clock_ms)
        for n in range(lease.floor, len(records), 37):
            again.step(records[n : n + 37])
        assert figures(again) == figures(whole)
        verdict.fired |= firings(expected)
        published = [part for step in steps for part in step.parts]
        verdict.parts[partition] = [part for position, part in published if position <= lease.position]
        verdict.log += records
        verdict.records += len(records)
        verdict.transitions += len(stored)
        verdict.epochs.append(lease.epoch)
        verdict.customers |= {shop: rows[0][0] for shop, rows in figures(whole).items()}
    store.close()
    return verdict


def firings(transitions) -> set[str]:
    """The incidents that people are to be told of."""
    return {
        f"{alert_key(t.rule, t.subject)}@{t.since_ms or t.at_ms}"
        for t in transitions
        if t.to_state == "firing" and t.from_state != "firing" and not t.shadow
    }


def all_transitions(store: PostgresStore) -> list:
    """Every transition there is, by shard and position."""
    cursor, found = Cursor({}), []
    while fresh := store.transitions_after(cursor):
        found += fresh
        positions = dict(cursor.positions)
        positions.update({t.shard: t.position for t in fresh})
        cursor = Cursor(positions)
    return found


def apply_rules(worker: Worker, address: str, rules: str) -> str:
    """Put other rules in force by way of the store, as a desk does; the plan's name."""
    worker._write("rules/rules.yaml", rules)
    settings = load_settings(worker.folder / "slawatch.yaml")
    store = PostgresStore(address, "rules")
    name = PlanBook().apply(store, configure(settings, worker.folder).plan)
    store.close()
    return name


def begin(folder: Path, brokers: str, address: str, topic: str, workers: int, **more: object) -> list[Worker]:
    """Make topic and workers; none is started."""
    made = [
        Worker(folder / f"w{n}", brokers, address, topic, instance=f"{topic}-{n}", **more)
        for n in range(workers)
    ]
    settings = load_settings(made[0].folder / "slawatch.yaml")
    create(link_of(settings.kafka, made[0].folder), settings.kafka)
    return made
