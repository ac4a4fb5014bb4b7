"""The store of one machine: one SQLite file, opened safely, migrated after a copy."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerting.errors import SchemaTooNew, StoreBusy, StoreError, StoreFull
from monitor.store import database
from monitor.store.acts import ActTables
from monitor.store.audit import AuditTables
from monitor.store.deliveries import DeliveryTables
from monitor.store.desk import DeskTables
from monitor.store.receipts import ReceiptTables
from monitor.store.retention import Retention
from monitor.store.shards import ShardTables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.store.shards import StateChange, StepChange

BUSY_MS = 5_000  # a commit takes about a millisecond; who waits longer has met a stopped process

_POSITION = "select position from shard where shard = ? and epoch = ?"
_STATE = (
    "insert into shard_state values (?, ?, ?, ?, ?, ?)"
    " on conflict (shard, key, part, chunk) do update set applied = excluded.applied, data = excluded.data"
)
_CUT_OFF = "delete from shard_state where shard = ? and key = ? and part = ? and chunk >= ?"


class SqliteDatabase:
    """``Database`` on one SQLite file."""

    def __init__(self, path: Path | str) -> None:
        """Open or create the database at ``path``, bringing an older schema up to date.

        Raises:
            SchemaTooNew: A newer slawatch wrote it.
            StoreError: The file cannot be opened or is no database.
        """
        self.path = Path(path)
        with _told(self.path):
            self.connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_MS / 1000)
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    def _prepare(self) -> None:
        run = self.connection.execute
        run("pragma journal_mode = wal")
        run("pragma synchronous = full")  # what was answered survives a power cut
        run("pragma journal_size_limit = 67108864")
        steps = database.migrations()
        (version,) = run("pragma user_version").fetchone()
        if version > len(steps):
            raise SchemaTooNew(
                f"{self.path}: schema {version}, this slawatch knows up to {len(steps)}; "
                "install the newer version again, or restore the copy made before it ran"
            )
        if 0 < version < len(steps):
            self.backup(self.path.with_name(f"{self.path.name}.schema-{version}"))
        for number in range(version, len(steps)):
            self.connection.executescript(
                f"begin immediate;\n{steps[number]}\npragma user_version = {number + 1};\ncommit;"
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside is durable at its end, or nothing is."""
        connection = self.connection
        with _told(self.path):
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # a full disk may already have rolled back
                    connection.execute("rollback")
                raise

    def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with _told(self.path):
            return self.connection.execute(query, values).fetchall()

    def backup(self, path: Path | str) -> None:
        """Copy the database to ``path``, consistent, while it is in use."""
        with _told(self.path):
            target = sqlite3.connect(path)
            try:
                self.connection.backup(target)
            finally:
                target.close()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


class SqliteStore(ShardTables, DeskTables, DeliveryTables, ActTables, ReceiptTables, AuditTables, Retention):
    """``ShardStore``, ``DeskStore``, ``SenderStore`` and ``ActStore`` on one SQLite file.

    Used by the thread that opened it; another thread opens its own on the same path.
    """

    _db: SqliteDatabase

    def __init__(self, path: Path | str) -> None:
        """Open or create the store; see ``SqliteDatabase``."""
        self._db = SqliteDatabase(path)

    def _write_step(self, step: StepChange) -> int | None:
        shard, position = step.shard, step.position
        with self._db.transaction() as run:
            row = run.execute(_POSITION, (shard, step.epoch)).fetchone()
            if row is None:
                return None
            fresh = [(shard, *one) for one in step.rows if one[0] > row[0]]
            run.executemany("insert into transition values (?, ?, ?, ?, ?)", fresh)
            parts = [(at_ms, shard, body) for place, at_ms, body in step.parts if place > row[0]]
            run.executemany("insert into part values (?, ?, ?) on conflict do nothing", parts)
            if position > row[0]:
                run.execute("update shard set position = ? where shard = ?", (position, shard))
        return len(fresh)

    def _write_state(self, state: StateChange) -> bool:
        shard = state.shard
        with self._db.transaction() as run:
            if run.execute(_POSITION, (shard, state.epoch)).fetchone() is None:
                return False
            run.executemany(_CUT_OFF, [(shard, *end) for end in state.ends])
            run.executemany(_STATE, [(shard, *chunk) for chunk in state.chunks])
            run.execute(
                "update shard set floor = ?, floor_clock_ms = ? where shard = ?",
                (state.floor, state.floor_clock_ms, shard),
            )
        return True

    def now_ms(self) -> int:
        """The clock of where it lies: this machine's."""
        return time.time_ns() // 1_000_000

    def backup(self, path: Path | str) -> None:
        """Copy the store to ``path``, consistent, while it is in use."""
        self._db.backup(path)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Give SQLite's errors our names."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
        if code == sqlite3.SQLITE_FULL:
            raise StoreFull(f"{path}: the disk is full, nothing was written; free some space") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy(f"{path}: locked by another process for {BUSY_MS // 1000} s; stop it") from error
        raise StoreError(f"{path}: {error}; check the file and its folder, or restore a backup") from error
