"""What became of events."""

from __future__ import annotations

from typing import NamedTuple


class Refused(NamedTuple):
    """An event that was not taken: its place in the record and why."""

    place: int
    reason: str


class Counts:
    """What became of the events."""

    __slots__ = ("accepted", "duplicates", "late_dropped", "read", "rejected")

    def __init__(self) -> None:
        self.read = self.accepted = self.duplicates = self.late_dropped = self.rejected = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "late_dropped": self.late_dropped,
            "read": self.read,
            "rejected": self.rejected,
        }
