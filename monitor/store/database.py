"""The SQLite file: opened safely, migrated after a copy, written in whole transactions."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alerting.errors import SchemaTooNew, StoreBusy, StoreError, StoreFull

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_MS = 5_000  # a commit takes about a millisecond; who waits longer has met a stopped process


def migrations() -> list[str]:
    """The schema's migrations in order; the version of a database is how many it has had."""
    folder = resources.files("monitor.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in files]


class Database:
    """One connection, used by the thread that opened it; each thread opens its own."""

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
        steps = migrations()
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

    def each(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one; nothing may be written meanwhile."""
        with _told(self.path):
            yield from self.connection.execute(query, values)

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
