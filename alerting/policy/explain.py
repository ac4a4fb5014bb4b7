"""Why somebody is told, or not: how an alert stands with the desk, also one that has not fired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.records import Trace, alert_key
from alerting.policy.route import route
from rules.transition import Transition

if TYPE_CHECKING:
    from alerting.policy.ledger import Ledger
    from alerting.policy.state import Alert, Way


def why(t: Transition) -> str:
    """Why the rule changed its state: its reason, and the comparison that decided."""
    return f"{t.reason}: {t.facts.condition}" if t.facts.condition else t.reason


def explain(books: Ledger, rule: str, subject: dict[str, str], now_ms: int, notify: str = "") -> list[Trace]:
    """Walk the steps for one rule on one subject as they stand at ``now_ms``.

    The traces in the store say how it came so; these say how it is. ``notify`` is the rule's own, used
    only where the alert does not fire.
    """
    key = alert_key(rule, subject)
    alert = books.alerts.get(key)
    if alert is None:
        return _would(books, Trace(key, now_ms, "rule", "ok", "it does not fire"), rule, subject, notify)
    t = alert.transition
    steps = [
        Trace(key, now_ms, "rule", f"{alert.state} {t.severity}", f"since {alert.since_ms}, {why(t)}"),
        Trace(key, now_ms, "route", "routed" if alert.ways else "dropped", route(books.policy, t).reason),
    ]
    if alert.state == "closed":
        reason = f"by {alert.acked_by}, until it fires anew or rises"
        steps.append(Trace(key, now_ms, "resolve", "closed", reason))
    elif alert.acked_by:
        until = f", until {alert.ack_until_ms}" if alert.ack_until_ms else ""
        steps.append(Trace(key, now_ms, "acknowledge", "taken", f"by {alert.acked_by}{until}"))
    for node in dict.fromkeys(way.node for way in alert.ways):
        if held := books.hold(alert, node, now_ms):
            until = "until it is over" if held.until_ms == limits.NEVER_MS else f"until {held.until_ms}"
            steps.append(Trace(key, now_ms, held.step, "held", f"{held.reason}, {until}"))
    return list(dict.fromkeys(steps)) + [
        step for way in alert.ways for step in _way(books, alert, way, now_ms)
    ]


def _way(books: Ledger, alert: Alert, way: Way, now_ms: int) -> list[Trace]:
    to = f"{way.receiver} on {way.account}"
    receiver = books.receiver(way)
    steps = []
    for waiting in way.queued.values():
        if waiting.not_before_ms < limits.NEVER_MS:
            people = books.policy.people(receiver, max(now_ms, waiting.not_before_ms))
            whom = f" ({', '.join(people)})" if people else ""
            reason = f"{waiting.kind} for {to}{whom}, not before {waiting.not_before_ms}"
            steps.append(Trace(alert.key, now_ms, "intent", "queued", reason))
    if way.failed_ms:
        failed = f"{to} was not reached, as known at {way.failed_ms}"
        return [*steps, Trace(alert.key, now_ms, "send", "failed", failed)]
    told = f"{to} was told at {way.told_ms}" if way.told_ms else f"{to} has not been told"
    return [*steps, Trace(alert.key, now_ms, "send", "told" if way.told_ms else "waiting", told)]


def _would(books: Ledger, first: Trace, rule: str, subject: dict[str, str], notify: str) -> list[Trace]:
    """What would become of the alert if it fired now; once for both severities where that is the same."""
    found: list[list[Trace]] = []
    for severity in ("warn", "crit"):
        t = Transition(first.at_ms, rule, subject, "ok", "firing", severity, severity, "", notify=notify)
        steps = _would_be(books, first.alert, t)
        if steps not in found:
            found.append(steps)
    if len(found) > 1:
        marked = (("as a warning", found[0]), ("as a critical alert", found[1]))
        found = [
            [Trace(s.alert, s.at_ms, s.step, s.verdict, f"{mark}: {s.reason}") for s in steps]
            for mark, steps in marked
        ]
    return [first, *(step for steps in found for step in steps)]


def _would_be(books: Ledger, key: str, t: Transition) -> list[Trace]:
    to, policy = route(books.policy, t), books.policy
    steps = [Trace(key, t.at_ms, "route", "would", to.reason)]
    for node in to.nodes:
        if held := books.would_hold(t, node, t.at_ms):
            steps.append(Trace(key, t.at_ms, held.step, "would hold", held.reason))
        at = policy.nodes[node]
        for step in policy.escalations.get(at.escalate, ()):
            reason = f"{at.escalate}: {', '.join(step.receivers)} after {step.after_ms // 1000} s"
            steps.append(Trace(key, t.at_ms, "escalate", "would", reason))
    return steps
