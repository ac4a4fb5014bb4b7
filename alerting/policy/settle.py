"""What is still worth sending when its turn has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from alerting import limits
from alerting.policy.compose import Ready
from alerting.policy.records import OVER, TOLD

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from alerting.policy.records import Intent, Queued, Sibling


@dataclass(frozen=True, slots=True)
class Verdict:
    """``send`` it, ``wait`` for what is in flight, or ``expire`` it; and why."""

    what: Literal["send", "wait", "expire"]
    reason: str = ""
    missed: bool = False  # an end whose beginning could not be told in time: it stands for both


def sort_out(
    queued: Sequence[Queued],
    siblings: Mapping[str, Sequence[Sibling]],
    unrecorded: Collection[str],
    now_ms: int,
) -> tuple[list[Ready], dict[tuple[str, str], list[Intent]]]:
    """What is worth sending, and by receiver and reason what has expired.

    ``siblings`` are by incident; ``unrecorded`` are the ids of what was told while the store was full.
    """
    ready: list[Ready] = []
    expired: dict[tuple[str, str], list[Intent]] = {}
    for q in queued:
        verdict = settle(q, siblings.get(q.intent.incident, ()), now_ms)
        if verdict.what == "send":
            again = q.again or q.intent.id in unrecorded
            ready.append(Ready(q.intent, q.fails, again, verdict.missed, q.tried))
        elif verdict.what == "expire":
            expired.setdefault((q.intent.receiver, verdict.reason), []).append(q.intent)
    return ready, expired


def settle(queued: Queued, siblings: Sequence[Sibling], now_ms: int) -> Verdict:
    """Judge a queued intent; ``siblings`` are the incident's intents on this account.

    That an alert is over is told only where it was told that it fires, and not yet that it is over. One that
    ended while its message was already due but could not leave becomes one line for both, and so does one
    that quiet hours held; one that ended earlier is dropped.
    """
    intent = queued.intent
    if now_ms - intent.not_before_ms >= limits.INTENT_LIFE_MS:
        return Verdict("expire", "not sent within a day")
    if intent.kind == "update" and _all_past(intent, now_ms):
        return Verdict("expire", "all its conversations have run out")
    if intent.kind not in OVER or queued.again:
        return Verdict("send")
    if intent.missed:
        return Verdict("send", "its beginning was held by quiet hours", missed=True)
    ended_ms = max((s.done_ms for s in siblings if s.over and s.state in TOLD), default=0)
    siblings = [s for s in siblings if not s.over and not 0 < s.done_ms < ended_ms]
    states = [sibling.state for sibling in siblings]
    if any(state in TOLD for state in states):
        return Verdict("send")
    if "sending" in states:
        return Verdict("wait", "that it fires is just being sent")
    if any(s.not_before_ms <= s.done_ms and s.state in ("expired", "failed") for s in siblings):
        return Verdict("send", "its beginning could not be told in time", missed=True)
    return Verdict("expire", "over before anybody was told")


def _all_past(intent: Intent, now_ms: int) -> bool:
    items = intent.transition.items
    return bool(items) and all(item.deadline_ms <= now_ms for item in items)
