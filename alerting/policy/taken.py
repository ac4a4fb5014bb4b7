"""Acknowledgements: somebody has the alert, for a while or to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy import chain
from alerting.policy.life import withdraw

if TYPE_CHECKING:
    from alerting.policy.ledger import Ledger
    from alerting.policy.records import Ack


def acknowledge(books: Ledger, ack: Ack) -> None:
    """Tell nobody more until the alert rises, is over, or the acknowledgement ends by itself.

    The end of it is planned now: a reminder, that it ended, and the escalation from there.
    """
    alert = books.alerts.get(ack.alert)
    if alert is None or alert.over or ack.incident not in ("", alert.incident):
        books.trace(ack.alert, ack.at_ms, "acknowledge", "refused", "it does not fire")
        return
    # Of two that are folded together after an outage: who took a warning has not taken what it became.
    if ack.at_ms < alert.rose_ms and not any(map(chain.reached, alert.ways)):
        reason = f"by {ack.who}, before it became {alert.transition.severity}, of which nobody knows yet"
        books.trace(ack.alert, ack.at_ms, "acknowledge", "refused", reason)
        return
    holds_ms = ack.holds_ms or books.policy.ack_holds_ms
    until_ms = ack.at_ms + holds_ms if holds_ms else 0
    for_long = f", for {holds_ms // 60_000} min" if holds_ms else ""
    books.trace(ack.alert, ack.at_ms, "acknowledge", "taken", f"by {ack.who}{for_long}")
    alert.acked_by, alert.ack_until_ms = ack.who, until_ms
    books.acknowledged(alert)
    withdraw(books, alert, ack.at_ms, f"acknowledged by {ack.who}")
    if not until_ms or alert.transition.after_the_fact:
        return
    remind_ms = until_ms - books.policy.ack_remind_ms
    for way in (way for way in alert.ways if not way.stage):
        if way.told_ms and books.policy.ack_remind_ms and remind_ms > ack.at_ms:
            books.queue(alert, way, "remind", remind_ms, ack.at_ms)
        books.queue(alert, way, "lapsed", until_ms, ack.at_ms)
    for node in alert.chains:
        chain.begin(books, alert, node, ack.at_ms)
