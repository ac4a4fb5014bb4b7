"""Tables of the sender: accounts and their leases, intents on their way, deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from alerting import limits
from alerting.errors import Fenced
from alerting.policy.records import AccountState, Flight, Intent, Queued, Result, Sibling
from monitor.store.desk import add_input, add_traces
from monitor.store.receipts import settle_reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.policy.records import Delivery, State, Trace
    from monitor.store.database import Database, Transaction

SIBLINGS_ROWS = 100  # incidents asked for at once: the question marks below

_intent = msgspec.msgpack.Decoder(Intent)

_LEASE = (
    "insert into account (name, owner, lease_until_ms) values (:account, :owner, :until)"
    " on conflict (name) do update set owner = :owner, lease_until_ms = :until"
    " where account.owner = :owner or account.lease_until_ms <= :now"
)
# A lease that ran out and that nobody took is still its owner's.
_RENEW = (
    "update account set"
    " lease_until_ms = case when lease_until_ms < :until then :until else lease_until_ms end"
    " where name = :account and owner = :owner"
)
_FLIGHT = (
    "update delivery set state = 'ambiguous', done_ms = ?, detail = 'its sender died'"
    " where account = ? and state = 'sending' returning id"
)
# However often its sender dies, what may not have left is sent again: each death repeats one message at most.
_LOST = (
    "update intent set again = case when again = 2 then 2 else 1 end, delivery = 0, done_ms = 0,"
    " state = 'queued' where delivery = ? and state = 'sending'"
)
_DUE = (
    "select body, fails, again, not_before_ms from intent"
    " where account = ? and state = 'queued' and not_before_ms <= ?"
    " order by crit desc, not_before_ms, created_ms, id limit ?"
)
_ENDED = (
    "select body, fails, again, not_before_ms from intent"
    " where account = ? and state = 'queued' and kind = 'ended' order by created_ms, id limit ?"
)
_SIBLINGS = (
    "select incident, state, not_before_ms, done_ms, kind in ('resolved', 'ended') from intent"
    " where account = ?"
    " and incident in (?" + ", ?" * (SIBLINGS_ROWS - 1) + ")"
)
_BEGIN = (
    "insert into delivery (account, receiver, state, crit, again, sent_ms, payload)"
    " values (?, ?, 'sending', ?, ?, ?, ?) returning id"
)
_FINISH = (
    "update delivery set state = ?, done_ms = ?, code = ?, provider_id = ?, detail = ?"
    " where id = ? and state = 'sending'"
)
# ``again``: 1 its sender died, 2 nobody answered; see ``Queued``.
_AGAIN = (
    "update intent set again = 2, delivery = 0, done_ms = 0, state = 'queued'"
    " where delivery = ? and state = 'sending'"
)


class DeliveryTables:
    """``alerting.ports.SenderStore``."""

    _db: Database

    def lease(self, account: str, owner: str, now_ms: int, until_ms: int) -> bool:
        """Take or renew the account; see ``SenderStore``."""
        named = {"account": account, "owner": owner, "now": now_ms, "until": until_ms}
        with self._db.transaction() as run:
            return run.execute(_LEASE, named).rowcount == 1

    def recover(self, account: str, now_ms: int) -> int:
        """Make what a dead sender left in flight ambiguous; see ``SenderStore``."""
        with self._db.transaction() as run:
            flight = run.execute(_FLIGHT, (now_ms, account)).fetchall()
            run.executemany(_LOST, sorted(flight))
        return len(flight)

    def flights(self, account: str, since_ms: int) -> list[Flight]:
        """What a dead sender left in flight since then."""
        query = (
            "select id, receiver, payload from delivery"
            " where account = ? and state = 'sending' and sent_ms >= ? order by id"
        )
        bodies = "select body from intent where delivery = ? and state = 'sending' order by id"
        return [
            Flight(
                number, receiver, payload, tuple(_intent.decode(b) for (b,) in self._db.read(bodies, number))
            )
            for number, receiver, payload in self._db.read(query, account, since_ms)
        ]

    def account(self, account: str, since_ms: int) -> AccountState:
        """Attempts at or after ``since_ms``, and until when the account is closed."""
        read = self._db.read
        query = "select sent_ms, crit from delivery where account = ? and sent_ms >= ? order by sent_ms, id"
        sent = tuple((at_ms, bool(crit)) for at_ms, crit in read(query, account, since_ms))
        rows = read("select closed_until_ms from account where name = ?", account)
        return AccountState(sent, rows[0][0] if rows else 0)

    def close_account(self, account: str, until_ms: int) -> None:
        """Remember that the provider refuses everything until then."""
        with self._db.transaction() as run:
            run.execute("update account set closed_until_ms = ? where name = ?", (until_ms, account))

    def due(self, account: str, now_ms: int, limit: int) -> list[Queued]:
        """Queued intents that may be sent now: crit first, then the oldest."""
        return _queued(self._db.read(_DUE, account, now_ms, limit))

    def ended(self, account: str, limit: int) -> list[Queued]:
        """Queued intents that name an ended alert, due or not: they ride with a digest."""
        return _queued(self._db.read(_ENDED, account, limit))

    def next_due_ms(self, account: str, now_ms: int) -> int | None:
        """When the next queued intent after now becomes due."""
        query = (
            "select min(not_before_ms) from intent"
            " where account = ? and state = 'queued' and not_before_ms > ?"
        )
        at_ms: int | None = self._db.read(query, account, now_ms)[0][0]
        return None if at_ms == limits.NEVER_MS else at_ms

    def siblings(self, incidents: Sequence[str], account: str) -> dict[str, list[Sibling]]:
        """What became of the intents of incidents, by incident."""
        found: dict[str, list[Sibling]] = {incident: [] for incident in incidents}
        for start in range(0, len(incidents), SIBLINGS_ROWS):
            some = list(incidents[start : start + SIBLINGS_ROWS])
            some += some[-1:] * (SIBLINGS_ROWS - len(some))
            for incident, state, due_ms, done_ms, over in self._db.read(_SIBLINGS, account, *some):
                found[incident].append(Sibling(state, due_ms, done_ms, bool(over)))
        return found

    def begin(self, delivery: Delivery, owner: str) -> int:
        """Write a delivery as ``sending``; see ``SenderStore``."""
        d = delivery
        with self._db.transaction() as run:
            lease = {"account": d.account, "owner": owner, "until": d.sent_ms + limits.LEASE_MS}
            if run.execute(_RENEW, lease).rowcount != 1:
                raise Fenced(f"account {d.account}: another sender took it over; this one stops")
            flags = int(d.crit), int(d.again)
            (number,) = run.execute(_BEGIN, (d.account, d.receiver, *flags, d.sent_ms, d.payload)).fetchone()
            run.executemany(
                "update intent set state = 'sending', delivery = ? where id = ? and state = 'queued'",
                sorted((number, intent.id) for intent in d.intents),
            )
        return int(number)

    def finish(
        self,
        delivery: int,
        state: State,
        result: Result,
        *,
        requeue: bool = False,
        code: str = "",
        provider_id: str = "",
        detail: str = "",
        bad: bool = False,
        traces: Sequence[Trace] = (),
    ) -> None:
        """Record what became of a delivery; see ``SenderStore``."""
        with self._db.transaction() as run:
            done = run.execute(_FINISH, (state, result.at_ms, code, provider_id, detail, delivery))
            if done.rowcount != 1:  # recorded already, or another sender recovered it
                return
            if not requeue:
                _settle(run, result, "sending")
                settle_reported(run, delivery, result.at_ms)  # a receipt may be faster than the answer
            elif state == "ambiguous":
                run.execute(_AGAIN, (delivery,))
            else:
                run.execute(
                    "update intent set state = 'queued', delivery = 0, fails = fails + ?"
                    " where delivery = ? and state = 'sending'",
                    (int(bad), delivery),
                )
            add_traces(run, traces)

    def settle(self, result: Result, traces: Sequence[Trace] = ()) -> None:
        """Give intents their last state without sending them, and tell the desk."""
        with self._db.transaction() as run:
            _settle(run, result, "queued")
            add_traces(run, traces)


def _queued(rows: Sequence[tuple[Any, ...]]) -> list[Queued]:
    return [
        Queued(
            msgspec.structs.replace(_intent.decode(body), not_before_ms=at_ms), fails, again > 0, again > 1
        )
        for body, fails, again, at_ms in rows
    ]


def _settle(run: Transaction, result: Result, current: str) -> None:
    run.executemany(
        "update intent set state = ?, done_ms = ?, note = ? where id = ? and state = ?",
        [
            (result.state, result.at_ms, result.reason, intent, current)
            for intent, _, _ in sorted(result.intents)
        ],
    )
    add_input(run, result)
