"""What became of intents, and what follows from that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy import chain
from alerting.policy.life import lapse
from alerting.policy.muting import follow_up
from alerting.policy.records import OVER, TOLD

if TYPE_CHECKING:
    from alerting.policy.ledger import Ledger
    from alerting.policy.records import Kind, Result
    from alerting.policy.state import Alert, Way


def take(books: Ledger, result: Result) -> None:
    """Take in what a message carried and whether anybody has it."""
    for intent, key, kind in result.intents:
        alert = books.alerts.get(key)
        way = alert.way(result.receiver, result.account, intent) if alert else None
        if alert and way:
            _one(books, alert, way, intent, kind, result)


def _one(books: Ledger, alert: Alert, way: Way, intent: str, kind: Kind, result: Result) -> None:
    known = intent in way.queued  # else it was withdrawn meanwhile, or this is what a receipt says of it
    books.settled(alert, way, intent)
    told, at_ms = result.state in TOLD, result.at_ms
    if kind not in OVER:
        if told:
            fresh = intent != way.last
            way.told_ms, way.failed_ms, way.last = at_ms if fresh else way.told_ms or at_ms, 0, intent
        elif _lost(result, kind) and (known or intent == way.last):
            way.failed_ms = at_ms
            if not known:
                way.told_ms = 0
                books.trace(alert.key, at_ms, "receipt", "failed", f"{way.receiver}: {result.reason}")
    lapse(alert, at_ms)
    if alert.over:
        books.leave(alert)
    elif kind not in OVER:
        if kind != "remind":
            follow_up(books, alert, way, at_ms)
        chain.replan(books, alert, at_ms)
    elif kind == "resolved" and told and result.state != "delivered":
        # Its end was leaving when it fired again: say that it fires.
        books.void(alert, way, at_ms, "its end was told while it fired again")
        books.queue(alert, way, "fire", at_ms, at_ms)


def _lost(result: Result, kind: Kind) -> bool:
    """Whether it is known that nobody was reached; what expires otherwise only has nothing to say."""
    return result.state == "failed" or (result.state == "expired" and kind == "escalate")
