"""What is at rest, as msgspec records: rows of shops, conversations, rounds, sources.

Apart from what reads and writes them, since these classes are built at run time from their annotations and
so stay interpreted where the rest of the engine is compiled (decision 16).
"""

from __future__ import annotations

import msgspec

# at, seq, id, arrival, operation, agent, customer: see ``Entry``.
EntryRow = tuple[int, int, str, int, int, str, str]


class ResponsesRow(msgspec.Struct, array_like=True):
    """A response time's ``Responses``."""

    count: int
    sum_ms: int
    max_ms: int
    bins: dict[int, int]


class Totals(msgspec.Struct, array_like=True):
    """What is left of a day that is closed: by measure, in the order of its spec."""

    rates: dict[str, tuple[int, int]]  # asked, late
    orders: dict[str, tuple[int, int]]  # orders with the event, orders formed
    responses: dict[str, ResponsesRow]


class RoundRow(msgspec.Struct, array_like=True, gc=False):
    """A round at rest: its day from the conversation's, ``opened`` from midnight, other times from that."""

    day: int
    track: int
    opened: int
    ask: int
    answer: int
    by: str
    customer: str
    arrival: int
    flags: int  # 1 robot, 2 overnight, 4 in the open list
    served: int
    later: list[int] | None  # counted messages after the ask
    marks: int | None  # of a round whose answer does not tell them
    key: tuple[int, int, str] | None


class ConversationRow(msgspec.Struct, array_like=True, gc=False):
    """A conversation at rest: times from the midnight that begins its day."""

    id: str
    day: int
    last: tuple[int, int, str]
    customer: str
    flags: int  # 1 human stage, 2 excluded
    written: int
    first_ms: int
    holders: list[tuple[int, str, bool]]
    rounds: list[RoundRow]


class TallyRow(msgspec.Struct, array_like=True):
    """What a meter has counted on a day."""

    units_by_state: tuple[int, int, int]  # open, late, good
    asked: dict[int, int]
    missed: dict[int, int]
    agents: dict[str, list[int]]
    units: dict[str, tuple[int, int, int]] = {}
    firsts: dict[str, tuple[int, tuple[int, int, str]]] = {}
    rest: bytes = b""
    rest_more: dict[bytes, tuple[int, int]] = {}


class DayRow(msgspec.Struct, array_like=True):
    """A day that still takes events."""

    spec: msgspec.Raw  # DaySpec
    tallies: list[list[TallyRow]]
    responses: list[list[ResponsesRow]]
    waiting: dict[str, int]
    formed: bytes
    disputed: list[bytes]
    bounds: tuple[int, ...] = ()  # where it begins and ends, if its shop's zone says otherwise by now


class LiveRow(msgspec.Struct, array_like=True):
    """A conversation in which something may still change."""

    head: bytes
    base: tuple[bytes, tuple[int, int, str]] | None
    entries: list[EntryRow]
    checkpoint: tuple[bytes, int] | None
    latest_ms: int


class ShopRow(msgspec.Struct, array_like=True):
    """What moves of a shop: all but what a ``RestRow`` has."""

    agents: dict[str, tuple[int, int, str, str]]
    sources: dict[str, int]
    orders_changed: bool
    agents_changed: bool
    states: list[tuple[str, int, int, dict[int, list[int]]]]  # measure, width, floor, buckets
    waits: list[tuple[str, int, int, dict[int, list[int]]]]
    past: list[tuple[int, int, dict[str, tuple[int, int]], dict[str, tuple[int, int]]]]  # see ``Past``
    places: bytes  # of conversations at rest, by key
    last: list[bytes]  # those of them that fill no block yet
    live: list[LiveRow]
    days: list[tuple[int, DayRow]]
    watch: bytes  # the rules on it, which the engine does not read


class RestRow(msgspec.Struct, array_like=True):
    """What seldom moves of a shop."""

    closed: bytes  # day → Totals, compressed
    formed: dict[int, bytes]
    counts: list[int]  # rows of each block
    blocks: list[bytes]
    slack: bytes = b""  # fills it up to a size that many rows have


class BedRow(msgspec.Struct, array_like=True):
    """A shop asleep: what must be known of it, and a compressed ``ShopRow`` that is read when it wakes."""

    due_ms: int  # when time alone must wake it; 0: at once
    calm_until_ms: int  # until then no rule can say anything unless a figure moves; 0: not known
    sources: list[str]
    shop: bytes
    slack: bytes = b""  # fills it up to a size that many rows have


class SourceRow(msgspec.Struct, array_like=True):
    """A source at rest."""

    name: str
    since_ms: int
    heard_ms: int
    promised_ms: int
    blind: bool
    backfill_until_ms: int
    told_ms: int
    packs: list[tuple[str, str]]  # (platform, shop key) of a shop with each pack of its shops


class IdRow(msgspec.Struct, array_like=True):
    """Remembered ids at rest, in order of arrival: 64 bits of each id and of its content."""

    arrivals: list[int]
    counts: list[int]  # ids of each arrival
    keys: bytes
    contents: bytes
