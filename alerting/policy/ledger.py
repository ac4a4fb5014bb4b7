"""The desk's books: alerts, silences and groups, and the entries that can be made in them.

Others decide what is to be told; here it is entered: an intent is queued, held, moved or voided, and every
entry leaves its trace in the ``Changes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.policy import chain
from alerting.policy.group import flush_ms, group_key, held_back
from alerting.policy.hold import NONE, Hold, hold
from alerting.policy.inhibit import Inhibitions
from alerting.policy.match import labels_of
from alerting.policy.records import Changes, Intent, Kind, Silence, Trace, alert_key
from alerting.policy.route import manner
from alerting.policy.silence import Silences
from alerting.policy.state import Alert, Waiting, Way

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.policy.rulings import Policy, Receiver
    from rules.transition import Transition

_alert = msgspec.msgpack.Decoder(Alert)
_silence = msgspec.msgpack.Decoder(Silence)
_encode = msgspec.msgpack.encode


class Ledger:
    """What the desk keeps, and the changes since they were last taken."""

    def __init__(self, policy: Policy, rows: Iterable[tuple[str, str, bytes]] = ()) -> None:
        """Start with ``rows`` as ``take_changes`` gave them out."""
        self.policy = policy
        self.alerts: dict[str, Alert] = {}
        self.open: dict[str, Alert] = {}  # those of the alerts that are not over
        self.silences = Silences()
        self.groups: dict[str, int] = {}  # group → when its last planned message may leave
        self.inhibitions = Inhibitions(policy.inhibitions)
        self._labels: dict[str, tuple[Transition, dict[str, str]]] = {}  # of an alert, by its last transition
        self._anew = False  # the policy is another one than what waits was held by
        self._dirty: set[str] = set()
        self._changes = Changes()
        self._origin = ""
        self._made = 0
        for kind, key, body in rows:
            if kind == "alert":
                alert = self.alerts[key] = _alert.decode(body)
                if not alert.over:
                    self.open[key] = alert
                self.inhibitions.note(key, self.labels_of(alert), firing=alert.lasts)
            elif kind == "silence":
                self.silences.put(_silence.decode(body))
            elif kind == "group":
                self.groups[key] = msgspec.msgpack.decode(body, type=int)

    def use(self, policy: Policy) -> None:
        """Take another policy; alerts keep the ways and escalations that they have."""
        self.policy, self.inhibitions, self._anew = policy, Inhibitions(policy.inhibitions), True
        self._labels.clear()
        for key, alert in self.alerts.items():
            self.inhibitions.note(key, self.labels_of(alert), firing=alert.lasts)

    def look_again(self, at_ms: int) -> None:
        """Hold or release what waits as another policy does; escalations run on."""
        if not self._anew:
            return
        self._anew = False
        for alert in self.alerts.values():
            for way in alert.ways:
                for intent, waiting in way.queued.items():
                    self.move(alert, way, intent, waiting, at_ms)

    def begin_item(self, origin: str) -> None:
        """Name what is folded next; the ids of its intents are made from that name."""
        self._origin, self._made = origin, 0

    def take_changes(self) -> Changes:
        """All changes since the last call."""
        changes, self._changes = self._changes, Changes()
        for key in sorted(self._dirty):
            alert = self.alerts.get(key)
            changes.rows["alert", key] = _encode(alert) if alert else None
        self._dirty.clear()
        return changes

    def trace(self, alert: str, at_ms: int, step: str, verdict: str, reason: str) -> None:
        """Say what was decided about an alert, and why."""
        self._changes.traces.append(Trace(alert, at_ms, step, verdict, reason))

    # Alerts

    def labels(self, t: Transition) -> dict[str, str]:
        """What an alert of that transition is told by."""
        return labels_of(t, self.policy.shops, self.policy.sources)

    def labels_of(self, alert: Alert) -> dict[str, str]:
        """What an alert is told by as it is now."""
        t = alert.transition
        known = self._labels.get(alert.key)
        if known is None or known[0] is not t:
            known = self._labels[alert.key] = t, self.labels(t)
        return known[1]

    def enter(self, alert: Alert) -> None:
        """Put an alert into the books, new or in place of its former firing."""
        self.alerts[alert.key] = alert
        self.changed(alert)

    def changed(self, alert: Alert) -> None:
        """Note that an alert goes otherwise now; what it held or holds by that is released or held."""
        self._dirty.add(alert.key)
        if alert.over:
            self.open.pop(alert.key, None)
        else:
            self.open[alert.key] = alert
        news = self.inhibitions.note(alert.key, self.labels_of(alert), firing=alert.lasts)
        for key in sorted(news):
            self.rehold(self.alerts[key], alert.transition.at_ms)

    def leave(self, alert: Alert) -> None:
        """Strike an alert that is over and of which nothing is left to tell."""
        self._dirty.add(alert.key)
        if not alert.lasts and not any(way.queued for way in alert.ways):
            del self.alerts[alert.key]
            self._labels.pop(alert.key, None)
            self.inhibitions.forget(alert.key)

    def acknowledged(self, alert: Alert) -> None:
        """Note on what was sent of an alert that somebody has it."""
        self._dirty.add(alert.key)
        self._changes.acknowledged.append(alert.incident)

    def receiver(self, way: Way) -> Receiver:
        """The receiver of a way, in the manner of its route."""
        return manner(self.policy, way.receiver, way.node)

    # Silences and groups

    def put_silence(self, silence: Silence) -> None:
        """Enter a silence, or replace the one of that id."""
        self.silences.put(silence)
        self._changes.rows["silence", silence.id] = _encode(silence)

    def silenced(self, alert: Alert, at_ms: int) -> Silence | None:
        """The silence that holds the alert longest, if any does."""
        return self.silences.active(self.labels_of(alert), at_ms)

    def drop_silence(self, name: str) -> Silence | None:
        """Strike a silence; the one struck."""
        silence = self.silences.drop(name)
        if silence:
            self._changes.rows["silence", name] = None
        return silence

    def drop_group(self, name: str) -> None:
        """Strike a group that has been quiet for long."""
        del self.groups[name]
        self._changes.rows["group", name] = None

    def flush_ms(self, way: Way, t: Transition) -> int:
        """When the alert may leave with its group; at once when it must not be held back."""
        if not held_back(t):
            return t.at_ms
        receiver = self.receiver(way)
        key = group_key(receiver, self.labels(t))
        planned_ms = flush_ms(self.groups.get(key, 0), t.at_ms, receiver)
        self.groups[key] = planned_ms
        self._changes.rows["group", key] = _encode(planned_ms)
        self.trace(
            alert_key(t.rule, t.subject), t.at_ms, "group", "waits", f"for its group until {planned_ms}"
        )
        return planned_ms

    # Intents

    def queue(
        self, alert: Alert, way: Way, kind: Kind, base_ms: int, at_ms: int, *, missed: bool = False
    ) -> int:
        """Make an intent that may go at ``base_ms``, or later when something holds it; when that is."""
        held = self.hold(alert, way.node, at_ms, base_ms)
        not_before_ms = max(base_ms, held.until_ms)
        t, receiver = alert.transition, self.receiver(way)
        intent = Intent(
            id=f"{self._origin}-{self._made}",
            alert=alert.key,
            incident=alert.incident,
            receiver=way.receiver,
            account=way.account,
            # What quiet hours held is one message in the morning.
            group=f"{way.receiver}|{held.name}"
            if held.step == "mute"
            else group_key(receiver, self.labels_of(alert)),
            kind=kind,
            severity=t.severity,
            created_ms=at_ms,
            not_before_ms=not_before_ms,
            transition=t,
            stage=way.stage,
            who=alert.acked_by if kind in ("remind", "lapsed") or alert.state == "closed" else "",
            missed=missed,
        )
        self._made += 1
        way.queued[intent.id] = Waiting(kind, base_ms, not_before_ms, held.step)
        self._dirty.add(alert.key)
        self._changes.intents.append(intent)
        if held:
            self.trace(alert.key, at_ms, held.step, "held", held.reason)
        self.trace(alert.key, at_ms, "intent", "queued", f"{kind} for {way.receiver} on {way.account}")
        return not_before_ms

    def void(self, alert: Alert, way: Way, at_ms: int, reason: str) -> list[Waiting]:
        """Withdraw what is queued on a way, if it has not left yet; what that was."""
        gone = list(way.queued.values())
        for intent, waiting in way.queued.items():
            self._changes.voids.append((intent, at_ms, reason))
            self.trace(
                alert.key, at_ms, "intent", "withdrawn", f"{waiting.kind} for {way.receiver}: {reason}"
            )
        way.queued.clear()
        self._dirty.add(alert.key)
        return gone

    def let_go(self, alert: Alert) -> None:
        """Let what is queued of an alert leave by itself, though its entry goes: nothing could release it."""
        for way in alert.ways:
            for intent, waiting in way.queued.items():
                if waiting.by in ("silence", "inhibit"):
                    self._changes.moves[intent] = waiting.base_ms

    def settled(self, alert: Alert, way: Way, intent: str) -> None:
        """Note that an intent is no longer queued."""
        way.queued.pop(intent, None)
        self._dirty.add(alert.key)

    def rehold(self, alert: Alert, at_ms: int) -> None:
        """Hold or release what is queued of an alert, by what holds it now; its escalation counts anew."""
        for way in alert.ways:
            for intent, waiting in way.queued.items():
                self.move(alert, way, intent, waiting, at_ms)
        if alert.state == "firing":
            chain.restart(self, alert, at_ms)

    def move(self, alert: Alert, way: Way, intent: str, waiting: Waiting, at_ms: int) -> None:
        """Let a queued intent go when it may go as things stand."""
        held = self.hold(alert, way.node, at_ms, waiting.base_ms)
        not_before_ms = max(waiting.base_ms, held.until_ms)
        if not_before_ms == waiting.not_before_ms:
            return
        later, by = not_before_ms > waiting.not_before_ms, held.step or waiting.by
        waiting.not_before_ms, waiting.by = not_before_ms, held.step
        self._changes.moves[intent] = not_before_ms
        self._dirty.add(alert.key)
        if by:
            verdict = "held" if later else "released"
            self.trace(alert.key, at_ms, by, verdict, held.reason or "nothing holds it")

    def hold(self, alert: Alert, node: str, at_ms: int, base_ms: int = 0) -> Hold:
        """What holds what is due of an alert at ``base_ms``, as it stands at ``at_ms``."""
        if alert.state == "holding":
            return Hold.for_ever("inhibit", "it has eased and is not clear yet")
        return self._held(alert.key, self.labels_of(alert), node, max(base_ms, at_ms))

    def would_hold(self, t: Transition, node: str, at_ms: int) -> Hold:
        """As ``hold``, for a transition alone."""
        return self._held(alert_key(t.rule, t.subject), self.labels(t), node, at_ms)

    def _held(self, key: str, labels: dict[str, str], node: str, due_ms: int) -> Hold:
        if reason := self.inhibitions.by(key, labels):
            return Hold.for_ever("inhibit", reason)
        muted = self.policy.nodes.get(node)
        if not self.silences and not (muted and muted.mute):
            return NONE
        return hold(self.policy, self.silences, labels, node, due_ms)
