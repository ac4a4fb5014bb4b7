"""The spool between slawatch and InfluxDB: batches of points rest on disk until the server has them.

Each row is one gzipped batch of lines; gzip members in a row are one gzip, so that rows are sent together as
they are. Written without fsync: what was put survives the process, of the machine's last seconds some may go;
an fsync of ours would make that of the journal wait, on which events and alerts hang.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from monitor.errors import MonitorError
from monitor.sinks import influx_limits as limits
from monitor.sinks import influx_refused
from monitor.sinks.influx_refused import Refused, packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

log = structlog.get_logger(__name__)
MEMORY = ":memory:"
_VERSION = 1
_SCHEMA = """
CREATE TABLE batch (
    id INTEGER PRIMARY KEY AUTOINCREMENT, made_ms INTEGER NOT NULL, lasting INTEGER NOT NULL,
    points INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX batch_lasting ON batch (lasting, id);
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are sent as one. ``body``: gzipped lines; ``ids`` are never given again."""

    ids: tuple[int, ...]
    points: int
    body: bytes


class Spool:
    """A bounded queue of points in an SQLite file of its own; safe to call from any thread.

    Full or too old: figures go first, the oldest before the others, and what happened (``lasting``: alerts,
    deliveries) after them. All that goes is counted by reason: full, old, disk.

    Args:
        path: The file.
        size_max: Bytes of batches that may wait.
        age_max_ms: How long they may.
        disk_min: Free bytes of the disk below which nothing is put: they belong to the log and the desk.
    """

    def __init__(self, path: Path, size_max: int, age_max_ms: int, disk_min: int = 0) -> None:
        self._path, self._size_max, self._age_max_ms, self._disk_min = path, size_max, age_max_ms, disk_min
        self._lock = threading.Lock()
        self._tally = threading.Lock()  # of what was dropped: held for no disk, as the event loop asks for it
        self._dropped = Counter[str]()
        self._points = self._bytes = self._oldest_ms = self._newest_ms = 0
        self._open()

    def _open(self) -> None:
        path = self._path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # Before the first table: the file shrinks again.
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(
                    f"BEGIN;{_SCHEMA}{influx_refused.SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;"
                )
            if version == _VERSION or not version:
                self._measure()
        except sqlite3.Error as error:
            raise MonitorError(f"influx spool {path}: {error}", mend="move the file away") from error
        if version > _VERSION:
            what = f"influx spool {path}: written by a newer slawatch (version {version})"
            raise MonitorError(what, mend="update slawatch, or move the file away")

    def put(self, lines: Sequence[str], now_ms: int, *, lasting: bool = False) -> None:
        """Make lines durable, at the bound in place of older ones; what cannot be is counted."""
        batches = [lines[at : at + limits.BATCH_POINTS] for at in range(0, len(lines), limits.BATCH_POINTS)]
        rows = [
            (now_ms, lasting, len(batch), packed("\n".join(batch).encode("utf-8", "replace")))
            for batch in batches
        ]
        with self._lock:
            try:
                if self._disk_min and shutil.disk_usage(self._path.parent).free < self._disk_min:
                    raise OSError  # noqa: TRY301 - the same end as a disk that is full
                self._follow()
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._db.executemany(
                        "INSERT INTO batch (made_ms, lasting, points, body) VALUES (?, ?, ?, ?)", rows
                    )
                    self._count(len(lines), sum(len(row[3]) for row in rows), now_ms)
                    self._make_room(now_ms)
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:  # a full disk may have ended it
                        self._db.execute("ROLLBACK")
                    self._measure()
                    raise
            except (sqlite3.Error, OSError, MonitorError):
                self.lose(len(lines), "disk")

    def take(self, points_max: int = limits.REQUEST_POINTS) -> Batch | None:
        """The oldest rows, up to so many points, at least one; they stay until ``done``."""
        ids: list[int] = []
        points, parts = 0, []
        with self._lock:
            try:
                rows = self._db.execute("SELECT id, points, body FROM batch ORDER BY id")
                for number, count, body in rows:
                    if ids and points + count > points_max:
                        break
                    ids.append(number)
                    parts.append(body)
                    points += count
                rows.close()
            except sqlite3.DatabaseError as error:
                # A disk that is slow, locked or full may end; what is closed is whole.
                if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
                    raise
                self._begin_anew(error)
                return None
        return Batch(tuple(ids), points, b"".join(parts)) if ids else None

    def done(self, batch: Batch, now_ms: int, refused: Iterable[Refused] = ()) -> None:
        """Forget rows that the server has; keep of them what it refused for good, with its words.

        Raises:
            sqlite3.Error: No room even for this: the rows stay and are sent again, which changes nothing.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("DELETE FROM batch WHERE id = ?", [(one,) for one in batch.ids])
                influx_refused.keep(self._db, refused, now_ms)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._measure()
            if not self._points:
                self._db.execute("PRAGMA incremental_vacuum")

    def lose(self, points: int, reason: str) -> None:
        """Count points that are lost; waits for nothing."""
        with self._tally:
            self._dropped[reason] += points

    @property
    def points(self) -> int:
        """How many points wait."""
        return self._points

    @property
    def size(self) -> int:
        """Bytes of them."""
        return self._bytes

    @property
    def oldest_ms(self) -> int:
        """When the oldest was put; 0: none waits."""
        return self._oldest_ms

    @property
    def dropped(self) -> Mapping[str, int]:
        """Points lost since the start, by reason; waits for nothing."""
        with self._tally:
            return dict(self._dropped)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _make_room(self, now_ms: int) -> None:
        """Remove what is too old, then at the bound figures before what lasts: a tenth more than needed."""
        if now_ms < self._newest_ms:  # the clock was set back: what was put while it was ahead is new, too
            self._db.execute("UPDATE batch SET made_ms = ? WHERE made_ms > ?", (now_ms, now_ms))
            self._measure()
        if self._oldest_ms < now_ms - self._age_max_ms:
            self._drop("made_ms < ?", (now_ms - self._age_max_ms,), "old")
        while self._bytes > self._size_max:
            spare = self._bytes - self._size_max * 9 // 10
            for lasting in (0, 1):
                found = self._db.execute(
                    "SELECT max(id) FROM (SELECT id, sum(length(body)) OVER (ORDER BY id) - length(body)"
                    " AS before FROM batch WHERE lasting = ?) WHERE before < ?",
                    (lasting, spare),
                ).fetchone()[0]
                if found is not None:
                    self._drop("lasting = ? AND id <= ?", (lasting, found), "full")
                    break

    def _drop(self, which: str, values: tuple[int, ...], reason: str) -> None:
        count, delete = "SELECT total(points) FROM batch WHERE", "DELETE FROM batch WHERE"
        gone = self._db.execute(f"{count} {which}", values).fetchone()[0]
        self._db.execute(f"{delete} {which}", values)
        self.lose(int(gone), reason)
        self._measure()

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Set aside a file damaged where no start looks: else what came after it would wait for ever."""
        log.warning("spool set aside", error=str(error))
        lost, self._points = self._points, 0
        self.lose(lost, "disk")
        self._db.close()
        set_aside(self._path)
        self._open()

    def _follow(self) -> None:
        """Should the file have been removed, go on in a new one, with what waits in that which is gone."""
        if self._path.exists() or self._path.name == MEMORY:
            return
        gone = self._db
        self._open()
        gone.backup(self._db)
        gone.close()
        self._measure()
        log.warning("spool was removed, and is there again", points=self._points)

    def _count(self, points: int, size: int, now_ms: int) -> None:
        self._points, self._bytes = self._points + points, self._bytes + size
        self._oldest_ms = min(self._oldest_ms or now_ms, now_ms)
        self._newest_ms = max(self._newest_ms, now_ms)

    def _measure(self) -> None:
        """How much waits, and since when."""
        found = self._db.execute(
            "SELECT total(points), total(length(body)), min(made_ms), max(made_ms) FROM batch"
        ).fetchone()
        self._points, self._bytes = int(found[0]), int(found[1])
        self._oldest_ms, self._newest_ms = found[2] or 0, found[3] or 0


def opened(path: Path, size_max: int, age_max_ms: int, disk_min: int = 0) -> Spool:
    """The spool at a path; see ``Spool``. Never in the way: what cannot be read is set aside and begun anew.

    Where nothing can be kept at all, what waits is kept in memory, up to ``MEMORY_BYTES``.
    """
    try:
        return Spool(path, size_max, age_max_ms, disk_min)
    except MonitorError as error:
        log.warning("spool set aside", error=error.what)
    try:
        set_aside(path)
        return Spool(path, size_max, age_max_ms, disk_min)
    except (MonitorError, OSError) as error:
        log.warning("no spool on disk: what waits for InfluxDB is lost with the process", error=str(error))
    return Spool(Path(MEMORY), min(size_max, limits.MEMORY_BYTES), age_max_ms)


def set_aside(path: Path) -> None:
    """Rename a spool's files, in place of those that were set aside before."""
    for part in ("", "-wal", "-shm"):
        if (file := path.with_name(path.name + part)).exists():
            file.replace(path.with_name(f"{path.name}.set-aside{part}"))
