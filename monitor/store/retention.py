"""What is deleted when it is old: never what is still on its way or not yet folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits

if TYPE_CHECKING:
    from monitor.store.database import Database

_TRANSITIONS = (
    "delete from transition where (shard, position, n) in (select t.shard, t.position, t.n"
    " from transition t join desk_position d on d.shard = t.shard"
    " where t.at_ms < ? and t.position <= d.position limit ?)"
)
_INPUTS = (
    "delete from desk_input where seq in (select seq from desk_input"
    " where at_ms < ? and seq <= (select input from desk) limit ?)"
)
_INTENTS = (
    "delete from intent where id in (select id from intent"
    " where created_ms < ? and state not in ('queued', 'sending') limit ?)"
)
_DELIVERIES = (
    "delete from delivery where id in (select id from delivery"
    " where sent_ms < ? and state != 'sending' limit ?)"
)
_ACTS = "delete from act where id in (select id from act where at_ms < ? limit ?)"
_OPINIONS = (
    "delete from opinion where (incident, who) in (select incident, who from opinion where at_ms < ? limit ?)"
)
_RECEIPTS = (
    "delete from receipt where (account, id) in (select account, id from receipt where at_ms < ? limit ?)"
)
_TRACES = "delete from trace where id in (select id from trace where at_ms < ? limit ?)"
_TOO_MANY = (
    "delete from trace where id in (select id from trace"
    " where id <= (select max(id) from trace) - ? order by id limit ?)"
)
_PARTS = "delete from part where (at_ms, shard) in (select at_ms, shard from part where at_ms < ? limit ?)"
_PRUNE = (
    (_TRANSITIONS, limits.TRANSITIONS_KEPT_MS),
    (_INPUTS, limits.INPUTS_KEPT_MS),
    (_INTENTS, limits.DELIVERIES_KEPT_MS),
    (_DELIVERIES, limits.DELIVERIES_KEPT_MS),
    (_TRACES, limits.TRACES_KEPT_MS),
    (_RECEIPTS, limits.DELIVERIES_KEPT_MS),
    (_PARTS, limits.PARTS_KEPT_MS),
    (_ACTS, limits.ACTS_KEPT_MS),
    (_OPINIONS, limits.ACTS_KEPT_MS),
)


class Retention:
    """The part of a store that forgets."""

    _db: Database

    def prune(self, now_ms: int) -> int:
        """Delete what is past its retention, at most ``limits.PRUNE_ROWS`` a table; how many went.

        Call it again while it returns something and there is nothing better to do.
        """
        gone = 0
        for statement, kept_ms in _PRUNE:
            with self._db.transaction() as run:
                gone += run.execute(statement, (now_ms - kept_ms, limits.PRUNE_ROWS)).rowcount
        with self._db.transaction() as run:
            gone += run.execute(_TOO_MANY, (limits.TRACES_MAX, limits.PRUNE_ROWS)).rowcount
        return gone
