"""The desk's books: alerts, silences and groups, and the entries that can be made in them.

``alerting.desk`` decides what is to be told; here it is entered: an intent is queued, held, moved or
voided, and every entry leaves its trace in the ``Changes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.policy.group import flush_ms, group_key, held_back
from alerting.policy.records import Changes, Intent, Kind, Silence, Trace, alert_key
from alerting.policy.silence import active
from alerting.policy.state import Alert, Waiting, Way

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.policy.route import Policy, Receiver
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
        self.silences: dict[str, Silence] = {}
        self.groups: dict[str, int] = {}  # group → when its last planned message may leave
        self._blind: dict[str, str] = {}  # source with a firing alert → that alert
        self._by_source: dict[str, set[str]] = {}  # source → alerts of its shops
        self._dirty: set[str] = set()
        self._changes = Changes()
        self._origin = ""
        self._made = 0
        for kind, key, body in rows:
            if kind == "alert":
                alert = _alert.decode(body)
                self._enter(alert)
                self._watch(alert)
            elif kind == "silence":
                self.silences[key] = _silence.decode(body)
            elif kind == "group":
                self.groups[key] = msgspec.msgpack.decode(body, type=int)
        self._dirty.clear()

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

    def enter(self, alert: Alert) -> None:
        """Put an alert, new or in place of its former firing, into the books."""
        self._enter(alert)
        self.note_source(alert)

    def _enter(self, alert: Alert) -> None:
        self.alerts[alert.key] = alert
        self._dirty.add(alert.key)
        if source := self._source_of(alert.transition):
            self._by_source.setdefault(source, set()).add(alert.key)

    def touch(self, alert: Alert) -> None:
        """Note that the alert has changed."""
        self._dirty.add(alert.key)

    def leave(self, alert: Alert) -> None:
        """Strike an alert that is over and of which nothing is left to tell."""
        self._dirty.add(alert.key)
        if alert.over and not any(way.queued for way in alert.ways):
            del self.alerts[alert.key]
            if source := self._source_of(alert.transition):
                self._by_source[source].discard(alert.key)

    def acknowledge(self, alert: Alert, who: str) -> None:
        """Note who has the alert, on it and on what was sent of it."""
        alert.acked_by = who
        self._dirty.add(alert.key)
        self._changes.acknowledged.append(alert.incident)

    def note_source(self, alert: Alert) -> None:
        """Hold or release the alerts of a source's shops when its own alert begins or ends."""
        source = alert.transition.subject.get("source", "")
        if self._watch(alert):
            for key in sorted(self._by_source.get(source, ())):
                self.rehold(self.alerts[key], alert.transition.at_ms)

    def _watch(self, alert: Alert) -> bool:
        """Note whether a source is blind; say whether that is news."""
        source = alert.transition.subject.get("source", "")
        if not source or "shop" in alert.transition.subject:
            return False
        known = source in self._blind
        if alert.over:
            if self._blind.get(source) == alert.key:
                del self._blind[source]
        else:
            self._blind.setdefault(source, alert.key)
        return (source in self._blind) != known

    def _source_of(self, t: Transition) -> str:
        shop = t.subject.get("shop", "")
        return t.subject.get("source", "") or self.policy.sources.get(shop, "") if shop else ""

    def receiver(self, way: Way) -> Receiver:
        """The receiver of a way; the default where the configuration no longer has it."""
        return self.policy.receivers.get(way.receiver) or self.policy.receivers[self.policy.default]

    # Silences and groups

    def put_silence(self, silence: Silence) -> None:
        """Enter a silence, or replace the one of that id."""
        self.silences[silence.id] = silence
        self._changes.rows["silence", silence.id] = _encode(silence)

    def silenced(self, alert: Alert, at_ms: int) -> Silence | None:
        """The silence that holds the alert longest, if any does."""
        return active(self.silences.values(), alert.transition, at_ms)

    def drop_silence(self, name: str) -> Silence | None:
        """Strike a silence; the one struck."""
        silence = self.silences.pop(name, None)
        if silence:
            self._changes.rows["silence", name] = None
        return silence

    def drop_group(self, name: str) -> None:
        """Strike a group that has been quiet for long."""
        del self.groups[name]
        self._changes.rows["group", name] = None

    def flush_ms(self, way: Way, t: Transition) -> int:
        """When the alert may leave with its group; at once when it must not be held back."""
        receiver = self.receiver(way)
        if not held_back(t):
            return t.at_ms
        key = group_key(receiver, t)
        planned_ms = flush_ms(self.groups.get(key, 0), t.at_ms, receiver)
        self.groups[key] = planned_ms
        self._changes.rows["group", key] = _encode(planned_ms)
        self.trace(
            alert_key(t.rule, t.subject), t.at_ms, "group", "waits", f"for its group until {planned_ms}"
        )
        return planned_ms

    # Intents

    def queue(self, alert: Alert, way: Way, kind: Kind, base_ms: int, at_ms: int) -> None:
        """Make an intent that may go at ``base_ms``, or later when something holds it."""
        hold_ms, step, reason = self.hold(alert, at_ms)
        not_before_ms = max(base_ms, hold_ms)
        t = alert.transition
        intent = Intent(
            id=f"{self._origin}-{self._made}",
            alert=alert.key,
            incident=alert.incident,
            receiver=way.receiver,
            account=way.account,
            group=group_key(self.receiver(way), t),
            kind=kind,
            severity=t.severity,
            created_ms=at_ms,
            not_before_ms=not_before_ms,
            transition=t,
        )
        self._made += 1
        way.queued[intent.id] = Waiting(kind, base_ms, not_before_ms)
        self._dirty.add(alert.key)
        self._changes.intents.append(intent)
        if hold_ms > base_ms:
            self.trace(alert.key, at_ms, step, "held", reason)
        self.trace(alert.key, at_ms, "intent", "queued", f"{kind} for {way.receiver} on {way.account}")

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

    def settled(self, alert: Alert, way: Way, intent: str) -> None:
        """Note that an intent is no longer queued."""
        way.queued.pop(intent, None)
        self._dirty.add(alert.key)

    def rehold(self, alert: Alert, at_ms: int) -> None:
        """Hold or release what is queued of an alert, by what holds it now."""
        self._dirty.add(alert.key)
        hold_ms, step, reason = self.hold(alert, at_ms)
        for way in alert.ways:
            for intent, waiting in way.queued.items():
                not_before_ms = max(waiting.base_ms, hold_ms)
                if not_before_ms == waiting.not_before_ms:
                    continue
                held = not_before_ms > waiting.not_before_ms
                waiting.not_before_ms = self._changes.moves[intent] = not_before_ms
                verdict = "held" if held else "released"
                self.trace(alert.key, at_ms, step, verdict, reason if held else "nothing holds it")

    def hold(self, alert: Alert, at_ms: int) -> tuple[int, str, str]:
        """Until when the alert is held (0: it is not), by which step, and why."""
        if alert.state == "holding":
            return limits.NEVER_MS, "inhibit", "it has eased and is not clear yet"
        return self.would_hold(alert.transition, at_ms)

    def would_hold(self, t: Transition, at_ms: int) -> tuple[int, str, str]:
        """As ``hold``, for a transition alone."""
        source = self._source_of(t)
        if source in self._blind:
            return limits.NEVER_MS, "inhibit", f"source {source} is blind: {self._blind[source]}"
        silence = active(self.silences.values(), t, at_ms)
        if silence:
            return silence.until_ms, "silence", f"silence {silence.id} by {silence.who}"
        return 0, "silence", ""
