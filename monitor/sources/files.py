"""Events from files: NDJSON, gzipped or not, or standard input (``-``); in order of arrival.

Lines with ``received_at`` arrive in file order at those times. Lines without it are put in order of
``at`` first, since exports are seldom in order, and arrive at ``at``; what does not fit in memory is
sorted in runs on disk and merged. No text reaches the disk: runs hold packed events.
"""

from __future__ import annotations

import gzip
import heapq
import sys
import tempfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from monitor.engine.limits import AHEAD_MS
from monitor.errors import MonitorError
from monitor.limits import DEAD_LETTER_BYTES, LATEST_MS, LINE_BYTES, SORT_MEMORY_BYTES
from monitor.sources.found import Decoded, Rejected
from monitor.sources.framing import BOM
from monitor.sources.times import format_time
from monitor.sources.wire import decode_lines, unpack_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from io import BufferedReader

    from monitor.engine.events import Event

    Progress = Callable[[int], None]  # bytes read since the last call, as they lie on the disk
    Refused = Callable[[str, int, Rejected], None]  # file, line (from 1), what and why

_CHUNK_BYTES = 1 << 16  # some 250 events; of more, the first are out of the processor's cache when folded
_BLOCK_EVENTS = 250
_STDIN = "-"


class FileError(MonitorError):
    """A file that cannot be read, or that mixes lines with and without ``received_at``."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a file; of one that is too long, its start."""

    path: str
    first_line: int
    lines: list[bytes]


def total_bytes(paths: Sequence[str]) -> int | None:
    """How much there is to read, for a progress bar; None when standard input is among it."""
    if _STDIN in paths:
        return None
    return sum(Path(path).stat().st_size for path in paths if Path(path).is_file())


def read_arrivals(
    paths: Sequence[str],
    *,
    refused: Refused,
    progress: Progress | None = None,
    until_ms: int | None = None,
    memory_bytes: int = SORT_MEMORY_BYTES,
) -> Iterator[tuple[int, list[Event]]]:
    """Read events from files as they arrived: ``(arrival_ms, events)``, the arrivals never falling.

    Args:
        paths: NDJSON files, gzipped or not; ``-`` is standard input.
        refused: Told of every bad line; the others are taken.
        progress: Told of bytes read.
        until_ms: What arrives later is left out; with ``received_at`` the lines from there on are not read.
        memory_bytes: What may be held before runs are spilled to the temporary directory.

    Raises:
        FileError: A file cannot be read, or mixes lines with and without ``received_at``.
    """
    batches = (
        batch for path in paths for chunk in read_chunks(path, progress) if (batch := _decode(chunk, refused))
    )
    first = next(batches, None)
    if first is None:
        return
    events = _same_kind(first, batches)
    if first.timed:
        yield from _in_file_order(events, refused, until_ms)
        return
    for arrival_ms, arrived in _in_order_of_at(events, refused, memory_bytes):
        if until_ms is not None and arrival_ms > until_ms:
            break
        yield arrival_ms, arrived


@dataclass(frozen=True, slots=True)
class _Batch:
    path: str
    first_line: int
    decoded: Decoded

    @property
    def timed(self) -> bool:
        return self.decoded.events[0].received_at != ""

    def line(self, number: int) -> int:
        """The line of an event."""
        return self.first_line + self.decoded.indexes[number]

    def report(self, refused: Refused, *, before_line: int | None = None) -> None:
        """Tell of its bad lines, or of those before a line."""
        for bad in self.decoded.rejected:
            line = self.first_line + bad.index
            if before_line is None or line < before_line:
                refused(self.path, line, bad)


def read_chunks(path: str, progress: Progress | None = None) -> Iterator[Chunk]:
    """Read a file as chunks of whole lines; a line is never held beyond ``LINE_BYTES``."""
    line_number, rest = 1, b""
    for block in _read_blocks(path, progress):
        data = rest + block
        if len(data) > LINE_BYTES + _CHUNK_BYTES and b"\n" not in block:
            rest = data[: LINE_BYTES + 1]  # its end is not here yet; what it says will be refused anyway
            continue
        *lines, rest = data.split(b"\n")
        if lines:
            yield Chunk(path, line_number, lines)
            line_number += len(lines)
    if rest:
        yield Chunk(path, line_number, [rest])


def _read_blocks(path: str, progress: Progress | None) -> Iterator[bytes]:
    try:
        with ExitStack() as stack:
            file = sys.stdin.buffer if path == _STDIN else stack.enter_context(Path(path).open("rb"))
            plain = cast("BufferedReader", file)
            packed = plain.peek(2)[:2] == b"\x1f\x8b"
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain
            seen = 0
            first = True
            while block := stream.read(_CHUNK_BYTES):
                if progress is not None:
                    reached = plain.tell() if plain.seekable() else seen + len(block)
                    progress(reached - seen)
                    seen = reached
                yield block.removeprefix(BOM) if first else block
                first = False
    except (OSError, EOFError, zlib.error) as error:
        detail = getattr(error, "strerror", None) or str(error)
        raise FileError(
            f"{path}: {detail}", mend="name a readable file of JSON lines", code="file"
        ) from error


