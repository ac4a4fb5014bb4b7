"""A worker inside the test, whose stores and shards the test may break."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from monitor.rulebook import Plan, SourcePlan
from monitor.runtime.clock import SystemClock
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.parts import Parts
from monitor.runtime.cluster.topics import create
from monitor.runtime.cluster.worker import Worker
from monitor.runtime.dead_letter_box import DeadLetterBox
from monitor.runtime.health import Health
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.worker_thread import StoreThread
from monitor.settings_cluster import KafkaSettings
from monitor.sinks.dead_letters import DeadLetters
from monitor.store.sqlite import SqliteStore
from rules.load import load_packs, load_rules
from tests.runtime.live import PACK, RULES
from tests.waiting import until


def settings_of(kafka: Any, topic: str, **more: Any) -> KafkaSettings:
    """The link to an open broker, three partitions."""
    link = {"brokers": kafka.bootstrap, "topic": topic, "group": topic, "partitions": 3, "replication": 1}
    return KafkaSettings(**link | {"session_timeout": 6_000} | more)


def make_topic(settings: KafkaSettings) -> None:
    """The topic as it must be, before the test."""
    create(link_of(settings, Path()), settings)


def send(settings: KafkaSettings, first: int, count: int, *, shops: int = 12) -> None:
    """Questions, each of another customer."""
    producer = KafkaProducer(bootstrap_servers=settings.brokers, linger_ms=5)
    for n in range(first, first + count):
        event = {
            "type": "message",
            "id": f"e{n}",
            "at": time.time_ns() // 1_000_000,
            "platform": "mall",
            "shop_id": f"s{n % shops}",
        }
        event |= {"conversation_id": f"c{n}", "customer_id": f"u{n}", "actor": "customer"}
        producer.send(settings.topic, key=f"mall:s{n % shops}".encode(), value=json.dumps(event).encode())
    producer.flush(30)
    producer.close()


def plan(folder: Path) -> Plan:
    """The small pack of the live tests."""
    (folder / "packs").mkdir(exist_ok=True)
    (folder / "packs" / "mall.yaml").write_text(PACK, "utf-8")
    (folder / "rules.yaml").write_text(RULES, "utf-8")
    packs = load_packs(folder / "packs")
    return Plan(packs, load_rules([folder / "rules.yaml"], packs), other_sources=SourcePlan(0, 900_000))


@asynccontextmanager
async def working(settings: KafkaSettings, folder: Path, *, make_store=SqliteStore, make_shard=None):
    """A worker in this process; ``folder`` holds its store and its dead letters."""
    health, letters = Health(), DeadLetters(folder / "letters.db")
    box = DeadLetterBox(letters)
    thread, state_thread = StoreThread("store", health), StoreThread("state", health)
    store = await thread.run(make_store, folder / "store.db")
    state_store = await state_thread.run(make_store, folder / "store.db")
    plans = PlanBook()
    await thread.run(partial(plans.apply, store, plan(folder), first=True))
    parts = Parts(
        worker="inside",
        topic=settings.topic,
        make_shard=make_shard or partial(plans.shard, state_store),
        plans=plans,
        store=store,
        thread=thread,
        state_store=state_store,
        state_thread=state_thread,
        clock=SystemClock(),
        health=health,
        dead_letters=box,
        on_outputs=lambda outputs: None,
        on_refusals=lambda source, rejected: None,
        tell_unrecorded=nobody,
    )
    it = Worker(parts, link_of(settings, folder), settings, folder / "faust")
    it.letters = letters
    try:
        await it.start()
        yield it
    finally:
        await it.stop()
        await thread.run(store.close)
        await state_thread.run(state_store.close)
        thread.close()
        state_thread.close()
        box.close()
        letters.close()


async def nobody(_transitions) -> int:
    """Told of what the store does not take."""
    return 0


def folded(worker: Worker) -> dict[int, int]:
    """How many events each shard has taken."""
    return {p: held.state.engine.counts.accepted for p, held in worker.owner.held.items()}


def caught_up(worker: Worker, partitions: int = 3) -> bool:
    """Whether every shard has read a tick of its own."""
    held = worker.owner.held
    return len(held) == partitions and all(one.caught_up_ms for one in held.values())


async def rebalanced(worker: Worker, partitions: int = 3) -> None:
    """A rebalance of a group of one, which leaves it all it has; until something is read again."""
    before, all_of_them = worker.owner.rebalances, set(range(partitions))
    await worker.consumer.share_out_anew()
    await until(lambda: worker.owner.rebalances > before and worker.owner.assignment == all_of_them)
    ticked = {p: held.caught_up_ms for p, held in worker.owner.held.items()}
    await until(lambda: any(held.caught_up_ms > ticked[p] for p, held in worker.owner.held.items()))
