"""The desk: a pure fold from transitions and inputs to intents.

The way of a transition: rule → route → inhibit, silence, mute → group → intent; where an escalation begins,
every later stage is an intent too. Each step leaves a trace. What is held is an intent that is not due yet, a
repeat or a stage is one that lies in the future until the alert ends or somebody has it, and what became of
an intent comes back as a ``Result``: so the desk needs no timers, and a fold over the same items gives the
same intents however they are divided into calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy import life, muting, taken, told
from alerting.policy.explain import explain, why
from alerting.policy.ledger import Ledger
from alerting.policy.records import (
    Ack,
    Changes,
    Cursor,
    Health,
    Input,
    Resolve,
    Result,
    Silence,
    Tick,
    Trace,
    Unsilence,
    alert_key,
)
from alerting.policy.rulings import CHANNEL_RULE, CHARTS_RULE, OVERDUE_RULE, Policy
from rules.transition import Facts, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable


class Desk:
    """Who is to be told what. One owner; what a fold changed is in the ``Changes`` it returns."""

    def __init__(
        self, policy: Policy, rows: Iterable[tuple[str, str, bytes]] = (), cursor: Cursor | None = None
    ) -> None:
        """Start where ``rows`` and ``cursor``, as the store keeps them, left off."""
        self.books = Ledger(policy, rows)
        self._positions = dict(cursor.positions) if cursor else {}
        self._inputs = cursor.inputs if cursor else 0

    @property
    def cursor(self) -> Cursor:
        """How far it has folded."""
        return Cursor(dict(self._positions), self._inputs)

    def fold(self, items: Iterable[Transition | tuple[int, Input]]) -> Changes:
        """Fold transitions and inputs (with their sequence), in order, and say what changed.

        What lies at or before the cursor is dropped. All transitions of one record must be in one call.
        """
        before = dict(self._positions)
        for item in items:
            if isinstance(item, Transition):
                if item.position > before.get(item.shard, -1):
                    self._positions[item.shard] = item.position
                    self.books.begin_item(f"{item.shard}.{item.position}.{item.n}")
                    self._take(item)
            elif item[0] > self._inputs:
                self._inputs = item[0]
                self.books.begin_item(f"i{item[0]}")
                self._hear(item[1])
        return self.books.take_changes()

    def use(self, policy: Policy) -> None:
        """Decide by another policy from here on; what waits is looked at again at the next tick."""
        self.books.use(policy)

    def explain(self, rule: str, subject: dict[str, str], now_ms: int, notify: str = "") -> list[Trace]:
        """How an alert stands now, step by step; see ``alerting.policy.explain``."""
        return explain(self.books, rule, subject, now_ms, notify)

    def _take(self, t: Transition) -> None:
        key = alert_key(t.rule, t.subject)
        alert = self.books.alerts.get(key)
        self.books.trace(key, t.at_ms, "rule", f"{t.to_state} {t.severity}", why(t))
        if t.shadow:
            self.books.trace(key, t.at_ms, "route", "dropped", "a shadow rule never notifies")
        elif t.to_state == "firing":
            if alert and alert.state == "closed":
                life.reopen(self.books, alert, t)
            elif alert is None or alert.over:
                life.begin(self.books, key, alert, t)
            else:
                life.go_on(self.books, alert, t)
        elif alert and not alert.over:
            if t.to_state == "holding":
                life.ease(self.books, alert, t)
            elif t.to_state in ("ok", "ended"):
                life.end(self.books, alert, t)
        elif alert and alert.state == "closed" and t.to_state in ("ok", "ended"):
            alert.state = "ok"
            self.books.changed(alert)
            self.books.leave(alert)

    def _hear(self, item: Input) -> None:
        match item:
            case Ack():
                taken.acknowledge(self.books, item)
            case Resolve():
                life.close(self.books, item)
            case Silence():
                muting.begin(self.books, item)
            case Unsilence():
                muting.end(self.books, item)
            case Result():
                told.take(self.books, item)
            case Health():
                self._health(item)
            case Tick():
                self._forget(item.at_ms)
                life.reroute(self.books, item.at_ms)
                self.books.look_again(item.at_ms)

    def _health(self, health: Health) -> None:
        """An account that stopped is an alert like any other, told over the others."""
        stopped, severity = not health.ok, "warn" if health.charts else "crit"
        rule = CHARTS_RULE if health.charts else OVERDUE_RULE if health.overdue else CHANNEL_RULE
        self._take(
            Transition(
                at_ms=health.at_ms,
                rule=rule,
                subject={"daemon" if health.charts else "account": health.account},
                from_state="ok" if stopped else "firing",
                to_state="firing" if stopped else "ok",
                severity=severity,
                verdict=severity if stopped else "ok",
                reason="channel",
                facts=Facts(condition=health.detail),
            )
        )

    def _forget(self, at_ms: int) -> None:
        """Forget what has been over for long."""
        books, horizon_ms = self.books, at_ms - limits.FORGET_MS
        for silence in [s for s in books.silences.values() if s.until_ms < horizon_ms]:
            books.drop_silence(silence.id)
        for group in [name for name, planned_ms in books.groups.items() if planned_ms < horizon_ms]:
            books.drop_group(group)