def _decode(chunk: Chunk, refused: Refused) -> _Batch | None:
    """The events of a chunk, its bad lines yet to be reported; None where it has none, and they are."""
    batch = _Batch(chunk.path, chunk.first_line, decode_lines(chunk.lines))
    if not batch.decoded.events:
        batch.report(refused)
        return None
    source = "stdin" if chunk.path == _STDIN else Path(chunk.path).name
    for event in batch.decoded.events:
        if not event.source:
            event.source = source
    return batch


def _same_kind(first: _Batch, rest: Iterable[_Batch]) -> Iterator[_Batch]:
    """The batches, each held to be of the first line's kind: with ``received_at`` or without."""
    for batch in chain((first,), rest):
        timed = [event.received_at != "" for event in batch.decoded.events]
        if (not first.timed) in timed:
            line = batch.line(timed.index(not first.timed))
            raise FileError(
                f"{batch.path}:{line}: {'no' if first.timed else 'has'} `received_at`, unlike line one",
                mend="give it to every line or to none",
                code="mixed_received_at",
            )
        yield batch


def _in_file_order(
    batches: Iterable[_Batch], refused: Refused, until_ms: int | None
) -> Iterator[tuple[int, list[Event]]]:
    arrival_ms = 0
    last_ms = LATEST_MS if until_ms is None else until_ms
    for batch in batches:
        events = batch.decoded.events
        times = cast("list[tuple[int, int]]", [(event.received_at, event.at) for event in events])
        held: list[Event] = []
        for number, (received_ms, at_ms) in enumerate(times):
            if received_ms > arrival_ms:
                if held:
                    yield arrival_ms, held
                    held = []
                if received_ms > last_ms:
                    batch.report(refused, before_line=batch.line(number))
                    return
                arrival_ms = received_ms
            if at_ms > arrival_ms + AHEAD_MS:
                line = batch.line(number)
                refused(batch.path, line, _too_early(events[number], line))
            else:
                held.append(events[number])
        batch.report(refused)
        if held:
            yield arrival_ms, held


def _too_early(event: Event, line: int) -> Rejected:
    at = format_time(cast("int", event.at))
    reason = f"`at` is {at}, more than 5 minutes after `received_at`; set the clock of the source"
    return Rejected(line - 1, "ahead", reason, msgspec.json.encode(event)[:DEAD_LETTER_BYTES])


# What an event costs while it waits to be sorted beside its packed bytes: their object, its time, and
# two places in lists.
_HELD_BYTES = 110
_encode = msgspec.msgpack.Encoder().encode
_at = attrgetter("at")


def _in_order_of_at(
    batches: Iterable[_Batch], refused: Refused, memory_bytes: int
) -> Iterator[tuple[int, list[Event]]]:
    with ExitStack() as stack:
        runs: list[Iterator[Event]] = []
        times: list[int] = []
        packed: list[bytes] = []
        held_bytes = 0
        for batch in batches:
            batch.report(refused)
            fresh = [_encode(event) for event in batch.decoded.events]
            times += map(_at, batch.decoded.events)
            packed += fresh
            held_bytes += sum(map(len, fresh)) + _HELD_BYTES * len(fresh)
            if held_bytes > memory_bytes:
                spill = stack.enter_context(tempfile.TemporaryFile(prefix="slawatch-sort-"))
                _write_run(spill, _sorted_blocks(times, packed))
                runs.append(_events(_read_run(spill)))
                times, packed, held_bytes = [], [], 0
        runs.append(_events(_sorted_blocks(times, packed)))
        # Equal times keep the order of the file: the sort is stable, and so is the merge.
        ordered = runs[0] if len(runs) == 1 else heapq.merge(*runs, key=_at)
        yield from _by_arrival(ordered)


def _by_arrival(ordered: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    at_ms = 0
    held: list[Event] = []
    for event in ordered:
        if event.at == at_ms:
            held.append(event)
            continue
        if held:
            yield at_ms, held
        at_ms, held = cast("int", event.at), [event]
    if held:
        yield at_ms, held


def _sorted_blocks(times: list[int], packed: list[bytes]) -> Iterator[bytes]:
    """Blocks of events in order of time, each a msgpack array: its header, then events packed already."""
    order = sorted(range(len(times)), key=times.__getitem__)
    for start in range(0, len(order), _BLOCK_EVENTS):
        block = [packed[place] for place in order[start : start + _BLOCK_EVENTS]]
        yield b"\xdc" + len(block).to_bytes(2) + b"".join(block)


def _write_run(spill: IO[bytes], blocks: Iterable[bytes]) -> None:
    for block in blocks:
        spill.write(len(block).to_bytes(4) + block)


def _read_run(spill: IO[bytes]) -> Iterator[bytes]:
    # A merge reads many runs in turn, but each from its own file: the place in the file is the run's.
    spill.seek(0)
    while head := spill.read(4):
        yield spill.read(int.from_bytes(head))


def _events(blocks: Iterable[bytes]) -> Iterator[Event]:
    for block in blocks:
        yield from unpack_events(block)
