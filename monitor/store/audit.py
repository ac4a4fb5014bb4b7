"""What the auditor asks of the tables: what should have left and has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.records import Waits

if TYPE_CHECKING:
    from monitor.store.database import Database

_OVERDUE = (
    "select account, count(*), min(not_before_ms) from intent where state = 'queued'"
    " and ((crit = 1 and not_before_ms <= ?) or not_before_ms <= ?) group by account order by account"
)
_NEWS = (
    "select (select count(*) from shard s left join desk_position d on d.shard = s.shard"
    " where exists (select 1 from transition t where t.shard = s.shard"
    " and t.position > coalesce(d.position, -1)))"
    " + (select count(*) from desk_number n join desk d on n.input > d.input)"
)
_PROGRESS = "select input + (select coalesce(sum(position), 0) from desk_position) from desk"
_TOLD = (
    "select 1 from intent where alert = ? and state in ('accepted', 'delivered', 'acknowledged')"
    " and created_ms >= ? limit 1"
)


class AuditTables:
    """``alerting.auditor.AuditStore``."""

    _db: Database

    def overdue(self, crit_ms: int, warn_ms: int) -> list[Waits]:
        """Accounts with intents that were due before these times and are still queued."""
        return [Waits(*row) for row in self._db.read(_OVERDUE, crit_ms, warn_ms)]

    def desk_behind(self) -> tuple[bool, int]:
        """Whether there is something the desk has not folded, and a number that rises as it folds."""
        (news,) = self._db.read(_NEWS)[0]
        (progress,) = self._db.read(_PROGRESS)[0]
        return bool(news), int(progress)

    def told_since(self, alert: str, since_ms: int) -> bool:
        """Whether a channel has taken a message of the alert since then."""
        return bool(self._db.read(_TOLD, alert, since_ms))
