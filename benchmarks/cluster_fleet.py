"""A fleet of shops of real size, stored as of now, for workers to take.

Some shops are folded over 30 days by the shard itself, and their rows are stored under the names of all; the
ids of the last 20 minutes are drawn, 16 a shop.
"""

from __future__ import annotations

import random
import time
from array import array
from typing import TYPE_CHECKING

import msgspec
import psycopg
from kafka import KafkaProducer

from benchmarks.cluster_stage import PARTITIONS, Stage, write_packs
from benchmarks.cluster_traffic import place_of
from benchmarks.memory import event
from monitor.engine.records import Record
from monitor.engine.rows import IdRow
from monitor.rulebook import Plan
from monitor.runtime.cluster.tick import Tick, tick_of
from monitor.shard.marks import IDS_PART
from monitor.shard.shard import Shard
from monitor.store.postgres import PostgresStore
from rules.load import load_packs, load_rules, starter_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.engine.events import Event

TEMPLATES, TROUBLED = 50, 2  # of which so many answer slowly today
DAYS, CUSTOMERS, OPEN, WAITING = 30, 100, 10, 3  # of the open conversations
TICK_S = 5  # a longer silence would be time down
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
IDS_A_SHOP, IDS_MS = 16, 20 * MINUTE_MS
WRITES_A_S = 1_500  # shops; the state is as of when it is written, so the time that takes is foreseen
COPY = "copy shard_state (shard, key, part, chunk, applied, data) from stdin (format binary)"

Part = tuple[str, bytes]


def a_month(now_ms: int) -> Iterator[tuple[int, Event]]:
    """Arrivals of the templates: customers from nine hours before each day's end of traffic to that end."""
    for day in range(DAYS - 1, -1, -1):
        end_ms = now_ms - day * DAY_MS
        answered = CUSTOMERS - (OPEN if day == 0 else 0)
        step_ms = (9 * HOUR_MS - 15 * MINUTE_MS) // answered
        found: list[tuple[int, int, str, int, int]] = []
        for shop in range(TEMPLATES):
            for customer in range(answered):
                at_ms = end_ms - 9 * HOUR_MS + customer * step_ms + shop * 100
                slow = day == 0 and shop < TROUBLED and customer % 6 == 0
                found.append((at_ms, shop, "question", day, customer))
                found.append((at_ms + (4 if slow else 1) * MINUTE_MS, shop, "answer", day, customer))
                if customer % 3 == 0:
                    found.append((at_ms + 2 * MINUTE_MS, shop, "order", day, customer))
            for place in range(OPEN if day == 0 else 0):  # one a minute, and so they run out
                at_ms = end_ms - (OPEN - place) * MINUTE_MS + shop * MINUTE_MS // TEMPLATES
                found.append((at_ms, shop, "question", day, answered + place))
                if place < OPEN - WAITING:
                    found.append((at_ms + MINUTE_MS // 2, shop, "answer", day, answered + place))
        for at_ms, shop, what, of_day, customer in sorted(found):
            yield at_ms, event(what, shop, of_day * 1_000 + customer, at_ms)


def templates(at: Stage, now_ms: int) -> tuple[list[list[Part]], list[Part]]:
    """The rows of each template, and those of a shard."""
    write_packs(at.folder / "packs")
    packs = load_packs(at.folder / "packs")
    shard = Shard(Plan(packs, load_rules(starter_rules(), packs)))
    shard.restore([], 0, 0)
    position = second = 0
    rows: dict[tuple[str, str], bytes | None] = {}

    def save() -> None:
        while (taken := shard.checkpoint(TEMPLATES)) is not None:
            rows.update({(key, part): data for key, part, _, data in taken.rows})

    for at_ms, one in a_month(now_ms):
        if at_ms // 1_000 >= second + TICK_S:
            second = at_ms // 1_000
            shard.step([Record(position, second * 1_000, heard={"erp": second * 1_000})])
            position += 1
        shard.step([Record(position, at_ms, [one], "erp")])
        position += 1
        if position % 100_000 < 2:
            save()
    for tick_ms in range(second * 1_000, now_ms + 1, TICK_S * 1_000):  # no time down before the end
        shard.step([Record(position, tick_ms, heard={"erp": tick_ms})])
        position += 1
    save()
    kept = sorted((key, part, data) for (key, part), data in rows.items() if data is not None)
    shops = sorted({key for key, _, _ in kept if key})
    of_shop = [[(part, data) for key, part, data in kept if key == shop] for shop in shops]
    own = [(part, data) for key, part, data in kept if not key and not part.startswith(IDS_PART)]
    return of_shop, own


def ids(shops: int, now_ms: int) -> bytes:
    """Ids of the last minutes, as a shard stores them."""
    chance, count = random.Random(1), shops * IDS_A_SHOP
    arrivals = [now_ms - IDS_MS + n * 1_000 for n in range(IDS_MS // 1_000)]
    counts = [count // len(arrivals)] * len(arrivals)
    keys, contents = (
        array("Q", [chance.getrandbits(bits) for _ in range(sum(counts))]).tobytes() for bits in (60, 30)
    )
    return msgspec.msgpack.encode([IdRow(arrivals, counts, keys, contents)])


def fill(at: Stage, topic: str, database: str, shops: Sequence[str]) -> float:
    """Store all shops as of the first record of each partition; the seconds that took."""
    began_s = time.monotonic()
    now_ms = time.time_ns() // 1_000_000 + len(shops) * 1_000 // WRITES_A_S + 20_000
    of_shop, own = templates(at, now_ms)
    PostgresStore(database, "benchmark").close()  # the schema
    producer = KafkaProducer(bootstrap_servers=at.kafka.bootstrap)
    tick, headers = tick_of(Tick("before", 0, {"erp": now_ms}))
    for partition in range(PARTITIONS):
        producer.send(topic, tick, partition=partition, headers=headers)
    producer.flush()
    producer.close()
    in_place = [0] * PARTITIONS
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.set_types(["int8", "text", "text", "int8", "int8", "bytea"])
            for n, shop in enumerate(shops):
                key = f"pinduoduo:{shop}"
                partition = place_of(key, list(range(PARTITIONS)))
                in_place[partition] += 1
                for part, data in of_shop[n % TEMPLATES]:
                    copy.write_row((partition, key, part, 0, 0, data))
            for partition, count in enumerate(in_place):
                for part, data in [*own, (f"{IDS_PART}{1:016d}", ids(count, now_ms))]:
                    copy.write_row((partition, "", part, 0, 0, data))
        for partition in range(PARTITIONS):
            cursor.execute("insert into shard values (%s, 1, 0, 1, %s)", (partition, now_ms))
        connection.commit()
        connection.autocommit = True
        cursor.execute("vacuum analyze shard_state")
    time.sleep(max(0.0, now_ms / 1_000 - time.time()))
    return time.monotonic() - began_s
