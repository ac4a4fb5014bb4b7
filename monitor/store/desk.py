"""Tables of the desk: inputs, rows, cursor, intents as it makes them, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.errors import Fenced
from alerting.policy.records import Cursor, Input, Trace
from monitor.store import database
from rules.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerting.policy.records import Changes, Intent
    from monitor.store.database import Database, Transaction

_transition = msgspec.msgpack.Decoder(Transition)
_input: msgspec.msgpack.Decoder[Input] = msgspec.msgpack.Decoder(Input)

_PAST = "select body, position from transition where shard = ? and position > ? order by position, n limit ?"
_SAME = "select body from transition where shard = ? and position = ? and n > ? order by n"
_ROWS = "select kind, key, body from desk_row where (kind, key) > (?, ?) order by kind, key limit ?"
_LEAD = (
    "update desk set owner = :owner, lease_until_ms = :until where owner = :owner or lease_until_ms <= :now"
)
_TAKE = "update desk set epoch = epoch + 1 where owner = ? returning epoch, input"
_POSITION = (
    "insert into desk_position values (?, ?) on conflict (shard) do update set position = excluded.position"
)
_ROW = "insert into desk_row values (?, ?, ?) on conflict (kind, key) do update set body = excluded.body"
_INTENT = (
    "insert into intent (id, incident, account, alert, kind, crit, created_ms, not_before_ms, body)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing"
)
_MOVE = "update intent set not_before_ms = ? where id = ? and state = 'queued'"
_VOID = "update intent set state = 'expired', note = ?, done_ms = ? where id = ? and state = 'queued'"


class DeskTables:
    """``alerting.ports.DeskStore``."""

    _db: Database

    def lead_desk(self, owner: str, now_ms: int, until_ms: int) -> bool:
        """Take or renew the lead; see ``DeskStore``."""
        with self._db.transaction() as run:
            return run.execute(_LEAD, {"owner": owner, "now": now_ms, "until": until_ms}).rowcount == 1

    def take_desk(self, owner: str = "") -> tuple[int, Cursor]:
        """Become the desk's owner; see ``DeskStore``."""
        with self._db.transaction() as run:
            row = run.execute(_TAKE, (owner,)).fetchone()
            if row is None:
                raise Fenced(f"another desk leads than {owner or 'this one'}; this desk waits")
            positions = dict(run.execute("select shard, position from desk_position").fetchall())
        return row[0], Cursor(positions, row[1])

    def desk_cursor(self) -> Cursor:
        """How far the desk has folded."""
        ((inputs,),) = self._db.read("select input from desk")
        return Cursor(dict(self._db.read("select shard, position from desk_position")), inputs)

    def desk_rows(self) -> Iterator[tuple[str, str, bytes]]:
        """All desk rows: kind, key, body."""
        last: tuple[str, str] = ("", "")
        while rows := self._db.read(_ROWS, *last, database.PAGE_ROWS):
            yield from rows
            last = rows[-1][:2]

    def transitions_after(self, cursor: Cursor) -> list[Transition]:
        """Transitions past the cursor, by shard and position; all of a record or none."""
        read = self._db.read
        found: list[Transition] = []
        for shard, position in read("select shard, position from shard order by shard"):
            after = cursor.positions.get(shard, -1)
            if position <= after:
                continue
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
            # Always in the order of keys: a sender that writes the same intents never waits for us in a ring.
            run.executemany(_POSITION, sorted(cursor.positions.items()))
            _write_rows(run, changes)
            run.executemany(_INTENT, sorted(_intent_row(intent) for intent in changes.intents))
            run.executemany(_MOVE, [(at_ms, intent) for intent, at_ms in sorted(changes.moves.items())])
            run.executemany(
                _VOID, [(reason, at_ms, intent) for intent, at_ms, reason in sorted(changes.voids)]
            )
            for incident in changes.acknowledged:
                _acknowledge(run, incident)
            add_traces(run, changes.traces)

    def traces(self, alert: str) -> list[Trace]:
        """The last hundred traces of an alert, oldest first."""
        query = (
            "select alert, at_ms, step, verdict, reason from trace where alert = ? order by id desc limit 100"
        )
        return [Trace(*row) for row in self._db.read(query, alert)][::-1]


def add_input(run: Transaction, item: Input) -> int:
    """Append an input to the desk's table; its sequence."""
    query = "update desk_number set input = input + 1 returning input"
    (seq,) = run.execute(query).fetchone()
    body = msgspec.msgpack.encode(item)
    run.execute("insert into desk_input (seq, at_ms, body) values (?, ?, ?)", (seq, item.at_ms, body))
    return int(seq)


def add_traces(run: Transaction, traces: Sequence[Trace]) -> None:
    """Append traces."""
    run.executemany(
        "insert into trace (alert, at_ms, step, verdict, reason) values (?, ?, ?, ?, ?)",
        [(t.alert, t.at_ms, t.step, t.verdict, t.reason) for t in traces],
    )


def _write_rows(run: Transaction, changes: Changes) -> None:
    gone = sorted(key for key, body in changes.rows.items() if body is None)
    run.executemany("delete from desk_row where kind = ? and key = ?", gone)
    kept = sorted((*key, body) for key, body in changes.rows.items() if body is not None)
    run.executemany(_ROW, kept)


def _intent_row(intent: Intent) -> tuple[object, ...]:
    return (
        intent.id,
        intent.incident,
        intent.account,
        intent.alert,
        intent.kind,
        int(intent.urgent),
        intent.created_ms,
        intent.not_before_ms,
        msgspec.msgpack.encode(intent),
    )


def _acknowledge(run: Transaction, incident: str) -> None:
    run.execute(
        "update delivery set state = 'acknowledged' where state in ('accepted', 'delivered')"
        " and id in (select delivery from intent where incident = ?)",
        (incident,),
    )
    run.execute(
        "update intent set state = 'acknowledged' where incident = ? and state in ('accepted', 'delivered')",
        (incident,),
    )
