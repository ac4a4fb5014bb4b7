"""State of real size: 100,000 shops in PostgreSQL, held by two workers, checkpointed, taken over and moved.

Each shop has 10 open conversations, 100 customers today and 30 days kept. Some shops are folded over those 30
days by the shard itself, and their rows are stored under the names of all; the ids of the last 20 minutes are
drawn, 16 a shop. Then real workers take them. ``python -m benchmarks.cluster_state [--shops N]``
"""

from __future__ import annotations

import random
import time
from array import array
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import psycopg
from kafka import KafkaProducer

from benchmarks.cluster_stage import PARTITIONS, Stage, Worker, missing, stage, write_packs
from benchmarks.cluster_traffic import Live, place_of
from benchmarks.memory import event
from benchmarks.processes import cpu_s, resident_mb
from benchmarks.table import Row, measure_and_print
from monitor.checkpoint import IDS_PART
from monitor.engine.records import Record
from monitor.engine.rows import IdRow
from monitor.rulebook import Plan
from monitor.runtime.cluster.records import Tick, tick_of
from monitor.shard import Shard
from monitor.store.postgres import PostgresStore
from rules.load import load_packs, load_rules, starter_rules
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.engine.events import Event

SHOPS, TEMPLATES = 100_000, 50
DAYS, CUSTOMERS, OPEN = 30, 100, 10
TICK_S = 5  # a longer silence would be time down
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
IDS_A_SHOP, IDS_MS = 16, 20 * MINUTE_MS
WRITES_A_S = 1_500  # shops; the state is as of when it is written, so the time that takes is foreseen
RATE = 500  # events/s while shards move
SESSION_S = 10
BAR_MB, BAR_RESTORE_S, BAR_RECOVERY_S = 2_048, 10.0, 15.0
WRITTEN = (
    "select pg_current_wal_lsn() - '0/0'::pg_lsn, (select n_tup_ins + n_tup_upd from pg_stat_user_tables"
    " where relname = 'shard_state')"
)
SIZE = "select sum(length(data)), count(*), pg_total_relation_size('shard_state') from shard_state"
AGES = [f'slawatch_shard_checkpoint_age_seconds{{shard="{n}"}}' for n in range(PARTITIONS)]
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
                found.append((at_ms, shop, "question", day, customer))
                found.append((at_ms + MINUTE_MS, shop, "answer", day, customer))
                if customer % 3 == 0:
                    found.append((at_ms + 2 * MINUTE_MS, shop, "order", day, customer))
            for place in range(OPEN if day == 0 else 0):  # over the last ten minutes: some are late by now
                at_ms = end_ms - (OPEN - place) * MINUTE_MS + shop * MINUTE_MS // TEMPLATES
                found.append((at_ms, shop, "question", day, answered + place))
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
    hashes = array("Q", [chance.getrandbits(64) for _ in range(sum(counts))]).tobytes()
    return msgspec.msgpack.encode([IdRow(arrivals, counts, hashes, hashes)])


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


class Held(NamedTuple):
    """Two workers with everything: how long that took, and what they hold."""

    started_s: float  # from their start, Python's and the group's included
    restored_s: float  # from their assignment
    resident_mb: int  # both


def held(workers: Sequence[Worker]) -> bool:
    """Whether each partition is held and judged in time, and each worker has some."""
    caught_up = [worker.metrics("slawatch_shard_caught_up{")[0] for worker in workers]
    return sum(caught_up) == PARTITIONS and all(caught_up)


def restore(workers: Sequence[Worker]) -> Held:
    """Start them and wait until all is caught up."""
    began_s = time.monotonic()
    for worker in workers:
        worker.start()
    eventually(lambda: held(workers), within_s=300, what="all shards caught up")
    took_s = time.monotonic() - began_s
    restored_s = max(worker.logged("rebalanced")[-1]["took_s"] for worker in workers)
    return Held(took_s, restored_s, sum(resident_mb(worker.pid) for worker in workers))


class Written(NamedTuple):
    """Checkpoints of half the shops, while and after they had their events."""

    all_s: float
    took_s: float  # from the last event
    log_mb: float  # of PostgreSQL's write-ahead log
    rows: int
    cpu_s: float  # of the workers


