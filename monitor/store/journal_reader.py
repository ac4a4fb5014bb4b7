"""Reading the embedded log: rows in order, while it is written or long after."""

from __future__ import annotations

import sqlite3
import threading
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import zstandard

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READ = """
SELECT position, arrival_ms, kind, source, events, body FROM record WHERE position >= ? ORDER BY position
"""


class JournalError(MonitorError):
    """The journal could not take or give a record."""


class JournalBusyError(JournalError):
    """Too much waits for the disk; come back in a moment."""


class DiskLowError(JournalError):
    """Free disk is under the low-water mark: no events until there is room."""


class Kind(IntEnum):
    """What a row holds."""

    EVENTS = 0
    TICK = 1
    PLAN = 2


class Row(NamedTuple):
    """One record as it rests: ``body`` is the packed events, the heard map, or the plan's hash."""

    position: int
    arrival_ms: int
    kind: Kind
    source: str
    events: int
    body: bytes

    @property
    def heard(self) -> dict[str, int]:
        """Of a tick: when each source was last heard, epoch ms; only what changed since the tick before."""
        return msgspec.msgpack.decode(self.body, type=dict[str, int])

    @property
    def plan(self) -> str:
        """Of a plan row: the hash of the compiled plan that takes force with it."""
        return self.body.decode()


class Appended(NamedTuple):
    """Where and when a record was made durable."""

    position: int
    arrival_ms: int


class Mark(NamedTuple):
    """How far something outside was read, durable together with the record of what was read of it."""

    key: str
    value: bytes | None  # None: forget it


class JournalReader:
    """Reads rows in order, also while the journal is written; from any thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        self._lock = threading.Lock()
        self._unzip = zstandard.ZstdDecompressor()

    def batch(self, from_position: int, max_events: int) -> list[Row]:
        """The next rows from ``from_position`` on: at least one if there is any, about ``max_events``.

        A row without events counts as one. Rows that retention has deleted are passed over.
        """
        rows: list[Row] = []
        with self._lock:
            cursor = self._db.execute(_READ, (from_position,))
            try:
                for found in cursor:
                    rows.append(self._row(found))
                    max_events -= max(1, rows[-1].events)
                    if max_events <= 0:
                        break
            finally:
                cursor.close()  # an open cursor holds its snapshot, and the WAL could not be reset
        return rows

    def read(self, from_position: int = 0, *, max_events: int = 5_000) -> Iterator[Row]:
        """Every row from ``from_position`` to the end as it is when it is reached."""
        while rows := self.batch(from_position, max_events):
            yield from rows
            from_position = rows[-1].position + 1

    def ends(self) -> tuple[int, int]:
        """First and last position; (1, 0) while the journal is empty."""
        with self._lock:
            first, last = self._db.execute("SELECT min(position), max(position) FROM record").fetchone()
        return (first, last) if last is not None else (1, 0)

    def position_at(self, arrival_ms: int) -> int:
        """The first position that arrived at ``arrival_ms`` or later; arrival rises, so by bisection."""
        low, high = self.ends()
        high += 1
        while low < high:
            middle = (low + high) // 2
            with self._lock:
                found = self._db.execute(
                    "SELECT arrival_ms FROM record WHERE position >= ? ORDER BY position LIMIT 1", (middle,)
                ).fetchone()
            if found is not None and found[0] < arrival_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def marks(self, prefix: str) -> dict[str, bytes]:
        """The marks whose keys begin so, by key."""
        with self._lock:
            found = self._db.execute(
                "SELECT key, value FROM mark WHERE substr(key, 1, ?) = ?", (len(prefix), prefix)
            )
            return dict(found.fetchall())

    def close(self) -> None:
        """Close the connection, once nobody reads; idempotent."""
        with self._lock:
            self._db.close()

    def _row(self, found: tuple[int, int, int, str, int, bytes]) -> Row:
        position, arrival_ms, kind, source, events, body = found
        try:
            return Row(position, arrival_ms, Kind(kind), source, events, self._unzip.decompress(body))
        except zstandard.ZstdError as error:
            raise JournalError(
                f"journal: row {position} cannot be read ({error})",
                mend="restore the journal from a backup",
                code="journal",
            ) from error
