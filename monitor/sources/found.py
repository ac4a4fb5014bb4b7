"""What a body was found to hold."""

from __future__ import annotations

import msgspec

from monitor.engine.events import Event


class Rejected(msgspec.Struct, frozen=True):
    """A line or element that was refused. ``index`` counts from 0; ``raw`` may hold a message text."""

    index: int
    code: str
    reason: str
    raw: bytes


class Decoded(msgspec.Struct, frozen=True):
    """What a body held: events, the index of each in the body, and what was refused, by index."""

    events: list[Event]
    indexes: list[int]
    rejected: list[Rejected]
