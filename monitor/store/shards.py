"""Tables of the shards: epochs, positions, transitions, state, plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.errors import Fenced
from monitor.store.port import ShardLease

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from monitor.store.database import Database
    from monitor.store.port import StateRow
    from rules.transition import Transition


class ShardTables:
    """``monitor.store.port.ShardStore`` on SQLite, but for prune, backup and close."""

    _db: Database

    def take(self, shard: int) -> ShardLease:
        """Become the shard's owner; see ``ShardStore``."""
        with self._db.transaction() as run:
            row = run.execute(
                "insert into shard values (?, 1, -1, 0, 0)"
                " on conflict (shard) do update set epoch = epoch + 1"
                " returning epoch, position, floor, floor_clock_ms",
                (shard,),
            ).fetchone()
        return ShardLease(*row)

    def owned(self, shard: int, epoch: int) -> bool:
        """Whether ``epoch`` is still the shard's."""
        query = "select 1 from shard where shard = ? and epoch = ?"
        return bool(self._db.read(query, shard, epoch))

    def commit_step(self, shard: int, epoch: int, position: int, transitions: Iterable[Transition]) -> int:
        """Write a step's transitions and position; see ``ShardStore``."""
        encode = msgspec.msgpack.encode
        with self._db.transaction() as run:
            stored = _position(run, shard, epoch)
            rows = [(shard, t.position, t.n, t.at_ms, encode(t)) for t in transitions if t.position > stored]
            run.executemany("insert into transition values (?, ?, ?, ?, ?)", rows)
            if position > stored:
                run.execute("update shard set position = ? where shard = ?", (position, shard))
        return len(rows)

    def save_state(
        self, shard: int, epoch: int, rows: Iterable[StateRow], floor: int, floor_clock_ms: int
    ) -> None:
        """Write state rows and the floor; see ``ShardStore``."""
        write = "insert or replace into shard_state values (?, ?, ?, ?, ?)"
        delete = "delete from shard_state where shard = ? and key = ? and part = ?"
        with self._db.transaction() as run:
            _position(run, shard, epoch)
            for key, part, applied, data in rows:
                if data is None:
                    run.execute(delete, (shard, key, part))
                else:
                    run.execute(write, (shard, key, part, applied, data))
            run.execute(
                "update shard set floor = ?, floor_clock_ms = ? where shard = ?",
                (floor, floor_clock_ms, shard),
            )

    def load_state(self, shard: int) -> Iterator[tuple[str, str, int, bytes]]:
        """All state rows of the shard, by key and part."""
        query = "select key, part, applied, data from shard_state where shard = ? order by key, part"
        yield from self._db.each(query, shard)

    def put_plan(self, plan_hash: str, body: bytes) -> None:
        """Keep a compiled plan; a known hash changes nothing."""
        with self._db.transaction() as run:
            run.execute("insert or ignore into plan values (?, ?)", (plan_hash, body))

    def get_plan(self, plan_hash: str) -> bytes | None:
        """The compiled plan of that hash."""
        return self._value("select body from plan where hash = ?", plan_hash)

    def put_meta(self, key: str, value: bytes) -> None:
        """Set a value."""
        with self._db.transaction() as run:
            run.execute("insert or replace into meta values (?, ?)", (key, value))

    def get_meta(self, key: str) -> bytes | None:
        """Read a value."""
        return self._value("select value from meta where key = ?", key)

    def _value(self, query: str, key: str) -> bytes | None:
        rows = self._db.read(query, key)
        return rows[0][0] if rows else None


def _position(run: sqlite3.Connection, shard: int, epoch: int) -> int:
    """The stored position, if ``epoch`` still owns the shard."""
    query = "select position from shard where shard = ? and epoch = ?"
    row: tuple[int] | None = run.execute(query, (shard, epoch)).fetchone()
    if row is None:
        raise Fenced(f"shard {shard}: epoch {epoch} was taken over; this owner stops")
    return row[0]
