"""State of real size: 100,000 shops in PostgreSQL, held by two workers, checkpointed, taken over and moved.

Each shop has 100 customers today, 30 days kept and 10 open conversations: of the last ten minutes, in which
something may still change. In three of them the customer waits for an answer that does not come, so that they
run out in the three minutes after the workers start, in all shops: 1,667 deadlines a second, while shards are
read and after. 4 % of the shops answered so slowly today that a starter rule fires; were all ten to wait in
vain, every shop would stand at 90 % and come into alert with the next question. Traffic is what 100 customers
a day come to: 500 events a second over all shops, a question and 45 s later its answer, but for 3 % which
nobody answers.

``python -m benchmarks.cluster_state [--shops N]``
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.cluster_fleet import CUSTOMERS, DAYS, OPEN, fill
from benchmarks.cluster_stage import PARTITIONS, Stage, Worker, missing, stage
from benchmarks.cluster_traffic import Live
from benchmarks.processes import cpu_s, resident_mb
from benchmarks.table import Row, measure_and_print
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOPS = 100_000
RATE, ANSWERED_AFTER_S, MISSED_EVERY = 500, 45.0, 33  # events/s of all shops; 100 customers in 9 h are 640
STEADY_S, HALF_S = 60, 40
SETTLE_S = 75  # of the day's traffic before the kill: two checkpoints, so that the floor is the day's
SESSION_S = 10
BAR_MB, BAR_RESTORE_S, BAR_RECOVERY_S = 2_048, 10.0, 15.0
WRITTEN = (
    "select pg_current_wal_lsn() - '0/0'::pg_lsn, (select n_tup_ins + n_tup_upd from pg_stat_user_tables"
    " where relname = 'shard_state')"
)
SIZE = "select sum(length(data)), count(*), pg_total_relation_size('shard_state') from shard_state"
AGES = [f'slawatch_shard_checkpoint_age_seconds{{shard="{n}"}}' for n in range(PARTITIONS)]


class Held(NamedTuple):
    """Two workers with everything: how long that took, and what they hold."""

    started_s: float  # from their start, Python's and the group's included
    restored_s: float  # from their assignment
    joined_s: float  # from when they asked for the group: Kafka waits 3 s for others, and anew for each
    resident_mb: int  # both


def held(workers: Sequence[Worker]) -> bool:
    """Whether each partition is held and judged in time, and each worker has some."""
    caught_up = [worker.metrics("slawatch_shard_caught_up{")[0] for worker in workers]
    return sum(caught_up) == PARTITIONS and all(caught_up)


def restore(workers: Sequence[Worker]) -> Held:
    """Start them together, as a cluster comes up, and wait until all is caught up."""
    began_s = time.monotonic()
    for worker in workers:
        worker.launch()
    for worker in workers:
        worker.announced()
    eventually(lambda: held(workers), within_s=300, what="all shards caught up")
    took_s = time.monotonic() - began_s
    last = [worker.logged("rebalanced")[-1] for worker in workers]
    restored_s, joined_s = max(one["read_s"] for one in last), max(one["took_s"] for one in last)
    return Held(took_s, restored_s, joined_s, sum(resident_mb(worker.pid) for worker in workers))


class Steady(NamedTuple):
    """A minute of the day's traffic."""

    resident_mb: int  # both, at most
    awake: int  # shops, at the end
    caught_up: int  # times out of ``looks`` at which all was
    looks: int
    cores: float  # of the workers


def steady(workers: Sequence[Worker]) -> Steady:
    """Look at them each second."""
    looks: list[tuple[int, bool]] = []
    used_s, began_s = _used_s(workers), time.monotonic()
    while time.monotonic() - began_s < STEADY_S:
        time.sleep(1.0)
        looks.append((sum(resident_mb(worker.pid) for worker in workers), held(workers)))
    cores = (_used_s(workers) - used_s) / (time.monotonic() - began_s)
    awake = sum(int(worker.metrics("slawatch_shops_awake")[0]) for worker in workers)
    return Steady(max(mb for mb, _ in looks), awake, sum(well for _, well in looks), len(looks), cores)


class Written(NamedTuple):
    """Checkpoints of half the shops, while and after they had their events."""

    all_s: float
    took_s: float  # from the last event
    log_mb: float  # of PostgreSQL's write-ahead log
    rows: int
    cpu_s: float  # of the workers
    resident_mb: int  # both, at the end


def checkpoint(at: Stage, workers: Sequence[Worker], live: Live) -> Written:
    """Have half the shops take two events each, and wait until all of them are stored."""
    database = workers[0].database
    before, used_s, began_s = at.postgres.execute(database, WRITTEN)[0], _used_s(workers), time.monotonic()
    with live:
        eventually(lambda: live.sent >= live.round, within_s=120, what="the events")
    sent_s = time.monotonic()

    def stored() -> bool:
        ages = [worker.metrics(*AGES) for worker in workers]
        return all(0 < sum(of_both) < time.monotonic() - sent_s for of_both in zip(*ages, strict=True))

    eventually(stored, within_s=240, what="a checkpoint of all shards")
    took_s = time.monotonic() - sent_s
    after = at.postgres.execute(database, WRITTEN)[0]
    log_bytes, rows = (int(now) - int(then) for now, then in zip(after, before, strict=True))
    now_mb = sum(resident_mb(worker.pid) for worker in workers)
    all_s, used_s = time.monotonic() - began_s, _used_s(workers) - used_s
    return Written(all_s, took_s, log_bytes / 1e6, rows, used_s, now_mb)


