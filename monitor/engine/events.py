"""The event as it is once decoded: declared fields only, times as integers."""

from __future__ import annotations

from typing import Literal

import msgspec

EventType = Literal[
    "message", "conversation", "order", "refund", "dispute", "complaint", "rating", "agent", "heartbeat"
]
Actor = Literal["customer", "agent", "assist", "bot", "system"]

ACTIONS: dict[str, frozenset[str]] = {
    "conversation": frozenset({"opened", "assigned", "transferred", "handed_back", "closed", "reopened"}),
    "order": frozenset({"created", "paid", "grouped", "shipped", "completed", "cancelled"}),
    "refund": frozenset({"requested", "returned", "completed", "refused", "cancelled"}),
    "dispute": frozenset({"opened", "closed"}),
    "complaint": frozenset({"opened", "resolved", "withdrawn"}),
    "agent": frozenset({"online", "away", "offline"}),
}


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event (design §4). ``at`` is epoch milliseconds once ``sources.wire`` has read it.

    ``text`` never gets this far: the entrance matches it against word lists and drops it.
    """

    type: EventType
    id: str
    at: int | str
    seq: int = 0
    platform: str = ""
    shop_id: str = ""
    conversation_id: str = ""
    customer_id: str = ""
    actor: Actor | None = None
    agent_id: str = ""
    kind: str = ""
    via: str = ""
    action: str = ""
    order_id: str = ""
    refund_id: str = ""
    dispute_id: str = ""
    complaint_id: str = ""
    amount: int | None = None
    reason: str = ""
    outcome: str = ""
    score: int | None = None
    solved: bool | None = None
    product_id: str = ""
    tags: list[str] = []
    exclude: str | bool = ""
    source: str = ""
    every: str | int = ""  # heartbeat: the period it promises, "10s" or milliseconds
    received_at: int | str = ""  # files only: when it arrived
