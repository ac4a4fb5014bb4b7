"""What was refused at the entrance: kept for a while, counted, listed, and fit to be sent again.

A letter that parses is kept whole with its texts blanked; of one that does not parse, which may hold a
text anywhere, only the first ``DEAD_LETTER_BYTES`` for ``DEAD_LETTER_DAYS_UNPARSED``.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from monitor import limits
from monitor.errors import MonitorError
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from monitor.sources.found import Rejected

# What customers and agents write, by the names that our own events and Chatwoot's webhooks give it. One list
# for every source: a letter of a source that is added later must not keep what another would not.
TEXTS = frozenset(
    {
        *("text", "content", "processed_message_content", "text_content", "html_content"),
        *("feedback_message", "subject", "body", "caption", "transcribed_text"),
        *("name", "email", "phone_number"),  # a webhook's people; no event of ours has them
    }
)
_VERSION = 1
_SCHEMA = """
CREATE TABLE letters (
    id INTEGER PRIMARY KEY, arrival_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    source TEXT NOT NULL, place INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
    parsed INTEGER NOT NULL, raw BLOB NOT NULL
) STRICT;
CREATE INDEX letters_expire ON letters (expires_ms);
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused line. ``parsed``: ``raw`` is whole JSON without its texts, and can be sent again."""

    id: int
    arrival_ms: int
    source: str
    place: int
    code: str
    reason: str
    parsed: bool
    raw: bytes


class DeadLetters:
    """A bounded store of refused lines in an SQLite file of its own; safe to call from any thread."""

    def __init__(
        self,
        path: Path | str,
        *,
        letters_max: int = limits.DEAD_LETTERS,
        bytes_max: int = limits.DEAD_LETTERS_BYTES,
    ) -> None:
        """Open or make the file; ``":memory:"`` keeps nothing.

        Raises:
            MonitorError: The file is of a newer version, or is not one of ours.
        """
        self._letters_max, self._bytes_max = letters_max, bytes_max
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            # Refused lines may be lost with the machine, not with the process: no fsync for each.
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {_VERSION};COMMIT;")
        except sqlite3.Error as error:
            raise MonitorError(f"dead letters {path}: {error}", mend="move the file away") from error
        if version > _VERSION:
            raise MonitorError(
                f"dead letters {path}: written by a newer slawatch (version {version})",
                mend="update slawatch, or move the file away",
            )
        self._kept, self._bytes = self._measure()

    def add(self, source: str, rejected: Sequence[Rejected], arrival_ms: int) -> None:
        """Keep refused lines; at the limit the oldest make room."""
        rows = []
        for one in rejected:
            kept, parsed = _kept(one.raw)
            days = limits.DEAD_LETTER_DAYS if parsed else limits.DEAD_LETTER_DAYS_UNPARSED
            expires_ms = arrival_ms + days * DAY_MS
            rows.append((arrival_ms, expires_ms, source, one.index, one.code, one.reason, parsed, kept))
        with self._lock:
            self._counts.update((source, one.code) for one in rejected)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT INTO letters (arrival_ms, expires_ms, source, place, code, reason, parsed, raw)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                self._make_room(len(rows), sum(len(row[-1]) for row in rows))
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def sweep(self, now_ms: int) -> int:
        """Remove what has expired; how many those were. Meant for once an hour."""
        with self._lock:
            gone = self._db.execute("DELETE FROM letters WHERE expires_ms <= ?", (now_ms,)).rowcount
            self._kept, self._bytes = self._measure() if gone else (self._kept, self._bytes)
        return gone

    def list(
        self, limit: int = 100, *, before: int | None = None, source: str = "", code: str = ""
    ) -> list[DeadLetter]:
        """Letters, the newest first, older than the letter ``before``, of one source or code if named."""
        with self._lock:
            rows: list[tuple[int, int, str, int, str, str, int, bytes]] = self._db.execute(
                "SELECT id, arrival_ms, source, place, code, reason, parsed, raw FROM letters"
                " WHERE id < ? AND (? = '' OR source = ?) AND (? = '' OR code = ?) ORDER BY id DESC LIMIT ?",
                (2**62 if before is None else before, source, source, code, code, limit),
            ).fetchall()
        return [DeadLetter(*row[:6], parsed=bool(row[6]), raw=row[7]) for row in rows]

    def remove(self, ids: Iterable[int]) -> int:
        """Remove letters, such as those that were taken when sent again."""
        with self._lock:
            removed = self._db.executemany(
                "DELETE FROM letters WHERE id = ?", [(one,) for one in ids]
            ).rowcount
            self._kept, self._bytes = self._measure()
        return removed

    @property
    def kept(self) -> int:
        """How many letters there are."""
        return self._kept

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many were refused since the start, by source and code."""
        with self._lock:
            return dict(self._counts)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _make_room(self, letters: int, size: int) -> None:
        """Remove the oldest past a limit, a tenth more than needed: a flood must not delete line by line."""
        self._kept, self._bytes = self._kept + letters, self._bytes + size
        while self._kept > self._letters_max or self._bytes > self._bytes_max:
            surplus = max(self._kept - self._letters_max, 0) + self._kept // 10 + 1
            self._db.execute(
                "DELETE FROM letters WHERE id IN (SELECT id FROM letters ORDER BY id LIMIT ?)", (surplus,)
            )
            self._kept, self._bytes = self._measure()

    def _measure(self) -> tuple[int, int]:
        """How many letters there are, and how many bytes of them."""
        kept, size = self._db.execute("SELECT count(*), total(length(raw)) FROM letters").fetchone()
        return int(kept), int(size)


def _kept(raw: bytes) -> tuple[bytes, bool]:
    """What is kept of a line, without its texts, and whether that is the whole of it.

    What does not parse is cut as it is: nobody can say where in it a text is.
    """
    try:
        blanked = msgspec.json.encode(_blanked(msgspec.json.decode(raw)))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw[: limits.DEAD_LETTER_BYTES], False
    return blanked[: limits.DEAD_LETTER_BYTES], len(blanked) <= limits.DEAD_LETTER_BYTES


def _blanked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "" if key.lower() in TEXTS else _blanked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blanked(inner) for inner in value]
    return value
