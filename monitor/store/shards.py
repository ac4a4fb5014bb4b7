"""Tables of the shards: epochs, positions, transitions, state, plans."""

from __future__ import annotations

from abc import abstractmethod
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from alerting.errors import Fenced
from monitor.store import database
from monitor.store.port import ShardLease, ShopState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from monitor.store.database import Database
    from monitor.store.port import PartRow, Split, StateRow
    from rules.transition import Transition

_TAKE = (
    "insert into shard values (?, 1, -1, 0, 0)"
    " on conflict (shard) do update set epoch = shard.epoch + 1"
    " returning epoch, position, floor, floor_clock_ms"
)
_STATE = (
    "select key, part, chunk, applied, data from shard_state"
    " where shard = ? and (key, part, chunk) > (?, ?, ?) order by key, part, chunk limit ?"
)
# One statement, so that floor and rows are of one moment.
_SHOP = (
    "select s.shard, s.floor, s.floor_clock_ms, t.key, t.part, t.applied, t.data"
    " from shard s join shard_state t on t.shard = s.shard and t.key in ('', ?)"
    " where exists (select 1 from shard_state k where k.shard = s.shard and k.key = ?)"
    " order by s.shard desc, t.key, t.part, t.chunk"
)
_BEGIN = "insert into shard select ?, 1, -1, 0, floor_clock_ms from shard where shard = ?"
_MOVE = "update shard_state set shard = ?, applied = -1 where shard = ? and key = ?"
_SHARD_OF = (
    "select max(s.shard) from shard s"
    " where exists (select 1 from shard_state k where k.shard = s.shard and k.key = ?)"
)
_PARTS = "select at_ms, shard, body from part where at_ms >= ? order by at_ms, shard limit ?"
_LATEST = (
    "select p.at_ms, p.shard, p.body from part p"
    " join (select shard, max(at_ms) as at_ms from part group by shard) l"
    " on l.shard = p.shard and l.at_ms = p.at_ms order by p.shard"
)

_IN_FORCE = (
    "insert into meta values (?, ?) on conflict (key) do update set value = meta.value returning value"
)
PLAN_KEY = "plan in force"
CHANGES_MAX = 10**9  # of plans; a name beyond is forged, and raises no other
LOST_PLAN = "plan lost "  # and its name: the log has it, the store has not
_NAMED = "select body from plan where hash = ? and not exists (select 1 from meta where key = ?)"


class StepChange(NamedTuple):
    """What a step stores: ``rows`` are position, n, at_ms and body of each transition, ``parts`` PartRows."""

    shard: int
    epoch: int
    position: int
    rows: list[tuple[int, int, int, bytes]]
    parts: list[PartRow]


class StateChange(NamedTuple):
    """What a slice of state stores.

    ``chunks`` are key, part, chunk, applied and data; ``ends`` say of each key and part how many chunks it
    has now (0: it is gone).
    """

    shard: int
    epoch: int
    chunks: list[tuple[str, str, int, int, bytes]]
    ends: list[tuple[str, str, int]]
    floor: int
    floor_clock_ms: int


