"""The engine with the full Pinduoduo pack, decode included, beside the bare decode of the same lines.

Processor time of one core, reference and engine by turns; the median of the ratios counts, since they
vary less than the rates. ``python -m benchmarks.engine [--events N]``
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks.table import Row, measure_and_print
from benchmarks.traffic import traffic_from_outside
from monitor.commands.offline import few_collections
from monitor.engine.events import Event
from monitor.engine.records import Record, numbered
from monitor.rulebook import Plan
from monitor.runtime.large_pages import LargePages
from monitor.shard.shard import Shard
from monitor.sources.wire import decode_body, decode_lines
from rules.load import load_packs, load_rules, starter_rules
from rules.rule import RuleSet

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 300_000
BATCH = 500
ROUNDS = 3
BAR, GOAL = 0.12, 0.2

Chunk = tuple[list[int], list[bytes], bytes]  # arrivals, lines, and the lines as one body


def chunk_of(part: list[tuple[int, bytes]]) -> Chunk:
    """What arrives together."""
    arrivals, lines = [arrival_ms for arrival_ms, _ in part], [line for _, line in part]
    return arrivals, lines, b"\n".join(lines)


def new_shard(*, rules: bool, live: bool = False) -> Shard:
    """A shard with the packs that ship, with the starter rules or with none; of files, or of a daemon."""
    packs = load_packs()
    chosen = load_rules(starter_rules(), packs) if rules else RuleSet()
    return Shard(Plan(packs, chosen, quiet_gaps=not live))


def bare(chunks: list[Chunk]) -> None:
    """The reference: each line decoded to an event of the same type, and dropped."""
    decode = msgspec.json.Decoder(Event).decode
    for _, lines, _ in chunks:
        for line in lines:
            decode(line)


def one_by_one(chunks: list[Chunk], *, rules: bool = False) -> Shard:
    """Lines as a file is read, each a record of its own, as in ``slawatch replay``."""
    shard = new_shard(rules=rules)
    position = 0
    for arrivals, lines, _ in chunks:
        shard.step(_records(position, arrivals, lines))  # held by no name: a daemon lets go of them as well
        position += len(lines)
    return shard


def _records(position: int, arrivals: list[int], lines: list[bytes]) -> list[Record]:
    events = decode_lines(lines).events
    return numbered(position + 1, zip(arrivals, ([event] for event in events), strict=True))


def in_batches(chunks: list[Chunk], *, rules: bool = False) -> Shard:
    """Bodies as the entrance takes them, each a record, as in the daemon."""
    shard = new_shard(rules=rules)
    for position, (arrivals, _, body) in enumerate(chunks, 1):
        shard.step([_record(position, arrivals[-1], body)])
    return shard


def _record(position: int, arrival_ms: int, body: bytes) -> Record:
    return Record(position, arrival_ms, decode_body(body, arrival_ms, "application/x-ndjson").events)


def cpu_s(run: Callable[[], Shard | None], events: int) -> float:
    """Processor seconds of one run, which must have taken every event."""
    gc.collect()
    LargePages().take()  # as a daemon does, twice a minute
    with few_collections():
        began_s = time.process_time()
        shard = run()
        took_s = time.process_time() - began_s
    if shard is not None:
        counts = shard.engine.counts
        assert (counts.read, counts.rejected) == (events, 0)
    return took_s


def rows(events: int = EVENTS) -> list[Row]:
    """One run: every way through the engine beside the bare decode."""
    lines = traffic_from_outside(events)
    chunks = [chunk_of(lines[start : start + BATCH]) for start in range(0, events, BATCH)]
    ways = {
        "engine, a record per event": lambda: one_by_one(chunks),
        f"engine, records of {BATCH}": lambda: in_batches(chunks),
        "the same with the starter rules, a record per event": lambda: one_by_one(chunks, rules=True),
        f"the same with the starter rules, records of {BATCH}": lambda: in_batches(chunks, rules=True),
    }
    reference_s: list[float] = []
    took_s: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        reference_s.append(cpu_s(lambda: bare(chunks), events))
        for name, way in ways.items():
            took_s[name].append(cpu_s(way, events))
    found = []
    for name, times in took_s.items():
        ratio = statistics.median(bare_s / own_s for bare_s, own_s in zip(reference_s, times, strict=True))
        bar = f"≥ {BAR} of it, goal {GOAL}" if name.startswith("engine") else ""
        rate, reference = (
            round(events / statistics.median(times)),
            round(events / statistics.median(reference_s)),
        )
        found.append(
            Row(
                name,
                f"{rate:,} events/s = {ratio:.3f}",
                f"bare decode {reference:,} events/s",
                bar,
                ratio >= BAR if bar else None,
            )
        )
    return found


if __name__ == "__main__":
    measure_and_print(__doc__, rows, events=EVENTS)
