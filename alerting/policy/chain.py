"""Escalation: who is told next while nobody has the alert, and when.

An alert carries its chain from when it was led to it. Every stage is queued at once, each for when its turn
would come, so that no timer is needed; what becomes of one stage moves the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.state import Chain, Way

if TYPE_CHECKING:
    from collections.abc import Collection

    from alerting.policy.ledger import Ledger
    from alerting.policy.state import Alert


def copy(books: Ledger, alert: Alert, node: str, at_ms: int) -> None:
    """Put the escalation of a node, if it has one, onto the alert."""
    policy = books.policy
    at = policy.nodes.get(node)
    steps = policy.escalations.get(at.escalate, ()) if at else ()
    if not at or not steps or node in alert.chains:
        return
    alert.chains[node] = Chain(at.escalate, [(step.after_ms, step.unaccepted_ms) for step in steps], 0)
    for stage, step in enumerate(steps, 1):
        alert.ways += [
            Way(name, account, node=node, stage=stage)
            for name in step.receivers
            for account in policy.receivers[name].accounts
        ]
    said = ", ".join(f"{', '.join(step.receivers)} after {step.after_ms // 1000} s" for step in steps)
    books.trace(alert.key, at_ms, "escalate", "planned", f"{at.escalate}: {said}")


def leave(alert: Alert, nodes: Collection[str]) -> None:
    """Forget escalations of other nodes than these; who was told there still hears of what follows."""
    alert.chains = {node: chain for node, chain in alert.chains.items() if node in nodes}
    alert.ways = [way for way in alert.ways if not way.stage or way.told_ms or way.node in nodes]


def begin(books: Ledger, alert: Alert, node: str, at_ms: int) -> None:
    """Queue every stage of a node's chain, from when the first one is told."""
    chain = alert.chains.get(node)
    if chain is None:
        return
    chain.start_ms = first_ms(alert, node, at_ms)
    times = due(alert, node)
    for way in alert.ways:
        if way.node == node and way.stage and not way.queued:
            books.queue(alert, way, "escalate", times[way.stage], at_ms)


def restart(books: Ledger, alert: Alert, at_ms: int) -> None:
    """Count anew from when the alert may be told again: what a silence held does not come all at once."""
    for node, chain in alert.chains.items():
        start_ms = max(first_ms(alert, node, at_ms), at_ms)
        if start_ms != chain.start_ms:
            chain.start_ms = start_ms
            replan(books, alert, at_ms)


def replan(books: Ledger, alert: Alert, at_ms: int) -> None:
    """Move the stages that wait to when their turn is, by what became of those before."""
    for node in alert.chains:
        times = due(alert, node)
        for way in alert.ways:
            if way.node != node or not way.stage:
                continue
            for intent, waiting in way.queued.items():
                if waiting.kind == "escalate" and waiting.base_ms != times[way.stage]:
                    _say(books, alert, way, times[way.stage], waiting.base_ms, at_ms)
                    waiting.base_ms = times[way.stage]
                    books.move(alert, way, intent, waiting, at_ms)


def first_ms(alert: Alert, node: str, at_ms: int) -> int:
    """When the first stage of a node may leave; what has left, now."""
    waiting = [
        w.not_before_ms for way in alert.first_ways(node) for w in way.queued.values() if _first(w.kind)
    ]
    return min(waiting, default=at_ms)


def due(alert: Alert, node: str) -> list[int]:
    """When the turn of each stage of a node is, the first one's included.

    With steps after 3 and 10 min, the second of them early after 1 min: told at 0, at 3 and at 10 min; if
    nobody could be told at 3 min, at 3 and at 4 min; at once, when it is known that nobody was reached.
    """
    chain = alert.chains[node]
    times = [chain.start_ms]
    for stage, (after_ms, unaccepted_ms) in enumerate(chain.steps, 1):
        at_ms = chain.start_ms + after_ms
        before = [way for way in alert.ways if way.node == node and way.stage == stage - 1]
        if not any(map(reached, before)):
            if before and all(way.failed_ms >= chain.start_ms for way in before):
                at_ms = min(at_ms, max(way.failed_ms for way in before))
            elif unaccepted_ms:
                at_ms = min(at_ms, times[-1] + unaccepted_ms)
        times.append(min(max(at_ms, times[-1]), limits.NEVER_MS))
    return times


def reached(way: Way) -> bool:
    """Whether somebody there knows that it fires, and not only from before it rose or lapsed."""
    waits = any(_first(w.kind) or w.kind == "escalate" for w in way.queued.values())
    return bool(way.told_ms) and not way.failed_ms and not waits


def _first(kind: str) -> bool:
    return kind in ("fire", "rise", "still", "lapsed")


def _say(books: Ledger, alert: Alert, way: Way, new_ms: int, old_ms: int, at_ms: int) -> None:
    if new_ms < old_ms and new_ms <= at_ms:
        reason = f"{way.receiver} {(old_ms - at_ms) // 1000} s early: nobody before was reached"
        books.trace(alert.key, at_ms, "escalate", "sooner", reason)
