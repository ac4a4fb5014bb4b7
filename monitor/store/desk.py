"""Tables of the desk: inputs, rows, cursor, intents as it makes them, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.errors import Fenced
from alerting.policy.records import Cursor, Input, Trace
from rules.transition import Transition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from alerting.policy.records import Changes, Intent
    from monitor.store.database import Database

_transition = msgspec.msgpack.Decoder(Transition)
_input: msgspec.msgpack.Decoder[Input] = msgspec.msgpack.Decoder(Input)

_PAST = "select body, position from transition where shard = ? and position > ? order by position, n limit ?"
_SAME = "select body from transition where shard = ? and position = ? and n > ? order by n"
_INTENT = (
    "insert or ignore into intent"
    " (id, incident, account, alert, kind, crit, created_ms, not_before_ms, body)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_VOID = "update intent set state = 'expired', note = ?, done_ms = ? where id = ? and state = 'queued'"


class DeskTables:
    """``alerting.ports.DeskStore`` on SQLite."""

    _db: Database

    def take_desk(self) -> tuple[int, Cursor]:
        """Become the desk's owner; see ``DeskStore``."""
        with self._db.transaction() as run:
            epoch, inputs = run.execute("update desk set epoch = epoch + 1 returning epoch, input").fetchone()
            positions = dict(run.execute("select shard, position from desk_position").fetchall())
        return epoch, Cursor(positions, inputs)

    def desk_rows(self) -> Iterator[tuple[str, str, bytes]]:
        """All desk rows: kind, key, body."""
        yield from self._db.each("select kind, key, body from desk_row order by kind, key")

    def transitions_after(self, cursor: Cursor) -> list[Transition]:
        """Transitions past the cursor, by shard and position; all of a record or none."""
        read = self._db.read
        found: list[Transition] = []
        for (shard,) in read("select shard from shard order by shard"):
            after = cursor.positions.get(shard, -1)
            rows = read(_PAST, shard, after, limits.READ_ROWS)
            found += (_transition.decode(body) for body, _ in rows)
            if len(rows) == limits.READ_ROWS:  # the last record may have been cut: take the rest of it
                last = found[-1]
                found += (_transition.decode(b) for (b,) in read(_SAME, shard, last.position, last.n))
        return found

    def inputs_after(self, seq: int) -> list[tuple[int, Input]]:
        """Inputs past ``seq``, in order, with their sequence."""
        query = "select seq, body from desk_input where seq > ? order by seq limit ?"
        rows = self._db.read(query, seq, limits.READ_ROWS)
        return [(number, _input.decode(body)) for number, body in rows]

    def add_input(self, item: Input) -> int:
        """Append an input; its sequence."""
        with self._db.transaction() as run:
            return add_input(run, item)

    def commit_desk(self, epoch: int, changes: Changes, cursor: Cursor) -> None:
        """Write changed rows, intents and the cursor; see ``DeskStore``."""
        with self._db.transaction() as run:
            moved = run.execute("update desk set input = ? where epoch = ?", (cursor.inputs, epoch))
            if moved.rowcount != 1:
                raise Fenced(f"the desk's epoch {epoch} was taken over; this desk stops")
            run.executemany(
                "insert or replace into desk_position values (?, ?)", sorted(cursor.positions.items())
            )
            _write_rows(run, changes)
            run.executemany(_INTENT, [_intent_row(intent) for intent in changes.intents])
            run.executemany(
                "update intent set not_before_ms = ? where id = ? and state = 'queued'",
                [(at_ms, intent) for intent, at_ms in changes.moves.items()],
            )
            run.executemany(
                _VOID,
                [(reason, at_ms, intent) for intent, at_ms, reason in changes.voids],
            )
            for incident in changes.acknowledged:
                _acknowledge(run, incident)
            add_traces(run, changes.traces)

    def traces(self, alert: str, limit: int = 100) -> list[Trace]:
        """The last traces of an alert, oldest first."""
        query = (
            "select alert, at_ms, step, verdict, reason from trace where alert = ? order by id desc limit ?"
        )
        return [Trace(*row) for row in self._db.read(query, alert, limit)][::-1]


def add_input(run: sqlite3.Connection, item: Input) -> int:
    """Append an input to the desk's table; its sequence."""
    body = msgspec.msgpack.encode(item)
    (seq,) = run.execute(
        "insert into desk_input (at_ms, body) values (?, ?) returning seq", (item.at_ms, body)
    ).fetchone()
    return int(seq)


def add_traces(run: sqlite3.Connection, traces: Sequence[Trace]) -> None:
    """Append traces."""
    run.executemany(
        "insert into trace (alert, at_ms, step, verdict, reason) values (?, ?, ?, ?, ?)",
        [(t.alert, t.at_ms, t.step, t.verdict, t.reason) for t in traces],
    )


def _write_rows(run: sqlite3.Connection, changes: Changes) -> None:
    gone = [key for key, body in changes.rows.items() if body is None]
    run.executemany("delete from desk_row where kind = ? and key = ?", gone)
    kept = [(*key, body) for key, body in changes.rows.items() if body is not None]
    run.executemany("insert or replace into desk_row values (?, ?, ?)", kept)


def _intent_row(intent: Intent) -> tuple[object, ...]:
    return (
        intent.id,
        intent.incident,
        intent.account,
        intent.alert,
        intent.kind,
        intent.urgent,
        intent.created_ms,
        intent.not_before_ms,
        msgspec.msgpack.encode(intent),
    )


def _acknowledge(run: sqlite3.Connection, incident: str) -> None:
    run.execute(
        "update delivery set state = 'acknowledged' where state in ('accepted', 'delivered')"
        " and id in (select delivery from intent where incident = ?)",
        (incident,),
    )
    run.execute(
        "update intent set state = 'acknowledged' where incident = ? and state in ('accepted', 'delivered')",
        (incident,),
    )
