"""What a channel's answer means for a delivery and its alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.policy.records import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerting.channels.base import DeliveryResult
    from alerting.policy.compose import Draft
    from alerting.policy.records import Intent, Kind, State


def state_of(result: DeliveryResult, draft: Draft) -> tuple[State, bool]:
    """The delivery's state, and whether its intents are queued again."""
    if result.accepted:
        return "accepted", False
    if result.kind == "ambiguous":
        return "ambiguous", not draft.tried  # one resend, not two
    if result.kind == "no_recipient":
        return "failed", False
    tried = result.kind == "bad_request" and max(r.fails for r in draft.items) + 1 >= limits.FAILS_MAX
    return "failed", not tried


def named(intents: Iterable[Intent]) -> list[tuple[str, str, Kind]]:
    """Intents as a ``Result`` names them."""
    return [(intent.id, intent.alert, intent.kind) for intent in intents]


def told_after_ms(result: DeliveryResult, draft: Draft, now_ms: int) -> list[int]:
    """How long each alert that a message told for the first time took, from its transition."""
    if not result.accepted:
        return []
    fresh = (ready.intent for ready in draft.items if ready.intent.kind in ("fire", "rise"))
    return [now_ms - intent.transition.at_ms for intent in fresh]


def traces_of(
    account: str,
    draft: Draft,
    people: str,
    number: int,
    state: State,
    result: DeliveryResult,
    now_ms: int,
) -> list[Trace]:
    """Why each alert of a message was, or was not, told with it; ``people`` are whom it was for, if known."""
    with_others = f"in a digest of {len(draft.items)}" if len(draft.items) > 1 else "by itself"
    found: list[Trace] = []
    for ready in draft.items:
        intent = ready.intent
        late_ms = now_ms - intent.not_before_ms
        if late_ms > limits.COLLECT_MS:
            reason = f"{late_ms // 1000} s after it was due, by the limit or the state of {account}"
            found.append(Trace(intent.alert, now_ms, "throttle", "delayed", reason))
        whom = f"{intent.receiver} ({people})" if people else intent.receiver
        reason = f"{intent.kind} to {whom} on {account} {with_others}, delivery {number}: "
        found.append(Trace(intent.alert, now_ms, "send", state, reason + (result.detail or result.kind)))
    return found


def expired_traces(intents: Iterable[Intent], reason: str, now_ms: int) -> list[Trace]:
    """Why alerts were not told: there was nothing worth sending any more."""
    return [Trace(i.alert, now_ms, "settle", "expired", f"{i.kind}: {reason}") for i in intents]
