"""What a conversation keeps of an event until nothing can come before it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import mypyc_attr

from monitor.engine.fields import order_of

if TYPE_CHECKING:
    from mypy_extensions import i64

    from monitor.engine.rows import EntryRow


@mypyc_attr(acyclic=True)
@final
class Entry:
    """One event as it is folded. ``operation`` has ``EXCLUDES`` added where it excludes the conversation."""

    __slots__ = ("agent", "arrival_ms", "at", "customer", "id", "operation", "seq")

    def __init__(
        self, at: i64, seq: i64, event_id: str, arrival_ms: i64, operation: i64, agent: str, customer: str
    ) -> None:
        self.at = at
        self.seq = seq
        self.id = event_id
        self.arrival_ms = arrival_ms
        self.operation = operation
        self.agent = agent
        self.customer = customer

    def place(self) -> tuple[int, int, str]:
        """What tells it from every other event of its conversation, and gives its order."""
        return (int(self.at), int(self.seq), self.id)

    def order(self) -> tuple[int, int, int, int, str]:
        """Its place in the order of events."""
        return order_of(int(self.at), int(self.seq), self.id)

    def is_final(self, oldest_ms: i64) -> bool:
        """Whether it happened and arrived before a moment."""
        return self.at < oldest_ms and self.arrival_ms < oldest_ms

    def row(self) -> EntryRow:
        """The arguments it is made from."""
        return (*self.place(), int(self.arrival_ms), int(self.operation), self.agent, self.customer)
