"""The store of a cluster: one PostgreSQL database, every part of the interface.

What a shard's owner writes is one statement, so that an owner who is stopped in the middle holds nothing
open that his successor would wait for; and the statement is its own retry over a lost connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.errors import StoreError
from monitor.store.acts import ActTables
from monitor.store.audit import AuditTables
from monitor.store.deliveries import DeliveryTables
from monitor.store.desk import DeskTables
from monitor.store.postgres_database import PostgresDatabase
from monitor.store.receipts import ReceiptTables
from monitor.store.retention import Retention
from monitor.store.shards import ShardTables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.store.shards import StateChange, StepChange

# No row: the epoch is not ours. A statement that waited for the row sees it as it is then.
_STEP = """
with held as (select position from shard where shard = :shard and epoch = :epoch for update),
moved as (
    update shard set position = :position from held
    where shard.shard = :shard and held.position < :position
),
fresh as (
    insert into transition select :shard, given.position, given.n, given.at_ms, given.body
    from held, unnest(:positions::bigint[], :ns::bigint[], :ats::bigint[], :bodies::bytea[])
        as given (position, n, at_ms, body)
    where given.position > held.position
    returning 1
),
published as (
    insert into part select given.at_ms, :shard, given.body
    from held, unnest(:part_positions::bigint[], :part_ats::bigint[], :part_bodies::bytea[])
        as given (position, at_ms, body)
    where given.position > held.position
    on conflict do nothing
)
select (select count(*) from fresh) from held
"""
_STATE = """
with held as (select 1 from shard where shard = :shard and epoch = :epoch for update),
moved as (
    update shard set floor = :floor, floor_clock_ms = :clock_ms from held where shard.shard = :shard
),
cut_off as (
    delete from shard_state using held, unnest(:end_keys::text[], :end_parts::text[], :ends::bigint[])
        as kept (key, part, chunks)
    where shard_state.shard = :shard and shard_state.key = kept.key and shard_state.part = kept.part
        and shard_state.chunk >= kept.chunks
),
written as (
    insert into shard_state select :shard, given.key, given.part, given.chunk, given.applied, given.data
    from held, unnest(
        :keys::text[], :parts::text[], :chunks::bigint[], :applied::bigint[], :data::bytea[]
    ) as given (key, part, chunk, applied, data)
    on conflict (shard, key, part, chunk) do update set applied = excluded.applied, data = excluded.data
)
select 1 from held
"""
_NOW = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint)"


class PostgresStore(
    ShardTables, DeskTables, DeliveryTables, ActTables, ReceiptTables, AuditTables, Retention
):
    """``ShardStore``, ``DeskStore``, ``SenderStore`` and ``ActStore`` on one PostgreSQL database.

    Used by the thread that opened it; another thread opens its own on the same address.
    """

    _db: PostgresDatabase

    def __init__(self, address: str, name: str, *, migrate: bool = False) -> None:
        """Open the store; see ``PostgresDatabase``."""
        self._db = PostgresDatabase(address, name, migrate=migrate)

    def _write_step(self, step: StepChange) -> int | None:
        positions, ns, ats, bodies = columns(step.rows, 4)
        part_positions, part_ats, part_bodies = columns(step.parts, 3)
        rows = self._db.once(
            _STEP,
            {
                "shard": step.shard,
                "epoch": step.epoch,
                "position": step.position,
                "positions": positions,
                "ns": ns,
                "ats": ats,
                "bodies": bodies,
                "part_positions": part_positions,
                "part_ats": part_ats,
                "part_bodies": part_bodies,
            },
        )
        return rows[0][0] if rows else None

    def _write_state(self, state: StateChange) -> bool:
        keys, parts, chunks, applied, data = columns(state.chunks, 5)
        end_keys, end_parts, ends = columns(state.ends, 3)
        rows = self._db.once(
            _STATE,
            {
                "shard": state.shard,
                "epoch": state.epoch,
                "floor": state.floor,
                "clock_ms": state.floor_clock_ms,
                "keys": keys,
                "parts": parts,
                "chunks": chunks,
                "applied": applied,
                "data": data,
                "end_keys": end_keys,
                "end_parts": end_parts,
                "ends": ends,
            },
        )
        return bool(rows)

    def now_ms(self) -> int:
        """The database's clock, which processes on several machines can compare theirs with."""
        now_ms: int = self._db.read(_NOW)[0][0]
        return now_ms

    def backup(self, path: str) -> None:
        """Refuse: PostgreSQL is copied with its own tools.

        Raises:
            StoreError: Always, with the mend.
        """
        raise StoreError(
            f"{self._db.where}: not copied to {path}; use pg_dump, which copies while it is in use"
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._db.close()


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the columns that ``unnest`` takes."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
