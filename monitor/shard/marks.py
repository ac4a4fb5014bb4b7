"""What is kept of a shard beside its shops' figures: marks a floor can be at, slices, rows of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from monitor.engine.rows import IdRow, SourceRow
from rules.transition import RuleState

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARD_ROW = ("", "mark")
PARTS = ("shop", "rest")  # the rows of a shop
IDS_PART = "seen "  # and the floor, in digits that sort, after the mark: ids of the records up to it


class Mark(NamedTuple):
    """What spans shops, before the record at ``position``, with the ids that came since the mark before."""

    position: int
    now_ms: int
    row: bytes  # MarkRow
    ids: IdRow | None  # None: they are stored


class Slice(NamedTuple):
    """All rows of some shops, and the floor once they are stored."""

    rows: Sequence[tuple[str, str, int, bytes | None]]
    floor: int
    floor_clock_ms: int
    taken: dict[str, int]  # shop → the record since which it had changed
    hashes: dict[str, bytes]  # shop → hashes of what is stored, as they were before
    marks: Sequence[Mark]  # those up to the floor, as they were before
    ids: Sequence[tuple[str, int]]  # the parts of ids, as they were before


class MarkRow(msgspec.Struct, array_like=True):
    """What spans shops, before the record at ``position``."""

    format: int
    position: int
    now_ms: int
    judged_ms: int
    since_ms: int
    plan: str  # in force
    ids_from_ms: int  # the first arrival whose ids are remembered
    sources: list[
        tuple[SourceRow, dict[str, RuleState], int]
    ]  # with the states of its rules, and its next look


class WatchRow(msgspec.Struct, array_like=True):
    """The rules on one shop."""

    day: int
    next_ms: int
    changed: bool
    retracted: bool
    states: dict[str, tuple[int, RuleState]]  # rule → hash of its meaning, state
