"""Tables of what people did: the audit, and what they thought of each rule's alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.acts import OPINIONS, Act, Standing
from monitor.store.desk import add_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.policy.records import Input
    from monitor.store.database import Database

_ACT = "insert into act (at_ms, who, what, alert, incident, comment) values (?, ?, ?, ?, ?, ?)"
_COLUMNS = "at_ms, who, what, alert, incident, comment"
_OPINION = (
    "insert into opinion (incident, who, at_ms, rule, what) values (?, ?, ?, ?, ?)"
    " on conflict (incident, who) do update set at_ms = excluded.at_ms, what = excluded.what"
)
_STANDING = (
    "select rule, sum(case when what = 'false_alarm' then 1 else 0 end),"
    " sum(case when what = 'useful' then 1 else 0 end)"
    " from opinion where at_ms >= ? group by rule order by 2 desc, rule"
)
_SHARED = "insert into meta (key, value) values (?, ?) on conflict (key) do nothing"


class ActTables:
    """``monitor.store.port.ActStore``."""

    _db: Database

    def record(self, act: Act, inputs: Sequence[Input] = ()) -> None:
        """Keep what somebody did, together with what the desk is to fold of it; see ``ActStore``."""
        with self._db.transaction() as run:
            run.execute(_ACT, (act.at_ms, act.who, act.what, act.alert, act.incident, act.comment))
            if act.what in OPINIONS:
                run.execute(_OPINION, (act.incident, act.who, act.at_ms, act.rule, act.what))
            for item in inputs:
                add_input(run, item)

    def acts(self, incident: str, limit: int) -> list[Act]:
        """What was done about one firing, oldest first; the last ``limit``."""
        query = f"select {_COLUMNS} from act where incident = ? order by id desc limit ?"  # noqa: S608
        return [Act(*row) for row in self._db.read(query, incident, limit)][::-1]

    def audit(self, limit: int) -> list[Act]:
        """What was done last, newest first."""
        query = f"select {_COLUMNS} from act order by id desc limit ?"  # noqa: S608
        return [Act(*row) for row in self._db.read(query, limit)]

    def standings(self, since_ms: int) -> list[Standing]:
        """What people thought of each rule's alerts since then, the most false alarms first."""
        rows = self._db.read(_STANDING, since_ms)
        return [Standing(rule, int(false_alarms), int(useful)) for rule, false_alarms, useful in rows]

    def secret(self, name: str, fresh: bytes) -> bytes:
        """The secret of that name, which all processes on this store share; ``fresh`` if there was none."""
        with self._db.transaction() as run:
            run.execute(_SHARED, (f"secret {name}", fresh))
        return bytes(self._db.read("select value from meta where key = ?", f"secret {name}")[0][0])
