"""The event as it is once decoded: declared fields only, times as integers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

EventType = Literal[
    "message", "conversation", "order", "refund", "dispute", "complaint", "rating", "agent", "heartbeat"
]
Actor = Literal["customer", "agent", "assist", "bot", "system"]

# Checked by the decoder, at no cost that can be measured. Lengths are in characters.
EventId = Annotated[str, Meta(min_length=1, max_length=200)]
Name = Annotated[str, Meta(max_length=200)]
Tag = Annotated[str, Meta(max_length=100)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=50)]
Count = Annotated[int, Meta(ge=-(2**53), le=2**53)]  # every JSON writer can carry 53 bits
Fen = Annotated[int, Meta(ge=0, le=10**14)]
Score = Annotated[int, Meta(ge=1, le=5)]

ACTIONS: Final[dict[str, frozenset[str]]] = {
    "conversation": frozenset({"opened", "assigned", "transferred", "handed_back", "closed", "reopened"}),
    "order": frozenset({"created", "paid", "grouped", "shipped", "completed", "cancelled"}),
    "refund": frozenset({"requested", "returned", "completed", "refused", "cancelled"}),
    "dispute": frozenset({"opened", "closed"}),
    "complaint": frozenset({"opened", "resolved", "withdrawn"}),
    "agent": frozenset({"online", "away", "offline"}),
}


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event (design §4). ``at`` is epoch milliseconds once ``sources.wire`` has read it.

    ``text`` never gets this far: the entrance reads it, keeps 16 bits of its hash in ``text_check`` (so that
    the same id with another text is noticed; too few to tell a text by, decision 14), and drops it.
    """

    # Which it is (``fields`` has the places):
    id: EventId
    platform: Name = ""
    shop_id: Name = ""
    # What every fold reads, and messages have:
    type: EventType
    at: Count | Name
    seq: Count = 0
    conversation_id: Name = ""
    customer_id: Name = ""
    actor: Actor | None = None
    agent_id: Name = ""
    action: Name = ""
    exclude: Name | bool = ""
    text: str = ""
    text_check: Count = 0
    kind: Name = ""
    # What others have:
    via: Name = ""
    order_id: Name = ""
    refund_id: Name = ""
    dispute_id: Name = ""
    complaint_id: Name = ""
    amount: Fen | None = None
    reason: Name = ""
    outcome: Name = ""
    score: Score | None = None
    solved: bool | None = None
    product_id: Name = ""
    tags: Tags = ()
    every: Name | Count = ""  # heartbeat: the period it promises, "10s" or milliseconds; the latter once read
    # What the way here added, and ``content_of`` leaves out:
    source: Name = ""
    received_at: Count | Name = ""  # files only: when it arrived
