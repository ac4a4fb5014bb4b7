"""Records of the topic as a shard takes them: events of one shop, or a tick of the partition's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from monitor.engine.records import Record
from monitor.limits import LATEST_MS
from monitor.runtime.cluster.tick import TICK_HEADER, Tick, decode_tick
from monitor.sources.found import Rejected
from monitor.sources.wire import BodyError, decode_body, decode_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.engine.events import Event


class Fetched(Protocol):
    """What is read of a record of the topic; the clients' own classes meet it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When the broker appended it, epoch milliseconds."""

    @property
    def key(self) -> bytes | None:
        """The shop, ``platform:shop_id``."""

    @property
    def value(self) -> bytes | None:
        """One event or an array of them, JSON."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Names and values; a sender may leave a value out."""


class Read(NamedTuple):
    """Records for the shard, one for each that was fetched; lines of them that cannot be read; ticks."""

    records: list[Record]
    unread: list[tuple[Record, Rejected]]
    ticks: list[Tick]


BROKEN = "docs/operations.md, Bytes of the topic are broken"  # what to do about them
SHOPS_KNOWN_MAX = 200_000
_shops: dict[bytes | None, tuple[str, str]] = {}  # keys of records that were found to be their shops'
_encode = msgspec.json.Encoder().encode


def read(fetched: Sequence[Fetched], topic: str) -> Read:
    """Decode records of one partition, in order.

    What is ahead of its arrival is left to the engine, which decides it record by record; so nothing here
    depends on how many are fetched together.

    Args:
        fetched: As the broker gave them.
        topic: The source of events that name none.
    """
    records: list[Record] = []
    found = Read(records, [], [])
    lines: list[bytes] = []
    line_of: list[tuple[Record, bytes | None]] = []
    for one in fetched:
        record = Record(one.offset, one.timestamp, [], topic)
        records.append(record)
        value = one.value or b""
        if one.headers and any(name == TICK_HEADER for name, _ in one.headers):
            _read_tick(value, record, found)
        elif value[:1] == b"{":
            lines.append(value)
            line_of.append((record, one.key))
        else:
            _read_array(value, one.key, record, found)
    if lines:
        decoded = decode_lines(lines)
        for place, event in zip(decoded.indexes, decoded.events, strict=True):
            record, key = line_of[place]
            _put(event, key, 0, record, found)
        for bad in decoded.rejected:
            found.unread.append((line_of[bad.index][0], msgspec.structs.replace(bad, index=0)))
    return found


def _read_tick(value: bytes, record: Record, found: Read) -> None:
    record.source = ""
    try:
        tick = decode_tick(value)
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
    ) as error:  # its time counts all the same
        found.unread.append((record, Rejected(0, "bad_tick", f"no tick: {error}; find who wrote it", value)))
        return
    record.heard, record.plan = tick.heard, tick.plan
    found.ticks.append(tick)


def _read_array(value: bytes, key: bytes | None, record: Record, found: Read) -> None:
    if not value:
        reason = "the record is empty; send one event or an array of them"
        found.unread.append((record, Rejected(0, "empty", reason, b"")))
        return
    try:
        decoded = decode_body(value, LATEST_MS)
    except BodyError as error:
        found.unread.append((record, Rejected(0, error.code, str(error), value)))
        return
    for place, event in zip(decoded.indexes, decoded.events, strict=True):
        _put(event, key, place, record, found)
    found.unread.extend((record, bad) for bad in decoded.rejected)


def _put(event: Event, key: bytes | None, place: int, record: Record, found: Read) -> None:
    """Give an event to its record, if this partition is its shop's."""
    shop = _shops.get(key)
    if shop is None or event.shop_id != shop[1] or event.platform != shop[0]:
        shop_key = f"{event.platform}:{event.shop_id}".encode()
        if event.type != "heartbeat" and key != shop_key:
            named = "no key" if key is None else f"the key {key[:200]!r}"
            shown = shop_key.decode()
            reason = (
                f"the record has {named} and the event is of {shown}; key each record by platform:shop_id"
            )
            found.unread.append((record, Rejected(place, "wrong_key", reason, _encode(event))))
            return
        if key == shop_key:
            if len(_shops) >= SHOPS_KNOWN_MAX:
                _shops.clear()
            _shops[key] = (event.platform, event.shop_id)
    record.events.append(event)
