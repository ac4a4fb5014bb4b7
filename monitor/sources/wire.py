"""The wire format: bytes in, events out (design §4).

A body is one object, an array, or lines (NDJSON). What is bad is refused with its index and the rest is
taken; only a body that cannot be framed is refused whole. ``text`` is not a field of ``Event``, so the
decoder steps over it and no text is ever held; word lists, when they come, decode a subclass that has it.
Fields that no event has are stepped over unread, whatever they hold; nesting is the decoder's to refuse, at
some 1,000 levels.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Final

import msgspec

from monitor.engine.events import ACTIONS, Event
from monitor.engine.limits import AHEAD_MS
from monitor.errors import MonitorError
from monitor.limits import BATCH_EVENTS, LATEST_MS, LINE_BYTES
from monitor.sources.checks import Refusal, check
from monitor.sources.found import Decoded, Rejected
from monitor.sources.framing import BOM, framing_of, has_nul, split_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class BodyError(MonitorError):
    """A body that cannot be framed or is beyond a limit: nothing of it was taken."""


_decoder = msgspec.json.Decoder(Event)
_decode = _decoder.decode
_array_decoder = msgspec.json.Decoder(list[Event])
_encode = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Event]).decode

# What is decoded before it is checked: an event and its strings are some 2 KB.
PIECE_BYTES: Final = 16_384
PIECE_LINES: Final = 32
LINE_END: Final = ord("\n")  # a byte is found in bytes for a tenth of what one in bytes is

_BAD_LINE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode_body(body: bytes, arrival_ms: int, content_type: str = "") -> Decoded:
    """Decode one body of events.

    Args:
        body: One object, an array, or NDJSON; UTF-8, with a byte order mark or without.
        arrival_ms: When it arrived; what lies further ahead than ``AHEAD_MS`` is refused.
        content_type: As the request says; decides the framing where it names lines, else the looks do.

    Raises:
        BodyError: It cannot be framed (code ``unframed``), or holds more than ``BATCH_EVENTS``.
    """
    latest_ms = arrival_ms + AHEAD_MS
    body = body.removeprefix(BOM)
    framing = framing_of(body, content_type)
    if framing == "lines":
        return _decode_ndjson(body, latest_ms)
    if framing == "array":
        return _decode_array(body, latest_ms)
    body = body.strip()
    found = decode_line(body, arrival_ms)
    if isinstance(found, Event):
        return Decoded([found], [0], [])
    if found.code == "not_json" or not body.startswith(b"{"):
        raise BodyError(
            f"the body cannot be read: {found.reason.partition(';')[0]}",
            mend="send one object, an array, or one object a line (application/x-ndjson)",
            code="unframed",
        )
    return Decoded([], [], [found])


def decode_lines(lines: list[bytes], arrival_ms: int | None = None) -> Decoded:
    """Decode a chunk of lines; indexes count within it. As ``decode_line`` each, at half its cost."""
    latest_ms = LATEST_MS if arrival_ms is None else arrival_ms + AHEAD_MS
    good = _decode_pieces(_pieces_of_lines(lines), latest_ms)
    return _decode_lines(lines, latest_ms, doubtful=True) if good is None else good


def decode_line(line: bytes, arrival_ms: int | None = None) -> Event | Rejected:
    """Decode one event; without ``arrival_ms`` (files) its time may be anything up to 2100."""
    latest_ms = LATEST_MS if arrival_ms is None else arrival_ms + AHEAD_MS
    found = _read(line, latest_ms, doubtful=True)
    return found if isinstance(found, Event) else Rejected(0, *found, line)


def pack_events(events: list[Event]) -> bytes:
    """Pack events for the journal: msgpack, defaults left out, texts long gone."""
    return _encode(events)


def unpack_events(packed: bytes) -> list[Event]:
    """The inverse of ``pack_events``."""
    return _unpack(packed)


def _decode_lines(lines: list[bytes], latest_ms: int, *, doubtful: bool) -> Decoded:
    """Decode each line; ``doubtful`` lines are looked at for length and NUL one by one."""
    events: list[Event] = []
    indexes: list[int] = []
    rejected: list[Rejected] = []
    for index, line in enumerate(lines):
        if not line or line.isspace():
            continue
        found = _read(line, latest_ms, doubtful=doubtful)
        if isinstance(found, Event):
            events.append(found)
            indexes.append(index)
        else:
            rejected.append(Rejected(index, *found, line))
    return Decoded(events, indexes, rejected)


def _read(line: bytes, latest_ms: int, *, doubtful: bool) -> Event | Refusal:
    """The event of one line, or why it is refused."""
    refusal = _inspect(line) if doubtful or len(line) > LINE_BYTES else None
    if refusal is not None:
        return refusal
    try:
        event = _decode(line)
    except _BAD_LINE as error:
        return _explain(error, line)
    return check(event, latest_ms) or event


def _decode_ndjson(body: bytes, latest_ms: int) -> Decoded:
    """Decode lines some at once, and line by line only where something in them is bad."""
    good = _decode_pieces(_pieces_of_body(body), latest_ms)
    if good is not None:
        return good
    if body.count(b"\n", 0, -1) >= BATCH_EVENTS:
        raise _too_many()
    return _decode_lines(body.split(b"\n"), latest_ms, doubtful=_doubtful(body))


def _decode_pieces(pieces: Iterable[tuple[bytes, int]], latest_ms: int) -> Decoded | None:
    """All events of pieces of so many lines each, when every line is a good one, else None.

    Events are checked while they are in the cache.
    """
    events: list[Event] = []
    for piece, count in pieces:
        good = _decode_good(_decoder.decode_lines, piece, latest_ms)
        if good is None or len(good) != count:
            return None
        events += good
    return _all_good(events)


def _pieces_of_body(body: bytes) -> Iterator[tuple[bytes, int]]:
    stream, start, lines = BytesIO(body), 0, 0  # finds line ends three times as fast as a count
    while count := len(stream.readlines(PIECE_BYTES)):
        lines += count
        if lines > BATCH_EVENTS:
            raise _too_many()
        yield body[start : stream.tell()], count
        start = stream.tell()


def _pieces_of_lines(lines: list[bytes]) -> Iterator[tuple[bytes, int]]:
    for start in range(0, len(lines), PIECE_LINES):
        piece = lines[start : start + PIECE_LINES]
        # A record of Kafka may hold line ends of its own, and such a piece is not good.
        yield b"\n".join(piece), 0 if any(LINE_END in line for line in piece) else len(piece)


def _decode_array(body: bytes, latest_ms: int) -> Decoded:
    """Decode an array at once, and element by element only where something in it is bad."""
    # An event is at least one bracket; texts are allowed three more each before the body is thought too big.
    if body.count(b"{") > 4 * BATCH_EVENTS:
        raise _too_many()
    good = _decode_good(_array_decoder.decode, body, latest_ms)
    elements = split_array(body) if good is None else []
    if elements is None:
        raise BodyError(
            "the body is an array that does not close, or that something follows",
            mend="send valid JSON, or one object a line (application/x-ndjson)",
            code="unframed",
        )
    if len(elements if good is None else good) > BATCH_EVENTS:
        raise _too_many()
    if good is not None:
        return _all_good(good)
    return _decode_lines([element or b"," for element in elements], latest_ms, doubtful=True)


def _all_good(events: list[Event]) -> Decoded:
    return Decoded(events, list(range(len(events))), [])


def _decode_good(
    decode_all: Callable[[bytes], list[Event]], body: bytes, latest_ms: int
) -> list[Event] | None:
    """All events of the body when every one is good, else None."""
    try:
        events = decode_all(body)
    except _BAD_LINE:
        return None
    if _doubtful(body):
        return None
    for event in events:
        if check(event, latest_ms) is not None:
            return None
    return events


def _too_many() -> BodyError:
    return BodyError(
        f"the body holds more than {BATCH_EVENTS} events", mend="send smaller batches", code="too_many_events"
    )


def _doubtful(body: bytes) -> bool:
    """Whether each event of a body must be looked at before it is decoded: one pass instead of one a line."""
    return has_nul(body) or _may_be_long(body)


def _may_be_long(body: bytes) -> bool:
    """Whether an event may be longer than ``LINE_BYTES``: then half of that lies beside its ``type``."""
    start, half = 0, LINE_BYTES // 2
    while len(body) - start > half:
        start = body.rfind(b'"type"', start, start + half) + 1
        if start == 0:
            return True
    return False


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _inspect(line: bytes) -> Refusal | None:
    """Refuse what the decoder would accept or must not be given: length, NUL."""
    if len(line) > LINE_BYTES:
        return "too_long", f"{len(line)} bytes long, more than {LINE_BYTES}; send events of their fields only"
    if has_nul(line):
        return "nul", "holds a NUL; send text without it"
    return None


_PLACE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<field>\w+)`")
_CHOICES = {
    "type": (*ACTIONS, "message", "rating", "heartbeat"),
    "actor": ("customer", "agent", "assist", "bot", "system"),
}


def _explain(error: Exception, line: bytes) -> Refusal:
    """A code and a sentence for what the decoder raised."""
    if not _is_utf8(line):
        return "not_utf8", "not UTF-8; send UTF-8"
    if isinstance(error, RecursionError):
        return "too_deep", "nests too deep; an event is a flat object"
    if not isinstance(error, msgspec.ValidationError):
        detail = str(error).removeprefix("JSON is malformed: ")
        return "not_json", f"not JSON: {detail}; send one JSON object per event"
    message = str(error)
    if missing := _MISSING.search(message):
        return "missing_field", f"`{missing['field']}` is missing; every event needs it"
    match = _PLACE.fullmatch(message)
    what, place = (match["what"], match["place"]) if match else (message, None)
    if not place:
        return "not_an_object", f"{what}; send one JSON object per event"
    mend = (
        f"use one of {', '.join(sorted(_CHOICES[place]))}" if place in _CHOICES else "see the event's fields"
    )
    return "bad_field", f"`{place}`: {what[:1].lower()}{what[1:]}; {mend}"
