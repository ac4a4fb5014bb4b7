"""The fields of an event: read at once, compared, and put in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from monitor.engine.events import ADDED, SEQ

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.engine.events import Event

# All fields in their order, for a third of what reading a dozen of them one by one costs.
fields_of: Final[Callable[[Event], tuple[Any, ...]]] = msgspec.structs.astuple


def content_of(fields: tuple[Any, ...]) -> int:
    """A number that is the same for the same content: for what the sender said, not what the way added.

    Salted by the process (``hash``): it stays in memory, and nobody can choose two contents that meet.
    """
    seq: int = fields[SEQ]
    return hash(fields[:-ADDED]) + seq  # a tuple takes -1 and -2 for one


def order_of(at: int, seq: int, event_id: str) -> tuple[int, int, int, int, str]:
    """The order of events: ``at``, ``seq``, then ids of digits by value before all others by code point."""
    if event_id.isascii() and event_id.isdigit():
        return (at, seq, 0, int(event_id), event_id)
    return (at, seq, 1, 0, event_id)
