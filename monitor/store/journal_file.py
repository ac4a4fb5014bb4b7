"""The journal's SQLite file: its tables, and how it is opened for writing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from monitor.store.journal_reader import JournalError

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
_SCHEMA = f"""
CREATE TABLE record (
    position INTEGER PRIMARY KEY,
    arrival_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    source TEXT NOT NULL,
    events INTEGER NOT NULL,
    body BLOB NOT NULL
);
PRAGMA user_version = {SCHEMA_VERSION};
"""
# Came later. An older slawatch passes it over and loses nothing by it, so the version stays.
_MARKS = "CREATE TABLE IF NOT EXISTS mark (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"


def open_journal(path: Path, *, synced: bool) -> sqlite3.Connection:
    """Open the file for its one writer; make it where it is missing.

    Args:
        path: The file.
        synced: Whether a commit waits for the disk.

    Raises:
        JournalError: It cannot be opened, or a newer slawatch made it.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        mend = "check the file and its folder, or restore a backup"
        raise JournalError(f"{path}: {error}", mend=mend) from error
    db.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        db.close()
        raise JournalError(
            f"{path}: made by a newer slawatch (schema {version}, known {SCHEMA_VERSION})",
            mend="upgrade slawatch",
        )
    if version == 0:
        db.executescript(_SCHEMA)
    db.execute(_MARKS)
    return db
