"""HTTP ingest, durable: batches of 500 with engine, rules and ticks running (design §13).

``python -m benchmarks.ingest [--rate EVENTS_A_SECOND] [--seconds S]``, and then as fast as it takes them.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.daemon import Daemon, percentile, post
from benchmarks.table import Row, measure_and_print

BATCH = 500
SHOPS = 200
SENDERS = 8
SECONDS = 60
TOO_FAST = 429
BAR_RATE, BAR_P99_MS = 20_000, 250

LINE = (
    '{"type":"message","id":"%d","at":%d,"platform":"pinduoduo","shop_id":"s%d","conversation_id":"c%d",'
    '"customer_id":"u%d","actor":"%s","agent_id":"%s","kind":"text","text":"在吗，什么时候发货"}'
)


def body(number: int) -> bytes:
    """A batch: in each conversation two questions and two answers, over some seconds."""
    now_ms = time.time_ns() // 1_000_000
    first = number * BATCH
    lines = []
    for n in range(first, first + BATCH):
        conversation = first // 8 * 2 + n % (BATCH // 4)
        agent = (n - first) // (BATCH // 4) % 2 == 1
        lines.append(
            LINE
            % (
                n,
                now_ms - 4_000 + (n - first) * 8,
                conversation % SHOPS,
                conversation,
                conversation // 2,
                "agent" if agent else "customer",
                f"a{conversation % 5}" if agent else "",
            )
        )
    return "\n".join(lines).encode()


def send(daemon: Daemon, rate: int, seconds: int) -> tuple[list[float], int, int, float]:
    """Latencies in ms from when each batch was due, events accepted, times refused, and the time it took."""
    due: queue.Queue[tuple[float, bytes] | None] = queue.Queue(SENDERS)
    took_ms: list[float] = []
    accepted, refused = [0] * SENDERS, [0] * SENDERS

    def sender(mine: int) -> None:
        connection = daemon.connect()
        while (item := due.get()) is not None:
            at, data = item
            while (found := post(connection, "/api/v1/events", data))[0] == TOO_FAST:
                refused[mine] += 1
                time.sleep(1)  # as its Retry-After says
            status, answer = found
            took_ms.append((time.perf_counter() - at) * 1000)
            assert status == 202, answer
            accepted[mine] += answer["accepted"]
        connection.close()

    threads = [threading.Thread(target=sender, args=(mine,)) for mine in range(SENDERS)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    number = 0
    while time.perf_counter() - began < seconds:
        data = body(number)
        at = began + number * BATCH / rate if rate else time.perf_counter()
        time.sleep(max(0.0, at - time.perf_counter()))
        due.put((at if rate else time.perf_counter(), data))
        number += 1
    for _ in threads:
        due.put(None)
    for thread in threads:
        thread.join()
    return took_ms, sum(accepted), sum(refused), time.perf_counter() - began


def measure(rate: int, seconds: int) -> dict[str, float]:
    """One run against a fresh daemon."""
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder))
        with daemon.running():
            cpu_s = daemon.cpu_s()
            took_ms, accepted, refused, elapsed_s = send(daemon, rate, seconds)
            cpu_s = daemon.cpu_s() - cpu_s
            ended = time.perf_counter()
            end = time.monotonic() + 120
            while daemon.metric("slawatch_shard_position") < daemon.metric("slawatch_journal_position") - 2:
                assert time.monotonic() < end, "the shard does not catch up"
                time.sleep(0.1)
            return {
                "events_per_s": round(accepted / elapsed_s),
                "accepted": accepted,
                "refused": refused,
                "p50_ms": round(percentile(took_ms, 50), 1),
                "p99_ms": round(percentile(took_ms, 99), 1),
                "max_ms": round(max(took_ms), 1),
                "cpu_s": round(cpu_s, 1),
                "events_per_cpu_s": round(accepted / cpu_s),
                "folded_after_s": round(time.perf_counter() - ended, 1),
                "resident_mb": daemon.resident_mb(),
            }


def rows(seconds: int = SECONDS, rate: int = BAR_RATE) -> list[Row]:
    """The rate of the bar, and then as fast as it takes them."""
    found = []
    for wanted in dict.fromkeys((rate, 0)):
        run = measure(wanted, seconds)
        held = run["events_per_s"] >= 0.99 * BAR_RATE and run["p99_ms"] <= BAR_P99_MS
        barred = wanted == BAR_RATE
        found.append(
            Row(
                f"ingest, batches of {BATCH}, {f'{wanted:,} events/s offered' if wanted else 'all it takes'},"
                f" {seconds} s",
                f"{run['events_per_s']:,} events/s, {run['refused']} batches refused,"
                f" p50 {run['p50_ms']} ms, p99 {run['p99_ms']} ms,"
                f" {run['events_per_cpu_s']:,} events per second of processor,"
                f" {run['resident_mb']} MB, folded {run['folded_after_s']} s after the last",
                "",
                f"≥ {BAR_RATE:,} events/s, p99 ≤ {BAR_P99_MS} ms" if barred else "",
                held if barred else None,
            )
        )
    return found


if __name__ == "__main__":
    measure_and_print(__doc__, rows, rate=BAR_RATE, seconds=SECONDS)
