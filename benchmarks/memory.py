"""What 10,000 shops cost, each with 100 customers today and 10 open conversations: memory and restore.

The day is fed in requests of 500 with a tick a second to a shard with the starter rules, in a process of
its own, and its state is stored in a real store; another process restores it and folds on.
``python -m benchmarks.memory [--shops N]``
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.engine import new_shard
from benchmarks.processes import resident_mb
from benchmarks.table import Row, print_rows
from benchmarks.traffic import FROM_MS
from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.runtime.large_pages import LargePages
from monitor.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from monitor.shard.shard import Shard

SHOPS = 10_000
CUSTOMERS, OPEN = 100, 10
BATCH = 500
SLICE_SHOPS = 100
REFOLDED = 200_000  # events folded after the restore
BAR_MB, BAR_RESTORE_S = 350, 2.0
MINUTE_MS = 60_000
OPENS_MS = FROM_MS + 9 * 60 * MINUTE_MS
STEP_MS = 8 * MINUTE_MS  # a customer of every shop, from 09:00 to 21:00
WAVE_MS = 2 * MINUTE_MS  # all shops are asked, then all answer, then every third customer pays
LAST_MS = 12_000  # the same for those who still wait
STORED_WITHIN_MIN = 60  # every shop once in so many minutes: the daemon is faster, here the day must end

Wave = tuple[str, int, int, int]  # what is said, by which customer, begin and length in ms


def waves() -> Iterator[Wave]:
    """The day: each wave goes through all shops in turn."""
    answered = CUSTOMERS - OPEN
    for customer in range(answered):
        begin_ms = OPENS_MS + customer * STEP_MS
        yield "question", customer, begin_ms, WAVE_MS
        yield "answer", customer, begin_ms + WAVE_MS, WAVE_MS
        if customer % 3 == 0:
            yield "order", customer, begin_ms + 2 * WAVE_MS, WAVE_MS
    for place in range(OPEN):
        yield "question", answered + place, OPENS_MS + answered * STEP_MS + place * LAST_MS, LAST_MS


def event(what: str, shop: int, customer: int, at_ms: int) -> Event:
    """One of a wave; ids as long as those of the platforms."""
    common = {"id": f"{shop:06d}{customer:04d}{what[0]}", "at": at_ms, "platform": "pinduoduo"}
    common |= {
        "shop_id": f"{300_000_000 + shop}",
        "customer_id": f"{4_000_000_000 + shop * 1_000 + customer}",
    }
    if what == "order":
        order = f"261111-{shop:06d}{customer:09d}"
        return Event(type="order", action="paid", order_id=order, amount=5_990, **common)
    talk = {"conversation_id": f"{shop:06d}-{common['customer_id']}", **common}
    if what == "answer":
        return Event(type="message", actor="agent", agent_id=f"{shop}:{customer % 5}", **talk)
    return Event(type="message", actor="customer", **talk)


def batches(shops: int) -> Iterator[list[Event]]:
    """The events of the day in order, up to ``BATCH`` a request."""
    for what, customer, begin_ms, span_ms in waves():
        for first in range(0, shops, BATCH):
            some = range(first, min(first + BATCH, shops))
            yield [event(what, shop, customer, begin_ms + shop * span_ms // shops) for shop in some]


def further(shops: int) -> Iterator[list[Event]]:
    """What follows the day: those who wait are answered, and more ask."""
    begin_ms = OPENS_MS + (CUSTOMERS - OPEN) * STEP_MS + OPEN * LAST_MS
    for wave in range(max(1, REFOLDED // shops)):
        what = "answer" if wave % 2 else "question"
        customer = CUSTOMERS - OPEN + wave // 2 if wave % 2 else CUSTOMERS + wave
        for first in range(0, shops, BATCH):
            some = range(first, min(first + BATCH, shops))
            yield [
                event(what, shop, customer, begin_ms + (wave * shops + shop) * LAST_MS // shops)
                for shop in some
            ]


def as_a_log(requests: Iterable[list[Event]], position: int = 0) -> Iterator[Record]:
    """Records as a daemon writes them: each request as it arrives, and a tick every second."""
    second = 0
    for events in requests:
        arrival_ms = events[-1].at
        for tick in range(second + 1 if second else arrival_ms // 1_000, arrival_ms // 1_000 + 1):
            position += 1
            yield Record(position, tick * 1_000, heard={"erp": tick * 1_000})
        second = arrival_ms // 1_000
        position += 1
        yield Record(position, arrival_ms, events, "erp")


def save(shard: Shard, store: SqliteStore, epoch: int, slices: int | None = None) -> None:
    """Store what has changed slice by slice: all of it, or so many slices."""
    for _ in count() if slices is None else range(slices):
        taken = shard.checkpoint(SLICE_SHOPS)
        if taken is None:
            break
        store.save_state(0, epoch, taken.rows, taken.floor, taken.floor_clock_ms)


def as_the_daemon() -> None:
    """Collect garbage as the daemon does; large pages are taken on the way."""
    gc.collect()
    gc.freeze()
    gc.disable()


def feed(path: Path, shops: int) -> dict[str, float]:
    """Feed the day, stored all along and at its end."""
    as_the_daemon()
    shard, pages = new_shard(rules=True, live=True), LargePages()
    store = SqliteStore(path)
    epoch = store.take(0).epoch
    before_mb, fed_s, events, stored_ms = resident_mb(os.getpid()), 0.0, 0, OPENS_MS
    for record in as_a_log(batches(shops)):
        began_s = time.process_time()
        shard.step([record])
        fed_s += time.process_time() - began_s
        events += len(record.events)
        if record.arrival_ms - stored_ms >= MINUTE_MS:
            save(shard, store, epoch, slices=1 + shops // (STORED_WITHIN_MIN * SLICE_SHOPS))
            stored_ms = record.arrival_ms
            pages.take()
    counts = shard.engine.counts
    assert (counts.accepted, counts.rejected) == (events, 0)
    assert len(shard.engine.shops) == shops
    held_mb, began_s = resident_mb(os.getpid()), time.process_time()
    save(shard, store, epoch)
    saved_s = time.process_time() - began_s
    return {
        "events": events,
        "events_per_cpu_s": round(events / fed_s),
        "conversations": sum(len(shop.conversations) for shop in shard.engine.shops.values()),
        "before_mb": before_mb,
        "resident_mb": held_mb,
        "stored_mb": resident_mb(os.getpid()),
        "state_bytes": sum(len(data) for _, _, _, data in store.load_state(0)),
        "stored_cpu_s": round(saved_s, 1),
        "position": shard.position,
    }


def restore(path: Path, shops: int, position: int) -> dict[str, float]:
    """Read the state back and build its timers, then fold on."""
    as_the_daemon()
    shard = new_shard(rules=True, live=True)
    store = SqliteStore(path)
    lease = store.take(0)
    began_s, wall_s = time.process_time(), time.perf_counter()
    shard.restore(store.load_state(0), lease.floor, lease.floor_clock_ms)
    took_s, wall_s = time.process_time() - began_s, time.perf_counter() - wall_s
    assert len(shard.engine.shops) == shops
    assert shard.now_ms
    restored_mb, log, events = resident_mb(os.getpid()), list(as_a_log(further(shops), position)), 0
    began_s = time.process_time()
    for record in log:
        shard.step([record])
        events += len(record.events)
    folded_s = time.process_time() - began_s
    assert shard.engine.counts.accepted == events
    return {
        "restore_s": round(wall_s, 2),
        "restore_cpu_s": round(took_s, 2),
        "restored_mb": restored_mb,
        "refolded_per_cpu_s": round(events / folded_s),
    }


def child(*arguments: str) -> dict[str, float]:
    """A part in a process of its own, so that its memory is its own."""
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def rows(shops: int = SHOPS) -> list[Row]:
    """Feed in one process, restore in another."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/store.db"
        fed = child("--shops", str(shops), "--feed", path)
        back = child("--shops", str(shops), "--restore", path, "--position", str(int(fed["position"])))
    full = shops == SHOPS
    what = f"{shops:,} shops, 100 customers and 10 open conversations each"
    mb, seconds = fed["stored_mb"], back["restore_s"]
    return [
        Row(
            f"{what}: resident",
            f"{mb} MB when stored, {fed['resident_mb']} MB before, {fed['before_mb']} MB without shops",
            "",
            f"≤ {BAR_MB} MB" if full else "",
            max(mb, fed["resident_mb"]) <= BAR_MB if full else None,
        ),
        Row(
            "the same: state",
            f"{fed['state_bytes'] / 1e6:.1f} MB in {fed['stored_cpu_s']} s of processor,"
            f" {fed['conversations']:,} conversations held",
        ),
        Row(
            "the same: state read and timers rebuilt",
            f"{seconds} s, {back['restore_cpu_s']} s of processor, {back['restored_mb']} MB",
            "",
            f"≤ {BAR_RESTORE_S:g} s" if full else "",
            seconds <= BAR_RESTORE_S if full else None,
        ),
        Row(
            "the same: folded after it, with the starter rules",
            f"{back['refolded_per_cpu_s']:,} events/s",
            f"{fed['events_per_cpu_s']:,} events/s over the day",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shops", type=int, default=SHOPS)
    parser.add_argument("--feed", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--restore", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--position", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.feed:
        print(json.dumps(feed(options.feed, options.shops)))
    elif options.restore:
        print(json.dumps(restore(options.restore, options.shops, options.position)))
    else:
        print_rows(rows(options.shops))


if __name__ == "__main__":
    main()