def checkpoint(at: Stage, workers: Sequence[Worker], live: Live) -> Written:
    """Wait until half the shops had two events, and then until all of them are stored."""
    database = workers[0].database
    before, used_s, began_s = at.postgres.execute(database, WRITTEN)[0], _used_s(workers), time.monotonic()
    eventually(lambda: live.sent >= live.round, within_s=120, what="the events")
    sent_s = time.monotonic()

    def stored() -> bool:
        ages = [worker.metrics(*AGES) for worker in workers]
        return all(0 < sum(of_both) < time.monotonic() - sent_s for of_both in zip(*ages, strict=True))

    eventually(stored, within_s=240, what="a checkpoint of all shards")
    took_s = time.monotonic() - sent_s
    after = at.postgres.execute(database, WRITTEN)[0]
    log_bytes, rows = (int(now) - int(then) for now, then in zip(after, before, strict=True))
    return Written(time.monotonic() - began_s, took_s, log_bytes / 1e6, rows, _used_s(workers) - used_s)


def _used_s(workers: Sequence[Worker]) -> float:
    return sum(cpu_s(worker.pid) for worker in workers)


def measure(at: Stage, shops: int) -> list[Row]:
    """Fill, restore, write, kill, move."""
    topic, database = at.new_topic(), at.postgres.new_database()
    at.finish_topic(topic)
    names = [f"{300_000_000 + n}" for n in range(shops)]
    filled_s = fill(at, topic, database, names)
    size_bytes, size_rows, table_bytes = (int(n) for n in at.postgres.execute(database, SIZE)[0])
    one, other, third = workers = [at.worker(name, topic, database, "state") for name in ("a", "b", "c")]
    try:
        both = restore([one, other])
        with Live(at.kafka.bootstrap, topic, PARTITIONS, shops // 2 * 2 // 20, names[: shops // 2]) as live:
            written = checkpoint(at, [one, other], live)
        with Live(at.kafka.bootstrap, topic, PARTITIONS, RATE, names):
            moved = other.metrics("slawatch_shops")[0]
            other.kill()
            killed_s = time.monotonic()
            eventually(lambda: held([one]), within_s=300, what="all shards held by the one that is left")
            recovered_s = time.monotonic() - killed_s - SESSION_S
            read_ms = [line["took_ms"] for line in one.logged("shard taken")[-PARTITIONS // 2 :]]
            began_s = time.monotonic()
            third.start()
            eventually(
                lambda: held([one, third]), within_s=300, what="half the shards held by the new worker"
            )
            joined_s = time.monotonic() - began_s
            moved_s = max(worker.logged("rebalanced")[-1]["took_s"] for worker in (one, third))
    finally:
        for worker in workers:
            worker.kill()
    full = shops == SHOPS
    a_shop = size_bytes / shops
    return [
        Row(
            f"{shops:,} shops, {OPEN} open conversations, {CUSTOMERS} customers today, {DAYS} days: two"
            " workers hold",
            f"{both.resident_mb:,} MB resident, {1e3 * both.resident_mb / shops:.0f} kB a shop",
            "",
            f"≤ {BAR_MB:,} MB" if full else "",
            both.resident_mb <= BAR_MB if full else None,
        ),
        Row(
            "the same: restored",
            f"{both.restored_s:.1f} s from the assignment to the last shard, {both.started_s:.1f} s from the"
            f" start of the processes until all is caught up; {size_bytes / 1e6:,.0f} MB in {size_rows:,}"
            f" rows, {a_shop / 1e3:.1f} kB a shop, {table_bytes / 1e6:,.0f} MB on disk (made in"
            f" {filled_s:.0f} s)",
            "",
            f"≤ {BAR_RESTORE_S:g} s" if full else "",
            both.restored_s <= BAR_RESTORE_S if full else None,
        ),
        Row(
            f"{shops // 2:,} of them had events: checkpointed",
            f"{written.rows:,} rows and {written.log_mb:,.0f} MB of write-ahead log in {written.all_s:.0f} s,"
            f" all stored {written.took_s:.0f} s after the last event; {written.cpu_s:.1f} s of the workers'"
            " processor",
        ),
        Row(
            f"a worker with {moved:,.0f} shops killed, {RATE} events/s",
            f"all caught up {recovered_s:.1f} s after the session timeout; their state read in"
            f" {sum(read_ms) / 1e3:.1f} s",
            "",
            f"≤ {BAR_RECOVERY_S:g} s" if full else "",
            recovered_s <= BAR_RECOVERY_S if full else None,
        ),
        Row(
            f"half the shards moved to a worker that joins, {RATE} events/s",
            f"{moved_s:.1f} s from the rebalance until every shard was read again, {joined_s:.1f} s from the"
            " start of the process until all is caught up",
        ),
    ]


def rows(shops: int = SHOPS) -> list[Row]:
    """One run."""
    if reason := missing():
        return [Row("cluster-state", f"not run: {reason}")]
    with stage() as at:
        return measure(at, shops)


if __name__ == "__main__":
    measure_and_print(__doc__, rows, shops=SHOPS)
