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
    why = f"{t.reason}: {t.facts.condition}" if t.facts.condition else t.reason
    steps = [
        Trace(key, now_ms, "rule", f"{alert.state} {t.severity}", f"since {alert.since_ms}, {why}"),
        Trace(key, now_ms, "route", "routed" if alert.ways else "dropped", route(books.policy, t).reason),
    ]
    if alert.acked_by:
        steps.append(Trace(key, now_ms, "acknowledge", "taken", f"by {alert.acked_by}"))
    hold_ms, step, reason = books.hold(alert, now_ms)
    if hold_ms:
        until = "until it is over" if hold_ms == limits.NEVER_MS else f"until {hold_ms}"
        steps.append(Trace(key, now_ms, step, "held", f"{reason}, {until}"))
    return steps + [step for way in alert.ways for step in _way(alert, way, now_ms)]


def _way(alert: Alert, way: Way, now_ms: int) -> list[Trace]:
    to = f"{way.receiver} on {way.account}"
    steps = [
        Trace(
            alert.key,
            now_ms,
            "intent",
            "queued",
            f"{waiting.kind} for {to}, not before {waiting.not_before_ms}",
        )
        for waiting in way.queued.values()
        if waiting.not_before_ms < limits.NEVER_MS
    ]
    told = f"{to} was told at {way.told_ms}" if way.told_ms else f"{to} has not been told"
    return [*steps, Trace(alert.key, now_ms, "send", "told" if way.told_ms else "waiting", told)]


def _would(books: Ledger, first: Trace, rule: str, subject: dict[str, str], notify: str) -> list[Trace]:
    """What would become of the alert if it fired now."""
    key, now_ms = first.alert, first.at_ms
    t = Transition(now_ms, rule, subject, "ok", "firing", "warn", "warn", "", notify=notify)
    steps = [first, Trace(key, now_ms, "route", "would", route(books.policy, t).reason)]
    hold_ms, step, reason = books.would_hold(t, now_ms)
    if hold_ms:
        steps.append(Trace(key, now_ms, step, "would hold", reason))
    return steps