def _used_s(workers: Sequence[Worker]) -> float:
    return sum(cpu_s(worker.pid) for worker in workers)


class Taken(NamedTuple):
    """A worker was killed, the other one took its shards, and a third half of all."""

    shops: int  # of the one that was killed
    recovered_s: float  # from the session timeout until all was caught up
    read_s: float  # from the assignment to the last shard
    resident_mb: int  # of the one that is left
    joined_s: float  # from the start of the third until all was caught up
    moved_s: float  # from its assignment until every shard was read again


def take_over(one: Worker, other: Worker, third: Worker) -> Taken:
    """Kill one of two, then have a third join."""
    shops = int(other.metrics("slawatch_shops")[0])
    other.kill()
    killed_s = time.monotonic()
    eventually(lambda: held([one]), within_s=300, what="all shards held by the one that is left")
    recovered_s = time.monotonic() - killed_s - SESSION_S
    read_s = one.logged("rebalanced")[-1]["read_s"]
    left_mb, began_s = resident_mb(one.pid), time.monotonic()
    third.start()
    eventually(lambda: held([one, third]), within_s=300, what="half the shards held by the new worker")
    joined_s = time.monotonic() - began_s
    moved_s = max(worker.logged("rebalanced")[-1]["read_s"] for worker in (one, third))
    return Taken(shops, recovered_s, read_s, left_mb, joined_s, moved_s)


def measure(at: Stage, shops: int) -> list[Row]:
    """Fill, restore, look, write, kill, move."""
    topic, database = at.new_topic(), at.postgres.new_database()
    at.finish_topic(topic)
    names = [f"{300_000_000 + n}" for n in range(shops)]
    filled_s = fill(at, topic, database, names)
    size_bytes, size_rows, table_bytes = (int(n) for n in at.postgres.execute(database, SIZE)[0])
    stored = f"{size_bytes / 1e6:,.0f} MB in {size_rows:,} rows, {size_bytes / shops / 1e3:.1f} kB a shop,"
    stored += f" {table_bytes / 1e6:,.0f} MB on disk (made in {filled_s:.0f} s)"
    one, other, third = workers = [at.worker(name, topic, database, "state") for name in ("a", "b", "c")]

    def day(name: str) -> Live:
        rate = RATE * shops // SHOPS
        more = {"answered_after_s": ANSWERED_AFTER_S, "missed_every": MISSED_EVERY}
        return Live(at.kafka.bootstrap, topic, PARTITIONS, rate, names, name, **more)

    try:
        both = restore([one, other])
        with day("day"):
            minute = steady([one, other])
        half = names[: shops // 2]
        live = Live(at.kafka.bootstrap, topic, PARTITIONS, shops // 2 * 2 // HALF_S, half, "half")
        written = checkpoint(at, [one, other], live)
        with day("killed") as live:
            enough = SETTLE_S * RATE * shops // SHOPS
            eventually(lambda: live.sent >= enough, within_s=300, what="the day's traffic")
            taken = take_over(one, other, third)
    finally:
        for worker in workers:
            worker.kill()
    return rows_of(shops, both, stored, minute, written, taken)


def rows_of(shops: int, both: Held, stored: str, minute: Steady, written: Written, taken: Taken) -> list[Row]:
    """What was found; bars are for the full size."""
    full, rate, most_mb = shops == SHOPS, RATE * shops // SHOPS, max(both.resident_mb, minute.resident_mb)
    return [
        Row(
            f"{shops:,} shops, {OPEN} open conversations, {CUSTOMERS} customers today, {DAYS} days: two"
            f" workers hold, over {STEADY_S} s at {rate} events/s",
            f"{most_mb:,} MB resident at most, {1e3 * most_mb / shops:.0f} kB a shop; {both.resident_mb:,} MB"
            f" before; {minute.awake:,} shops awake, all caught up at {minute.caught_up} of {minute.looks}"
            f" looks, {minute.cores:.2f} cores",
            "",
            f"≤ {BAR_MB:,} MB" if full else "",
            most_mb <= BAR_MB if full else None,
        ),
        Row(
            "the same: restored",
            f"{both.restored_s:.1f} s from the assignment to the last shard, {both.joined_s:.1f} s from"
            f" when they joined the group, {both.started_s:.1f} s from the start of the processes until all"
            f" is caught up; {stored}",
            "",
            f"≤ {BAR_RESTORE_S:g} s" if full else "",
            both.restored_s <= BAR_RESTORE_S if full else None,
        ),
        Row(
            f"{shops // 2:,} of them had events within {HALF_S} s: checkpointed",
            f"{written.rows:,} rows and {written.log_mb:,.0f} MB of write-ahead log in {written.all_s:.0f} s,"
            f" all stored {written.took_s:.0f} s after the last event; {written.cpu_s:.1f} s of the workers'"
            f" processor; {written.resident_mb:,} MB resident then",
        ),
        Row(
            f"a worker with {taken.shops:,} shops killed, {rate} events/s",
            f"all caught up {taken.recovered_s:.1f} s after the session timeout; their state read in"
            f" {taken.read_s:.1f} s; {taken.resident_mb:,} MB in the one that is left",
            "",
            f"≤ {BAR_RECOVERY_S:g} s" if full else "",
            taken.recovered_s <= BAR_RECOVERY_S if full else None,
        ),
        Row(
            f"half the shards moved to a worker that joins, {rate} events/s",
            f"{taken.moved_s:.1f} s from the assignment until every shard was read again,"
            f" {taken.joined_s:.1f} s from the start of the process until all is caught up",
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
