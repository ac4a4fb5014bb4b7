"""The life of an alert, from the transition that begins it to the one that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.policy import chain, muting
from alerting.policy.route import route
from alerting.policy.rulings import ACCOUNT_RULES
from alerting.policy.state import Alert, Way
from rules.machine import Reason

if TYPE_CHECKING:
    from alerting.policy.ledger import Ledger
    from alerting.policy.records import Kind, Resolve
    from rules.transition import Transition

_RANK = {"warn": 1, "crit": 2}


def begin(books: Ledger, key: str, before: Alert | None, t: Transition) -> None:
    """Start an alert, or go on with one whose end has not been told yet.

    A day that has ended is named in its digest all the same: what fires on the next day is another firing.
    """
    to = route(books.policy, t)
    books.trace(key, t.at_ms, "route", "routed" if to.ways else "dropped", to.reason)
    if before and before.state == "ended":
        books.let_go(before)
        before = None
    since_ms = t.since_ms or t.at_ms
    incident = before.incident if before else f"{key}@{since_ms}"
    ways = [Way(way.receiver.name, way.account, node=way.node) for way in to.ways]
    alert = Alert(key, incident, "firing", since_ms, t, list(ways), rose_ms=t.at_ms)
    for node in to.nodes:
        chain.copy(books, alert, node, t.at_ms)
    if before:
        _remember(alert, before)
        withdraw(books, before, t.at_ms, "fires again before its end was told")
    books.enter(alert)
    for way in ways:
        books.queue(alert, way, "fire", books.flush_ms(way, t), t.at_ms)
    for node in to.nodes:
        chain.begin(books, alert, node, t.at_ms)


def _remember(alert: Alert, before: Alert) -> None:
    """Keep who knows that it fired and not that it ended: they are to hear of its end, whoever is told."""
    told = {
        (way.receiver, way.account): way
        for way in before.ways
        if way.told_ms and any(waiting.kind == "resolved" for waiting in way.queued.values())
    }
    for way in alert.ways:
        if known := told.pop((way.receiver, way.account), None):
            way.told_ms = known.told_ms
    alert.ways += [msgspec.structs.replace(way, queued={}) for way in told.values()]


def go_on(books: Ledger, alert: Alert, t: Transition) -> None:
    """Take a change of a firing alert: its severity, its items, or that its source is heard again."""
    rise = _RANK[t.severity] > _RANK[alert.transition.severity]
    alert.state, alert.transition = "firing", t
    books.changed(alert)
    lapse(alert, t.at_ms)
    if rise:
        _rise(books, alert, t)
        return
    for way in alert.ways:
        for waiting in books.void(alert, way, t.at_ms, "newer figures"):
            books.queue(alert, way, waiting.kind, waiting.base_ms, t.at_ms)
        told = t.reason == "update" and not alert.acked_by and (way.told_ms or not way.stage)
        if told and way.only_repeats:
            books.void(alert, way, t.at_ms, "newer items")
            books.queue(alert, way, "update", t.at_ms, t.at_ms)


def _rise(books: Ledger, alert: Alert, t: Transition) -> None:
    """Tell at once, also those who are told only of what is critical; the escalation begins anew."""
    if alert.acked_by:
        books.trace(alert.key, t.at_ms, "acknowledge", "voided", f"rose to {t.severity}")
        alert.acked_by, alert.ack_until_ms = "", 0
    alert.rose_ms = t.at_ms
    to = route(books.policy, t)
    first = {(way.receiver, way.account): way for way in alert.ways if not way.stage}
    withdraw(books, alert, t.at_ms, f"rose to {t.severity}")
    for receiver, account, node in to.ways:
        if way := first.get((receiver.name, account)):
            way.node = node
        else:
            alert.ways.append(Way(receiver.name, account, node=node))
            books.trace(alert.key, t.at_ms, "route", "added", f"{receiver.name} on {account}: {to.reason}")
    chain.leave(alert, to.nodes)
    for node in to.nodes:
        chain.copy(books, alert, node, t.at_ms)
    for way in alert.each_once():
        if way.told_ms or (not way.stage and way.node in to.nodes):
            books.queue(alert, way, "rise" if way.told_ms else "fire", t.at_ms, t.at_ms)
    for node in to.nodes:
        chain.begin(books, alert, node, t.at_ms)


def ease(books: Ledger, alert: Alert, t: Transition) -> None:
    """It holds no longer but is not clear yet: what waits, waits for what comes of it."""
    alert.state, alert.transition = "holding", t
    books.changed(alert)
    books.rehold(alert, t.at_ms)


def reopen(books: Ledger, alert: Alert, t: Transition) -> None:
    """Take a change of what somebody closed: it begins anew when it rises, else it stays closed."""
    if _RANK[t.severity] > _RANK[alert.transition.severity]:
        begin(books, alert.key, alert, t)
        return
    alert.transition = t
    books.changed(alert)
    books.trace(alert.key, t.at_ms, "route", "dropped", "closed by hand, until it fires anew or rises")


def close(books: Ledger, item: Resolve) -> None:
    """Close an alert by hand: who was told of it is told so, and nobody is told of it again."""
    alert = books.alerts.get(item.alert)
    if alert is None or alert.over or item.incident not in ("", alert.incident):
        books.trace(item.alert, item.at_ms, "resolve", "refused", "it does not fire")
        return
    books.trace(alert.key, item.at_ms, "resolve", "closed", f"by {item.who}")
    alert.acked_by, alert.ack_until_ms = item.who, 0
    end(books, alert, msgspec.structs.replace(alert.transition, at_ms=item.at_ms, to_state="closed"))


def end(books: Ledger, alert: Alert, t: Transition) -> None:
    """The alert is over; who was told of it is told that too."""
    kind: Kind = "ended" if t.to_state == "ended" else "resolved"
    once = alert.transition.after_the_fact
    alert.state = t.to_state if t.to_state in ("ended", "closed") else "ok"  # type: ignore[assignment]
    alert.transition = msgspec.structs.replace(t, since_ms=t.since_ms or alert.since_ms)
    told_once = alert.each_once()
    muting.resolved(books, alert, t.at_ms)
    for way in alert.ways:
        if t.reason == Reason.GONE:  # answered or lost: the figures tell which, and it is no recovery
            books.void(alert, way, t.at_ms, "no conversation is near its deadline any more")
        elif once:  # told once, after the fact: what is queued still goes, and nothing follows
            way.queued.clear()
        elif way.stage and way.failed_ms:
            books.void(alert, way, t.at_ms, "nobody there knew that it fired")
        elif way.account in books.policy.no_ends:
            books.void(alert, way, t.at_ms, f"{kind}, which {way.account} has no words for")
        elif way.told_ms or way.queued:
            gone = books.void(alert, way, t.at_ms, f"{kind} before it was sent")
            if way in told_once:
                wait_ms = (
                    books.policy.digest_after_ms if kind == "ended" else books.receiver(way).group_wait_ms
                )
                missed = not way.told_ms and any(waiting.by == "mute" for waiting in gone)
                books.queue(alert, way, kind, t.at_ms + wait_ms, t.at_ms, missed=missed)
    books.changed(alert)
    books.leave(alert)


def withdraw(books: Ledger, alert: Alert, at_ms: int, reason: str) -> None:
    """Withdraw all that is queued of an alert."""
    for way in alert.ways:
        books.void(alert, way, at_ms, reason)


def reroute(books: Ledger, at_ms: int) -> None:
    """Lead alerts anew where their receiver or account is configured no longer; all else goes on."""
    known = {(r.name, account) for r in books.policy.receivers.values() for account in r.accounts}
    accounts = {account for _, account in known}
    for alert in list(books.alerts.values()):
        t = alert.transition
        if t.rule in ACCOUNT_RULES and t.subject["account"] not in accounts and not alert.over:
            books.trace(alert.key, at_ms, "rule", "ok", "the account is configured no longer")
            end(books, alert, msgspec.structs.replace(t, at_ms=at_ms, to_state="ok", verdict="ok"))
            continue
        gone = [way for way in alert.ways if (way.receiver, way.account) not in known]
        if not gone:
            continue
        waited = [way for way in gone if way.queued]
        for way in gone:
            books.void(alert, way, at_ms, "its receiver or account is configured no longer")
        alert.ways = [way for way in alert.ways if way not in gone]
        if not alert.over:
            _instead(books, alert, gone, at_ms)
            for node in {way.node for way in waited if way.stage}:
                _next_stages(books, alert, node, at_ms)
        books.changed(alert)
        books.leave(alert)


def _instead(books: Ledger, alert: Alert, gone: list[Way], at_ms: int) -> None:
    """Tell those whom the routes name now, in place of who was first; of what is taken, when that ends."""
    t = alert.transition
    if all(way.stage for way in gone) or t.after_the_fact or (alert.acked_by and not alert.ack_until_ms):
        return
    to = route(books.policy, t)
    books.trace(alert.key, at_ms, "route", "routed" if to.ways else "dropped", to.reason)
    for receiver, account, node in to.ways:
        if not any((way.receiver, way.account) == (receiver.name, account) for way in alert.ways):
            way = Way(receiver.name, account, node=node)
            alert.ways.append(way)
            books.queue(
                alert, way, *(("lapsed", alert.ack_until_ms) if alert.acked_by else ("fire", at_ms)), at_ms
            )


def _next_stages(books: Ledger, alert: Alert, node: str, at_ms: int) -> None:
    """Have a stage that has lost all of its ways tell the default receiver: no stage goes by in silence."""
    default = books.policy.receivers[books.policy.default]
    times = chain.due(alert, node)
    for stage in range(1, len(times)):
        if any(way.node == node and way.stage == stage for way in alert.ways):
            continue
        for account in default.accounts:
            way = Way(default.name, account, node=node, stage=stage)
            alert.ways.append(way)
            books.queue(alert, way, "escalate", max(times[stage], at_ms), at_ms)


def lapse(alert: Alert, at_ms: int) -> None:
    """An acknowledgement that has ended by itself is none."""
    if alert.acked_by and alert.ack_until_ms and at_ms >= alert.ack_until_ms:
        alert.acked_by, alert.ack_until_ms = "", 0
