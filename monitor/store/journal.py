"""The embedded log: what came in, one compressed row a batch, in the order it was made durable.

One thread writes. It takes whatever waits, puts it into one transaction and answers after the commit,
so that a thousand callers share one sync. A record's position is its row, its arrival the time of
writing, which never goes back, whatever the clock does and however often the process starts.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec
import zstandard

from monitor.runtime import limits
from monitor.store.journal_file import open_journal
from monitor.store.journal_reader import (
    Appended,
    DiskLowError,
    JournalBusyError,
    JournalError,
    JournalReader,
    Kind,
    Mark,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much the journal keeps and how much room it leaves; bytes and epoch milliseconds."""

    age_ms: int = limits.JOURNAL_AGE_MS
    bytes_max: int = limits.JOURNAL_BYTES_MAX
    free_disk_min: int = limits.FREE_DISK_MIN
    pending_bytes_max: int = limits.PENDING_BYTES_MAX
    group_bytes: int = limits.GROUP_BYTES


@dataclass(slots=True)
class _Pending:
    kind: Kind | None  # None: no record, only marks
    source: str
    events: int
    body: bytes
    future: Future[Appended]
    marks: Sequence[Mark] = ()


class Journal:
    """The writing side, one in a process.

    Args:
        path: The database file; made when missing.
        clock: Now, in epoch milliseconds.
        limits: What is kept and what room is left.
        synced: Whether a commit waits for the disk; else a dead process loses nothing, a dead machine may.
        free_disk: Free bytes beside a path.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], int],
        *,
        limits: JournalLimits = JournalLimits(),
        synced: bool = True,
        free_disk: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self.path = path
        self.keep_from = 0  # rows from here on are needed by a restore, whatever their age
        self._clock, self._limits = clock, limits
        # Called from the writer's thread after a commit, with its last position and seconds taken.
        self.on_commit: Callable[[int, float], None] = lambda _position, _took_s: None
        self._free_disk = free_disk
        self._zip = zstandard.ZstdCompressor(level=1)  # 28 of 161 bytes an event at 0.3 µs; zlib: 35 at 1 µs
        self._db = open_journal(path, synced=synced)
        last = self._db.execute(
            "SELECT position, arrival_ms FROM record ORDER BY position DESC LIMIT 1"
        ).fetchone()
        self.last = Appended(*last) if last else Appended(0, 0)
        self.disk_low = self._look_at_disk()
        self.pending_bytes = 0
        self._pending: deque[_Pending] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._broken: JournalError | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, source: str, packed: bytes, events: int, marks: Sequence[Mark] = ()) -> Future[Appended]:
        """Put a batch of packed events in line; the future is done once it is durable, and its marks with it.

        Raises:
            JournalBusyError: So much waits for the disk that this would not be answered in time.
            DiskLowError: Free disk is under the low-water mark. Also the future may fail with it.
        """
        if self.disk_low:
            raise self._disk_low_error()
        if self.pending_bytes > self._limits.pending_bytes_max:
            raise JournalBusyError(
                "journal: the disk does not keep up", mend="send again in a moment", code="busy"
            )
        return self._enqueue(_Pending(Kind.EVENTS, source, events, packed, Future(), marks))

    def mark(self, marks: Sequence[Mark]) -> Future[Appended]:
        """Set marks without a record; the future tells the last record there is."""
        return self._enqueue(_Pending(None, "", 0, b"", Future(), marks))

    def tick(self, heard: Mapping[str, int]) -> Future[Appended]:
        """Append a tick; written below the low-water mark too, since without it no deadline is judged."""
        return self._enqueue(_Pending(Kind.TICK, "", 0, msgspec.msgpack.encode(heard), Future()))

    def plan(self, digest: str) -> Future[Appended]:
        """Append the hash of the compiled plan that takes force here."""
        return self._enqueue(_Pending(Kind.PLAN, "", 0, digest.encode(), Future()))

    def reader(self) -> JournalReader:
        """A connection of its own for reading."""
        return JournalReader(self.path)

    def close(self) -> None:
        """Write what waits, then stop; idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, item: _Pending) -> Future[Appended]:
        with self._wake:
            if self._broken or self._closing:
                raise self._broken or JournalError("journal: closed")
            self._pending.append(item)
            self.pending_bytes += len(item.body)
            self._wake.notify()
        return item.future

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:  # the folder is gone, memory is out: say so to whoever waits or comes
            with self._wake:
                self._broken = JournalError(
                    f"journal: stopped ({error!r})", mend="mend it, then restart", code="not_durable"
                )
                left, self._pending = list(self._pending), deque()
            for item in left:
                item.future.set_exception(self._broken)
            raise
        finally:
            self._db.close()

    def _work(self) -> None:
        pruning = False
        while True:
            group = self._next_group(wait_ms=0 if pruning else limits.HOUSEKEEPING_MS)
            self.disk_low = self._look_at_disk()
            if group:
                self._write(group)
            elif self._closing:
                return
            pruning = self._prune()

    def _next_group(self, wait_ms: int) -> list[_Pending]:
        group: list[_Pending] = []
        with self._wake:
            if not self._pending and not self._closing:
                self._wake.wait(wait_ms / 1000)
            room = self._limits.group_bytes
            while self._pending and room > 0:
                group.append(self._pending.popleft())
                room -= len(group[-1].body)
        return group

    def _write(self, group: list[_Pending]) -> None:
        """One transaction for the group: all of it is durable, or all of it is refused."""
        taken, refused = group, list[_Pending]()
        if self.disk_low:
            taken = [item for item in group if item.kind is not Kind.EVENTS]
            refused = [item for item in group if item.kind is Kind.EVENTS]
        arrival_ms = max(self._clock(), self.last.arrival_ms)
        began_s = time.perf_counter()
        rows, places, last = [], list[int](), self.last.position
        for item in taken:
            if item.kind is not None:
                last += 1
                body = self._zip.compress(item.body)
                rows.append((last, arrival_ms, item.kind, item.source, item.events, body))
            places.append(last)
        failure: JournalError = self._disk_low_error()
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", rows)
                for mark in (mark for item in taken for mark in item.marks):
                    self._set(mark)
        except sqlite3.Error as error:  # a full or failing disk: rolled back, nothing of it was answered
            taken, refused = [], group
            failure = JournalError(
                f"journal: not written ({error})", mend="free some disk, then send again", code="not_durable"
            )
        with self._wake:
            self.pending_bytes -= sum(len(item.body) for item in group)
        if taken and rows:
            self.last = Appended(last, arrival_ms)
            self.on_commit(last, time.perf_counter() - began_s)
        for item, position in zip(taken, places, strict=False):
            item.future.set_result(Appended(position, self.last.arrival_ms))
        for item in refused:
            item.future.set_exception(failure)

    def _set(self, mark: Mark) -> None:
        if mark.value is None:
            self._db.execute("DELETE FROM mark WHERE key = ?", (mark.key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", mark)

    def _prune(self) -> bool:
        """Delete some rows that are too old or too many; true when more remain to be deleted."""
        first = self._db.execute(
            "SELECT position, arrival_ms FROM record ORDER BY position LIMIT 1"
        ).fetchone()
        if first is None:
            return False
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        too_old = first[1] < self._clock() - self._limits.age_ms
        if not too_old and (pages - free) * size <= self._limits.bytes_max:
            return False
        # The last row stays: it is what arrival and position go on from.
        before = min(first[0] + limits.PRUNE_ROWS, self.keep_from, self.last.position)
        if before <= first[0]:
            return False
        try:
            with self._db:
                self._db.execute("DELETE FROM record WHERE position < ?", (before,))
        except sqlite3.Error:  # no room even to delete: rows stay, and the mark refuses new ones already
            return False
        return True

    def _look_at_disk(self) -> bool:
        return self._free_disk(self.path.parent) < self._limits.free_disk_min

    def _disk_low_error(self) -> DiskLowError:
        mark_mb = self._limits.free_disk_min >> 20
        return DiskLowError(
            f"journal: less than {mark_mb} MB free beside {self.path}",
            mend="make room, then send again",
            code="disk_low",
        )