class ShardTables:
    """``monitor.store.port.ShardStore``, but for prune, backup and close."""

    _db: Database

    @abstractmethod
    def _write_step(self, step: StepChange) -> int | None:
        """Write the rows past the stored position, and the position; how many, None: not our epoch."""

    @abstractmethod
    def _write_state(self, state: StateChange) -> bool:
        """Write chunks and floor; False: not our epoch."""

    def take(self, shard: int) -> ShardLease:
        """Become the shard's owner; see ``ShardStore``."""
        with self._db.transaction() as run:
            row = run.execute(_TAKE, (shard,)).fetchone()
        return ShardLease(*row)

    def owned(self, shard: int, epoch: int) -> bool:
        """Whether ``epoch`` is still the shard's."""
        query = "select 1 from shard where shard = ? and epoch = ?"
        return bool(self._db.read(query, shard, epoch))

    def commit_step(
        self,
        shard: int,
        epoch: int,
        position: int,
        transitions: Iterable[Transition],
        parts: Iterable[PartRow] = (),
    ) -> int:
        """Write a step's transitions and position; see ``ShardStore``."""
        encode = msgspec.msgpack.encode
        rows = [(t.position, t.n, t.at_ms, encode(t)) for t in transitions]
        new = self._write_step(StepChange(shard, epoch, position, rows, list(parts)))
        if new is None:
            raise _fenced(shard, epoch)
        return new

    def parts(self, from_ms: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Parts of all shards from a second on; see ``ShardStore``."""
        rows = self._db.read(_PARTS, from_ms, limit)
        if len(rows) < limit or rows[0][0] == rows[-1][0]:
            return rows
        return [row for row in rows if row[0] < rows[-1][0]]

    def latest_parts(self) -> list[tuple[int, int, bytes]]:
        """The newest part of each shard."""
        return self._db.read(_LATEST)

    def drop_parts(self, before_ms: int) -> int:
        """Delete the parts of earlier seconds; how many."""
        with self._db.transaction() as run:
            return run.execute("delete from part where at_ms < ?", (before_ms,)).rowcount

    def save_state(
        self, shard: int, epoch: int, rows: Iterable[StateRow], floor: int, floor_clock_ms: int
    ) -> None:
        """Write state rows and the floor; see ``ShardStore``."""
        size = database.STATE_ROW_BYTES
        chunks: list[tuple[str, str, int, int, bytes]] = []
        ends: list[tuple[str, str, int]] = []
        for key, part, applied, data in rows:
            starts = range(0, max(len(data), 1), size) if data is not None else ()
            chunks += ((key, part, i, applied, (data or b"")[at : at + size]) for i, at in enumerate(starts))
            ends.append((key, part, len(starts)))
        if not self._write_state(StateChange(shard, epoch, chunks, ends, floor, floor_clock_ms)):
            raise _fenced(shard, epoch)

    def load_state(self, shard: int) -> Iterator[tuple[str, str, int, bytes]]:
        """All state rows of the shard, by key and part."""
        for (key, part), chunks in groupby(self._chunks(shard), itemgetter(0, 1)):
            of_part = list(chunks)
            yield key, part, of_part[0][3], b"".join([chunk[4] for chunk in of_part])

    def shards(self) -> list[int]:
        """Every shard that anybody ever took."""
        return [row[0] for row in self._db.read("select shard from shard order by shard")]

    def split(self, splits: Sequence[Split]) -> None:
        """Make new shards and move shops to them; see ``ShardStore``."""
        size = database.STATE_ROW_BYTES
        with self._db.transaction() as run:
            for one in splits:
                run.execute(_BEGIN, (one.child, one.parent))
                rows = [
                    (one.child, "", part, place, -1, data[at : at + size])
                    for part, data in one.own
                    for place, at in enumerate(range(0, max(len(data), 1), size))
                ]
                run.executemany("insert into shard_state values (?, ?, ?, ?, ?, ?)", rows)
                run.executemany(_MOVE, [(one.child, one.parent, key) for key in one.keys])

    def shard_of(self, key: str) -> int | None:
        """The shard that a shop is in; None: nothing of it is stored."""
        found: int | None = self._db.read(_SHARD_OF, key)[0][0]
        return found

    def shop_state(self, key: str) -> ShopState | None:
        """What is stored of one shop and of its shard; see ``ShardStore``."""
        rows = self._db.read(_SHOP, key, key)
        if not rows:
            return None
        shard, floor, floor_clock_ms = rows[0][:3]
        found = []
        for (of, part), chunks in groupby((row for row in rows if row[0] == shard), itemgetter(3, 4)):
            of_part = list(chunks)
            found.append((of, part, of_part[0][5], b"".join([chunk[6] for chunk in of_part])))
        return ShopState(shard, floor, floor_clock_ms, found)

    def _chunks(self, shard: int) -> Iterator[tuple[str, str, int, int, bytes]]:
        last: tuple[str, str, int] = ("", "", -1)
        while rows := self._db.read(_STATE, shard, *last, database.PAGE_ROWS):
            yield from rows
            last = rows[-1][:3]

    def apply_plan(self, plan_hash: str, body: bytes, *, first: bool = False) -> str:
        """Keep a compiled plan and put it in force; see ``ShardStore``."""
        with self._db.transaction() as run:  # the first statement holds the row: one comes after the other
            now: str = run.execute(_IN_FORCE, (PLAN_KEY, b"")).fetchone()[0].decode()
            number, _, before = now.partition("-")
            if before == plan_hash or (first and now):
                return now
            name = f"{int(number or 0) + 1:06d}-{plan_hash}"
            run.execute("insert into plan values (?, ?) on conflict (hash) do nothing", (plan_hash, body))
            run.execute("update meta set value = ? where key = ?", (name.encode(), PLAN_KEY))
        return name

    def plan_in_force(self) -> str:
        """Its name; empty: none ever was."""
        return (self.get_meta(PLAN_KEY) or b"").decode()

    def plan_named(self, name: str) -> bytes | None:
        """The compiled plan that a record calls so; see ``ShardStore``."""
        number, _, plan_hash = name.partition("-")
        lost = LOST_PLAN + name
        with self._db.transaction() as run:
            now: str = run.execute(_IN_FORCE, (PLAN_KEY, b"")).fetchone()[0].decode()
            row = run.execute(_NAMED, (plan_hash, lost)).fetchone()
            if row is None:
                run.execute("insert into meta values (?, ?) on conflict (key) do nothing", (lost, b""))
            if now and name > now and int(number) < CHANGES_MAX:
                later = f"{int(number) + 1:06d}-{now.partition('-')[2]}"
                run.execute("update meta set value = ? where key = ?", (later.encode(), PLAN_KEY))
        return row[0] if row is not None else None

    def metas(self, prefix: str) -> dict[str, bytes]:
        """Every value whose key begins so."""
        query = "select key, value from meta where key >= ? and key < ? order by key"
        return dict(self._db.read(query, prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)))

    def put_meta(self, key: str, value: bytes | None) -> None:
        """Set a value; None deletes it."""
        with self._db.transaction() as run:
            if value is None:
                run.execute("delete from meta where key = ?", (key,))
                return
            run.execute(
                "insert into meta values (?, ?) on conflict (key) do update set value = excluded.value",
                (key, value),
            )

    def get_meta(self, key: str) -> bytes | None:
        """Read a value."""
        return self._value("select value from meta where key = ?", key)

    def _value(self, query: str, key: str) -> bytes | None:
        rows = self._db.read(query, key)
        return rows[0][0] if rows else None


def _fenced(shard: int, epoch: int) -> Fenced:
    return Fenced(f"shard {shard}: epoch {epoch} was taken over; this owner stops")
