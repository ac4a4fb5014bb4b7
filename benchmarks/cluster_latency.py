"""From an event to its transition in PostgreSQL, at a steady 20,000 events/s on a real broker.

A probe is the first dispute of a shop: one event that makes a critical rule fire, with no ``for``. Rules are
judged at whole seconds, so half a second in the mean is waited by design: what is added to it counts, from
the second of the transition's own time to when others can read it. ``python -m benchmarks.cluster_latency``
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import psycopg

from benchmarks.cluster_stage import PARTITIONS, missing, stage
from benchmarks.cluster_traffic import Live
from benchmarks.daemon import percentile
from benchmarks.latency import probe
from benchmarks.processes import cpu_s
from benchmarks.table import Row, measure_and_print
from rules.transition import Transition
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.cluster_stage import Worker

RATE, SHOPS, SECONDS = 20_000, 2_000, 60
BAR_P99_MS = 1_000
PROBE_EVERY_S = 0.137  # at every moment of a second alike
LOOK_S = 0.01
RULE = """
rules:
  - {id: probe, measure: intervention_rate, notify: screen, crit: {late: ">= 1"}, shops: {ids: [%s]}}
"""
NEW = "select at_ms, body from transition where at_ms >= %s"


def look(database: psycopg.Connection, since_ms: int, seen: dict[str, tuple[int, float]]) -> None:
    """Note of each probe that is told by now: the time of its transition, and now."""
    rows, now_s = database.execute(NEW, (since_ms,)).fetchall(), time.time()
    for at_ms, body in rows:
        told = msgspec.msgpack.decode(body, type=Transition)
        if told.rule == "probe" and told.to_state == "firing":
            seen.setdefault(told.subject["shop"], (at_ms, now_s))


def measure(worker: Worker, live: Live, seconds: int) -> dict[str, float]:
    """Probes for so long; what is sent beside them is under way already."""
    sent_s, seen = dict[str, float](), dict[str, tuple[int, float]]()
    began_s, cpu_began_s, events = time.time(), cpu_s(worker.pid), live.sent
    with psycopg.connect(worker.database, autocommit=True) as database:
        while time.time() < began_s + seconds:
            shop = f"probe{len(sent_s)}"
            sent_s[f"pinduoduo:{shop}"] = time.time()
            live.probe(shop, probe(shop))
            until_s = time.time() + PROBE_EVERY_S
            while time.time() < until_s:
                look(database, int(1000 * (time.time() - 10)), seen)
                time.sleep(LOOK_S)
        taken, used_s = live.sent - events, cpu_s(worker.pid) - cpu_began_s
        end = time.time() + 10
        while len(seen) < len(sent_s) and time.time() < end:
            look(database, int(1000 * (began_s - 10)), seen)
            time.sleep(LOOK_S)
    added = [1000 * (told_s - at_ms / 1000) for at_ms, told_s in seen.values()]
    whole = [1000 * (told_s - sent_s[subject]) for subject, (_, told_s) in seen.items()]
    return {
        "probes": len(sent_s),
        "lost": len(sent_s) - len(seen),
        "added_p50": percentile(added, 50),
        "added_p99": percentile(added, 99),
        "whole_p50": percentile(whole, 50),
        "whole_p99": percentile(whole, 99),
        "whole_max": max(whole),
        "rate": taken / seconds,
        "busy": used_s / seconds,
        "behind_ms": 1000 * live.behind_s,
    }


def rows(seconds: int = SECONDS) -> list[Row]:
    """One worker under a steady load."""
    if reason := missing():
        return [Row("cluster-latency", f"not run: {reason}")]
    with stage() as at:
        topic = at.new_topic()
        at.finish_topic(topic)
        worker = at.worker("one", topic, at.postgres.new_database(), "one")
        probes = [f"probe{n}" for n in range(int(seconds / PROBE_EVERY_S) + 10)]
        (worker.folder / "rules" / "probe.yaml").write_text(RULE % ", ".join(probes))
        try:
            worker.start()
            with Live(at.kafka.bootstrap, topic, PARTITIONS, RATE, [f"s{n}" for n in range(SHOPS)]) as live:
                eventually(worker.ready, within_s=60, what="a worker that keeps up")
                time.sleep(5)
                found = measure(worker, live, seconds)
        finally:
            worker.kill()
    held = not found["lost"] and found["added_p99"] <= BAR_P99_MS
    return [
        Row(
            f"event to transition, {RATE:,} events/s, one worker, {seconds} s",
            f"added p50 {found['added_p50']:.0f} ms, p99 {found['added_p99']:.0f} ms; with the wait for the"
            f" whole second p50 {found['whole_p50']:.0f} ms, p99 {found['whole_p99']:.0f} ms, max"
            f" {found['whole_max']:.0f} ms; {found['lost']} of {found['probes']} lost;"
            f" {found['rate']:,.0f} events/s, {found['busy']:.2f} cores of the worker;"
            f" the sender at most {found['behind_ms']:.0f} ms behind",
            "",
            f"added p99 ≤ {BAR_P99_MS:,} ms",
            held,
        )
    ]


if __name__ == "__main__":
    measure_and_print(__doc__, rows, seconds=SECONDS)
