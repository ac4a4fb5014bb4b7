"""Tables of receipts: what carriers reported, and what that says of a delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.records import Report, Result, Unreported
from monitor.store.desk import add_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.store.database import Database, Transaction

_RECEIPT = (
    "insert into receipt (account, id, at_ms, delivered, code) values (?, ?, ?, ?, ?)"
    " on conflict (account, id) do update set delivered = 1, code = excluded.code"
    " where receipt.delivered = 0 and excluded.delivered = 1"
)
_OF_ID = (
    "select id from delivery where account = :account and sent_ms >= :since and provider_id != ''"
    " and (',' || provider_id || ',') like :pattern"
)
_UNREPORTED = (
    "select id, sent_ms, payload, provider_id from delivery where account = ? and state = 'accepted'"
    " and provider_id != '' and sent_ms >= ? order by sent_ms desc limit ?"
)
_SETTLE = "update delivery set state = ? where id = ? and state = ?"


class ReceiptTables:
    """``alerting.ports.ReceiptStore``."""

    _db: Database

    def report(self, account: str, reports: Sequence[Report], now_ms: int, since_ms: int) -> int:
        """Take in receipts, and settle the deliveries that they decide; see ``ReceiptStore``."""
        with self._db.transaction() as run:
            for one in sorted(reports, key=lambda report: report.id):
                run.execute(_RECEIPT, (account, one.id, now_ms, int(one.delivered), one.code))
            given = {"account": account, "since": since_ms}
            found = {
                row[0]
                for one in reports
                if (pattern := _pattern(one.id))
                for row in run.execute(_OF_ID, given | {"pattern": pattern}).fetchall()
            }
            return sum(settle_reported(run, delivery, now_ms) for delivery in sorted(found))

    def unreported(self, account: str, since_ms: int, limit: int) -> list[Unreported]:
        """Accepted deliveries since then of which no carrier has said what decides."""
        rows = self._db.read(_UNREPORTED, account, since_ms, limit)
        return [
            Unreported(number, at_ms, payload, tuple(ids.split(","))) for number, at_ms, payload, ids in rows
        ]


def settle_reported(run: Transaction, delivery: int, now_ms: int) -> bool:
    """Settle an accepted delivery by what is known of its ids: one arrived, or all failed.

    That it failed is taken back when a later receipt says that it arrived.
    """
    row = run.execute(
        "select account, receiver, state, provider_id from delivery where id = ?", (delivery,)
    ).fetchone()
    if row is None or row[2] not in ("accepted", "failed") or not row[3]:
        return False
    account, receiver, state, provider_id = row
    ids = provider_id.split(",")
    known = list(_known(run, account, ids))
    arrived = any(delivered for delivered, _ in known)
    if not arrived and (len(known) < len(ids) or state == "failed"):
        return False
    new = "delivered" if arrived else "failed"
    run.execute(_SETTLE, (new, delivery, state))
    intents = run.execute(
        "select id, alert, kind from intent where delivery = ? and state = ? order by id", (delivery, state)
    ).fetchall()
    run.execute("update intent set state = ? where delivery = ? and state = ?", (new, delivery, state))
    if intents:
        code = next((code for delivered, code in known if delivered == arrived), "")
        reason = f"the carrier's receipt: {code}"
        given = [(intent, alert, kind) for intent, alert, kind in intents]
        add_input(run, Result(now_ms, new, account, receiver, given, reason, delivery))  # type: ignore[arg-type]
    return True


def _known(run: Transaction, account: str, ids: Iterable[str]) -> Iterable[tuple[bool, str]]:
    for one in ids:
        query = "select delivered, code from receipt where account = ? and id = ?"
        if row := run.execute(query, (account, one)).fetchone():
            yield bool(row[0]), row[1]


def _pattern(text: str) -> str:
    """Where an id stands among others; empty for what is none, since no id holds a comma or a wildcard."""
    return "" if not text or set(text) & set("%_\\,") else f"%,{text},%"
