"""What InfluxDB refused for good: kept in the spool's file, listed, sent again once mended, or dropped."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.errors import MonitorError
from monitor.sinks import influx_limits as limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

SCHEMA = """
CREATE TABLE refused (
    id INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, status INTEGER NOT NULL, words TEXT NOT NULL,
    points INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
"""
_CHOSEN = " FROM refused WHERE id IN (SELECT value FROM json_each(:ids))"


@dataclass(frozen=True, slots=True)
class Refused:
    """Lines that the server will never take, and what it said."""

    status: int
    words: str
    lines: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """Refused lines as they are kept. ``lines``: of a 422 all that were sent with those refused."""

    id: int
    made_ms: int
    status: int
    words: str
    lines: list[str]


def keep(db: sqlite3.Connection, refused: Iterable[Refused], now_ms: int) -> None:
    """Put lines aside, within the caller's transaction; beyond the limit the oldest go."""
    rows = [
        (now_ms, one.status, one.words[: limits.WORDS], len(one.lines), packed(b"\n".join(one.lines)))
        for one in refused
    ]
    if rows:
        db.executemany(
            "INSERT INTO refused (made_ms, status, words, points, body) VALUES (?, ?, ?, ?, ?)", rows
        )
        db.execute(
            "DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?", (limits.REFUSED_KEPT,)
        )


class Quarantine:
    """Refused lines in the file of a spool, beside a daemon that runs or not.

    Args:
        path: The spool's file; where there is none, nothing was refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def list(self, limit: int = limits.REFUSED_KEPT) -> list[Kept]:
        """What is kept, the newest first."""
        if not self._path.exists():
            return []
        with self._opened() as db:
            rows = db.execute(
                "SELECT id, made_ms, status, words, body FROM refused ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()
        return [
            Kept(number, made_ms, status, words, unpacked(body).decode("utf-8", "replace").split("\n"))
            for number, made_ms, status, words, body in rows
        ]

    def ids(self) -> Sequence[int]:
        """What is kept, the oldest first; nothing is unpacked for it."""
        if not self._path.exists():
            return []
        with self._opened() as db:
            return [number for (number,) in db.execute("SELECT id FROM refused ORDER BY id")]

    def send_again(self, ids: Sequence[int], now_ms: int) -> int:
        """Put what is kept back among what waits. How many lines."""
        return self._take(
            ids, "INSERT INTO batch (made_ms, lasting, points, body) VALUES (?, 0, ?, ?)", (now_ms,)
        )

    def drop(self, ids: Sequence[int]) -> int:
        """Forget what is kept. How many lines."""
        return self._take(ids)

    def _take(self, ids: Sequence[int], into: str = "", values: tuple[int, ...] = ()) -> int:
        if not ids:
            return 0
        which = {"ids": json.dumps(ids)}
        with self._opened() as db:
            db.execute("BEGIN IMMEDIATE")
            rows = db.execute("SELECT points, body" + _CHOSEN + " ORDER BY id", which).fetchall()
            if into:
                db.executemany(into, [(*values, *row) for row in rows])
            db.execute("DELETE" + _CHOSEN, which)
            db.execute("COMMIT")
        return sum(points for points, _ in rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            # Not made where it is not: the daemon makes it.
            with closing(
                sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
            ) as db:
                yield db
        except (sqlite3.Error, zlib.error) as error:
            mend = "name the configuration of a daemon that writes figures, as who may change its data"
            raise MonitorError(f"influx spool {self._path}: {error}", mend=mend) from error


def packed(lines: bytes) -> bytes:
    """Gzipped at level 1: a ninth of the size, at no cost that can be measured beside making the lines."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return squeeze.compress(lines + b"\n") + squeeze.flush()


def unpacked(body: bytes) -> bytes:
    """The lines of one or several gzips, without the last line's end; ``zlib.error`` if they are damaged."""
    parts = []
    while body:
        loose = zlib.decompressobj(zlib.MAX_WBITS | 16)
        parts.append(loose.decompress(body))
        if not loose.eof:
            raise zlib.error("cut short")
        body = loose.unused_data
    return b"".join(parts).removesuffix(b"\n")
