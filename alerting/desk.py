"""The desk: a pure fold from transitions and inputs to intents.

The way of a transition: rule → route → inhibit, silence → group → intent. Each step leaves a trace.
What a silence or a blind source holds is an intent that is not due yet, a repeat is one that lies in the
future until the alert ends, and what became of an intent comes back as a ``Result``: so the desk needs no
timers, and a fold over the same items gives the same intents however they are divided into calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.policy.explain import explain
from alerting.policy.ledger import Ledger
from alerting.policy.records import (
    OVER,
    TOLD,
    Ack,
    Changes,
    Cursor,
    Health,
    Input,
    Kind,
    Result,
    Silence,
    Tick,
    Trace,
    Unsilence,
    alert_key,
)
from alerting.policy.removed import removals
from alerting.policy.route import CHANNEL_RULE, Policy, route
from alerting.policy.silence import matches
from alerting.policy.state import Alert, Way
from rules.machine import Reason
from rules.transition import Facts, Transition

if TYPE_CHECKING:
    from collections.abc import Iterable

_RANK = {"warn": 1, "crit": 2}


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

    def explain(self, rule: str, subject: dict[str, str], now_ms: int, notify: str = "") -> list[Trace]:
        """How an alert stands now, step by step; see ``alerting.policy.explain``."""
        return explain(self.books, rule, subject, now_ms, notify)

    # Transitions

    def _take(self, t: Transition) -> None:
        key = alert_key(t.rule, t.subject)
        alert = self.books.alerts.get(key)
        why = f"{t.reason}: {t.facts.condition}" if t.facts.condition else t.reason
        self.books.trace(key, t.at_ms, "rule", f"{t.to_state} {t.severity}", why)
        if t.shadow:
            self.books.trace(key, t.at_ms, "route", "dropped", "a shadow rule never notifies")
        elif t.to_state == "firing":
            if alert is None or alert.over:
                self._begin(key, alert, t)
            else:
                self._go_on(alert, t)
        elif alert and not alert.over:
            if t.to_state == "holding":
                alert.state, alert.transition = "holding", t
                self.books.rehold(alert, t.at_ms)
            elif t.to_state in ("ok", "ended"):
                self._end(alert, t)

    def _begin(self, key: str, before: Alert | None, t: Transition) -> None:
        """Start an alert, or go on with one whose end has not been told yet."""
        to = route(self.books.policy, t)
        self.books.trace(key, t.at_ms, "route", "routed" if to.ways else "dropped", to.reason)
        since_ms = t.since_ms or t.at_ms
        incident = before.incident if before else f"{key}@{since_ms}"
        ways = [Way(receiver.name, account) for receiver, account in to.ways]
        if before:
            self._void(before, t.at_ms, "fires again before its end was told")
            for way in ways:
                way.told_ms = _told_ms(before, way)
        alert = Alert(key, incident, "firing", since_ms, t, ways)
        self.books.enter(alert)
        for way in alert.ways:
            self.books.queue(alert, way, "fire", self.books.flush_ms(way, t), t.at_ms)

    def _go_on(self, alert: Alert, t: Transition) -> None:
        """Take a change of a firing alert: its severity, its items, or that its source is heard again."""
        rise = _RANK[t.severity] > _RANK[alert.transition.severity]
        alert.state, alert.transition = "firing", t
        self.books.touch(alert)
        if rise and alert.acked_by:
            self.books.trace(alert.key, t.at_ms, "acknowledge", "voided", f"rose to {t.severity}")
            alert.acked_by = ""
        for way in alert.ways:
            if rise:
                self.books.void(alert, way, t.at_ms, f"rose to {t.severity}")
                self.books.queue(alert, way, "rise" if way.told_ms else "fire", t.at_ms, t.at_ms)
                continue
            for waiting in self.books.void(alert, way, t.at_ms, "newer figures"):
                self.books.queue(alert, way, waiting.kind, waiting.base_ms, t.at_ms)
            if t.reason == "update" and not alert.acked_by and _only_repeats(way):
                self.books.void(alert, way, t.at_ms, "newer items")
                self.books.queue(alert, way, "update", t.at_ms, t.at_ms)

    def _end(self, alert: Alert, t: Transition) -> None:
        """The alert is over; who was told of it is told that too."""
        kind: Kind = "ended" if t.to_state == "ended" else "resolved"
        once = alert.transition.after_the_fact
        alert.state = "ended" if kind == "ended" else "ok"
        alert.transition = msgspec.structs.replace(t, since_ms=t.since_ms or alert.since_ms)
        for way in alert.ways:
            if t.reason == Reason.GONE:  # answered or lost: the figures tell which, and it is no recovery
                self.books.void(alert, way, t.at_ms, "no conversation is near its deadline any more")
            elif once:  # told once, after the fact: what is queued still goes, and nothing follows
                way.queued.clear()
            elif way.told_ms or way.queued:
                self.books.void(alert, way, t.at_ms, f"{kind} before it was sent")
                receiver = self.books.receiver(way)
                day_over = kind == "ended"
                wait_ms = self.books.policy.digest_after_ms if day_over else receiver.group_wait_ms
                self.books.queue(alert, way, kind, t.at_ms + wait_ms, t.at_ms)
        self.books.note_source(alert)
        self.books.leave(alert)

    def _void(self, alert: Alert, at_ms: int, reason: str) -> None:
        for way in alert.ways:
            self.books.void(alert, way, at_ms, reason)

    # Inputs

    def _hear(self, item: Input) -> None:
        match item:
            case Ack():
                self._acknowledge(item)
            case Silence():
                self._silence(item)
            case Unsilence():
                self._unsilence(item)
            case Result():
                self._result(item)
            case Health():
                self._health(item)
            case Tick():
                self._forget(item.at_ms)
                for removal in removals(self.books, item.at_ms):
                    self._take(removal)
                self._reroute(item.at_ms)

    def _acknowledge(self, ack: Ack) -> None:
        alert = self.books.alerts.get(ack.alert)
        if alert is None or alert.over:
            self.books.trace(ack.alert, ack.at_ms, "acknowledge", "refused", "it does not fire")
            return
        self.books.trace(ack.alert, ack.at_ms, "acknowledge", "taken", f"by {ack.who}")
        self.books.acknowledge(alert, ack.who)
        self._void(alert, ack.at_ms, f"acknowledged by {ack.who}")

    def _silence(self, item: Silence) -> None:
        name, books = f"silence {item.id}", self.books
        if item.id not in books.silences and len(books.silences) >= limits.SILENCES_MAX:
            books.trace(name, item.at_ms, "silence", "refused", f"{limits.SILENCES_MAX} silences already")
            return
        until_ms = min(item.until_ms, item.at_ms + limits.SILENCE_MS_MAX)
        books.put_silence(msgspec.structs.replace(item, until_ms=until_ms))
        books.trace(name, item.at_ms, "silence", "begun", f"by {item.who}: {item.comment}")
        for alert in self._matched(item):
            books.rehold(alert, item.at_ms)
            for way in alert.ways:
                self._follow_up(alert, way, item.at_ms)

    def _unsilence(self, item: Unsilence) -> None:
        silence = self.books.drop_silence(item.id)
        verdict = "ended" if silence else "refused"
        self.books.trace(f"silence {item.id}", item.at_ms, "silence", verdict, f"by {item.who}")
        for alert in self._matched(silence) if silence else ():
            for way in alert.ways:
                for waiting in way.queued.values():
                    if waiting.kind == "still":
                        waiting.base_ms = min(waiting.base_ms, item.at_ms)
            self.books.rehold(alert, item.at_ms)

    def _matched(self, silence: Silence) -> list[Alert]:
        return [a for a in self.books.alerts.values() if matches(silence.matcher, a.transition)]

    def _result(self, result: Result) -> None:
        for intent, key, kind in result.intents:
            alert = self.books.alerts.get(key)
            way = alert.way(result.receiver, result.account) if alert else None
            if alert is None or way is None:
                continue
            self.books.settled(alert, way, intent)
            told = result.state in TOLD
            if told and kind not in OVER:
                way.told_ms = result.at_ms
            if alert.over:
                self.books.leave(alert)
            elif kind not in OVER:
                self._follow_up(alert, way, result.at_ms)
            elif told:  # its end was already leaving when it fired again: say that it fires
                self.books.void(alert, way, result.at_ms, "its end was told while it fired again")
                self.books.queue(alert, way, "fire", result.at_ms, result.at_ms)

    def _follow_up(self, alert: Alert, way: Way, at_ms: int) -> None:
        """Plan what comes after an alert was told: a repeat, or once more at the end of a silence."""
        once = alert.transition.after_the_fact or alert.acked_by
        if alert.over or once or not _only_repeats(way):
            return
        silence = self.books.silenced(alert, at_ms)
        if silence:
            self.books.void(alert, way, at_ms, f"silence {silence.id}")
            self.books.queue(alert, way, "still", silence.until_ms, at_ms)
        elif not way.queued:
            repeat_ms = at_ms + self.books.receiver(way).repeat_interval_ms
            self.books.queue(alert, way, "repeat", repeat_ms, at_ms)

    def _health(self, health: Health) -> None:
        """An account that stopped is an alert like any other, told over the others."""
        stopped = not health.ok
        self._take(
            Transition(
                at_ms=health.at_ms,
                rule=CHANNEL_RULE,
                subject={"account": health.account},
                from_state="ok" if stopped else "firing",
                to_state="firing" if stopped else "ok",
                severity="crit",
                verdict="crit" if stopped else "ok",
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

    def _reroute(self, at_ms: int) -> None:
        """Tell anew what was on its way to a receiver or account that is configured no longer."""
        known = {(r.name, account) for r in self.books.policy.receivers.values() for account in r.accounts}
        for alert in list(self.books.alerts.values()):
            if all((way.receiver, way.account) in known for way in alert.ways):
                continue
            self._void(alert, at_ms, "its receiver or account is configured no longer")
            if alert.over:
                self.books.leave(alert)
            else:
                self._begin(alert.key, alert, msgspec.structs.replace(alert.transition, at_ms=at_ms))


def _told_ms(alert: Alert, way: Way) -> int:
    """When the receiver of ``way`` was last told of ``alert`` on that account."""
    same = alert.way(way.receiver, way.account)
    return same.told_ms if same else 0


def _only_repeats(way: Way) -> bool:
    return all(waiting.kind == "repeat" for waiting in way.queued.values())
