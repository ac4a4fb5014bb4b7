"""One worker and two on a real broker, state in PostgreSQL, beside plain Faust agents and Kafka Streams.

All read the same topic: an hour of shops that are equally busy, with the ticks a worker writes. State is
written every 30 s, as in a daemon, and whole at the end, which counts. Rates are compared by processor time
where one process stands beside another, by the clock where two stand beside one.
``python -m benchmarks.cluster [--events N]``
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.cluster_references import Rate, kafka_streams, naive_faust, rate_of, streams_missing
from benchmarks.cluster_stage import PARTITIONS, Stage, Worker, compiled, missing, stage
from benchmarks.cluster_traffic import an_hour, put
from benchmarks.processes import cpu_s, resident_mb
from benchmarks.table import Row, measure_and_print

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS, SHOPS = 600_000, 2_000
FAUST_RECORDS, TABLE_RECORDS = 100_000, 40_000  # some ten seconds each
BAR_FAUST, BAR_TWO = 12, 1.7
LOOK_S, LAST_LOOKS_S = 1.0, 0.1
LAST = 0.9  # of all events: from there on it is looked often, since a look after the end says only "before"


class Run(NamedTuple):
    """Workers over the whole topic: their rate, and what stood behind it."""

    rate: Rate
    resident_mb: int  # the largest worker's
    transitions: int
    state_mb: float
    broker_cores: float  # busy on average
    database_cores: float


def run(at: Stage, workers: Sequence[Worker], events: int) -> Run:
    """Let them read the topic to its end, write their state and go."""
    before, began_s = at.cpu_s(), time.monotonic()
    looks = [(began_s, 0.0, 0.0)]
    try:
        for worker in workers:
            worker.start()
        while looks[-1][2] < events:
            time.sleep(LOOK_S if looks[-1][2] < LAST * events else LAST_LOOKS_S)
            folded = sum(worker.events() for worker in workers)
            used_s = sum(cpu_s(worker.pid) for worker in workers)
            looks.append((time.monotonic(), used_s, folded))
            assert looks[-1][0] < began_s + 600, f"{folded} of {events} events after 600 s"
        after = at.cpu_s()
        most_mb = max(resident_mb(worker.pid) for worker in workers)
        ended = sum(worker.stop() for worker in workers)
    finally:
        for worker in workers:
            worker.kill()
    took_s = looks[-1][0] - next(look for look in looks if look[2])[0]
    looks.append((time.monotonic(), ended, looks[-1][2]))
    (state_bytes,) = at.postgres.execute(workers[0].database, "select sum(length(data)) from shard_state")[0]
    (transitions,) = at.postgres.execute(workers[0].database, "select count(*) from transition")[0]
    busy = [(now - then) / max(took_s, 1.0) for now, then in zip(after, before, strict=True)]
    return Run(rate_of(looks), most_mb, transitions, int(state_bytes) / 1e6, *busy)


def rows(events: int = EVENTS) -> list[Row]:
    """Every reader of the same topic, one after the other."""
    if reason := missing():
        return [Row("cluster", f"not run: {reason}")]
    full = events == EVENTS
    with stage() as at:
        topic = at.new_topic()
        hour = an_hour(events, SHOPS, time.time_ns() // 1_000_000)
        asyncio.run(put(at.kafka.bootstrap, topic, PARTITIONS, hour))
        at.finish_topic(topic)
        faust = naive_faust(at.kafka.bootstrap, topic, min(FAUST_RECORDS, events // 2))
        table = naive_faust(at.kafka.bootstrap, topic, min(TABLE_RECORDS, events // 2), durable=True)
        no_streams = streams_missing()
        streams = None if no_streams else kafka_streams(at.kafka.bootstrap, topic, events)

        def on(name: str, count: int, *, rules: bool = True) -> Run:
            database = at.postgres.new_database()
            workers = [at.worker(f"{name}-{n}", topic, database, name, rules=rules) for n in range(count)]
            return run(at, workers, events)

        one, bare, two = on("one", 1), on("bare", 1, rules=False), on("two", 2)
    beside = f"naive Faust {shown(faust)}; with a table {shown(table)}" + (
        f"; Kafka Streams {shown(streams)}" if streams else f"; {no_streams}"
    )
    times, ahead = one.rate.by_cpu / faust.by_cpu, streams and one.rate.by_cpu / streams.by_cpu
    durably = one.rate.by_cpu / table.by_cpu
    bars = f"≥ {BAR_FAUST} × naive Faust, goal ahead of Kafka Streams per second of processor"
    scaled = two.rate.by_clock / one.rate.by_clock
    return [
        Row(
            f"one worker ({compiled()}), starter rules, {SHOPS:,} shops, {events:,} events",
            f"{described(one)} = {times:.1f} × naive Faust, {durably:.1f} × with a table"
            + (f", {ahead:.2f} × Kafka Streams" if ahead else ""),
            beside,
            bars if full else "",
            times >= BAR_FAUST if full else None,
        ),
        Row("the same without rules", described(bare), beside),
        Row(
            "two workers, starter rules",
            f"{described(two)} = {scaled:.2f} × one by the clock",
            f"one worker {shown(one.rate)}",
            f"≥ {BAR_TWO} × one" if full else "",
            scaled >= BAR_TWO if full else None,
        ),
    ]


def shown(rate: Rate) -> str:
    """As the table says it."""
    return f"{rate.by_clock:,.0f} events/s, {rate.by_cpu:,.0f} per second of processor"


def described(found: Run) -> str:
    """The same with what stood behind it."""
    return (
        f"{shown(found.rate)}; {found.resident_mb} MB, {found.transitions:,} transitions,"
        f" state {found.state_mb:.0f} MB; broker {found.broker_cores:.2f} and"
        f" database {found.database_cores:.2f} cores"
    )


if __name__ == "__main__":
    measure_and_print(__doc__, rows, events=EVENTS)
