"""Times as they come in: RFC 3339 with offset, or epoch milliseconds; what is below a millisecond is cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from librt.strings import read_i64_be

if TYPE_CHECKING:
    from mypy_extensions import i64

_MINUTE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:", re.ASCII)
_ZONE: Final = re.compile(r"[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_CACHED: Final = 20_000  # minutes; full, it is emptied: to refill it costs 2 µs an entry
_minutes: Final[dict[str, int]] = {}  # "2026-11-11T10:20:" → ms
_zones: Final[dict[str, int]] = {}  # "+08:00" → ms
NO_TIME: Final[i64] = -1 << 60
SHORTEST: Final = 20  # 2026-11-11T10:20:30Z
USUAL_END: Final = 23  # 2026-11-11T10:20:30.123 before the zone
COLON: Final = 58
POINT: Final = 46


class _Frame:
    """What stands around the seconds of a time. Never written to: threads read times side by side."""

    __slots__ = ("begin", "middle", "ms", "zone", "zone_bits", "zone_bytes")

    def __init__(self, raw: bytes, zone_bytes: i64, ms: i64) -> None:
        self.begin = read_i64_be(raw, 0)  # 2026-11-
        self.middle = read_i64_be(raw, 8)  # 11T10:20
        self.zone_bytes = zone_bytes
        self.zone_bits: i64 = (1 << 8 * zone_bytes) - 1
        self.zone = read_i64_be(raw, len(raw) - 8) & self.zone_bits
        self.ms = ms

    def holds(self, raw: bytes) -> bool:
        """Whether the same stands around the seconds of another time."""
        return (
            read_i64_be(raw, 0) == self.begin
            and read_i64_be(raw, 8) == self.middle
            and raw[16] == COLON
            and read_i64_be(raw, len(raw) - 8) & self.zone_bits == self.zone
        )


class _Last:
    """That of the time read last: mostly the next has the same."""

    __slots__ = ("frame",)

    def __init__(self) -> None:
        self.frame = _Frame(bytes(SHORTEST), 1, 0)


_last: Final = _Last()


def read_time(text: str) -> i64:
    """Epoch milliseconds of an RFC 3339 time with offset; ``NO_TIME`` where ``text`` is not one."""
    raw = text.encode()
    if len(raw) < SHORTEST:
        return NO_TIME
    frame = _last.frame
    if not frame.holds(raw):
        found = _frame_of(text, raw)
        if found is None:
            return NO_TIME
        frame = _last.frame = found
    end = len(raw) - frame.zone_bytes
    seconds_ms = _usual_ms(read_i64_be(raw, 16)) if end == USUAL_END else _seconds_ms(raw, end)
    if seconds_ms < 0:
        return NO_TIME
    return frame.ms + seconds_ms


def parse_time(text: str) -> int | None:
    """As ``read_time``; None where ``text`` is not one."""
    found = read_time(text) if text.isascii() else NO_TIME
    return int(found) if found != NO_TIME else None


def _seconds_ms(raw: bytes, end: i64) -> i64:
    """What ``30.123`` says after the minute; -1 where something else stands there, or a leap second."""
    if end < 19:
        return -1
    second = _digit(raw, 17) * 10 + _digit(raw, 18)
    if second < 0 or second > 59:
        return -1
    ms = second * 1_000
    if end == 19:
        return ms
    if raw[19] != POINT or end == 20:
        return -1
    scale: i64 = 100
    for place in range(20, end):
        digit = _digit(raw, place)
        if digit < 0:
            return -1
        ms += digit * scale
        scale //= 10
    return ms


def _digit(raw: bytes, place: i64) -> i64:
    """The digit at a place."""
    return _in(raw[place])


def _in(code: i64) -> i64:
    """The digit that a character is; of any other one, so far below 0 that no number with it is one."""
    if 48 <= code <= 57:
        return code - 48
    return -100_000


def _usual_ms(word: i64) -> i64:
    """The same of ``:30.123`` and what follows, as one number; below 0: it is something else."""
    if word >> 32 & 255 != POINT:
        return -1
    second = _in(word >> 48 & 255) * 10 + _in(word >> 40 & 255)
    ms = _in(word >> 24 & 255) * 100 + _in(word >> 16 & 255) * 10 + _in(word >> 8 & 255)
    if 0 <= second <= 59 and ms >= 0:
        return second * 1_000 + ms
    return -1


def _frame_of(text: str, raw: bytes) -> _Frame | None:
    minute, zone = text[:17], text[-1:] if text.endswith(("Z", "z")) else text[-6:]
    minute_ms, offset_ms = _minutes.get(minute), _zones.get(zone)
    if minute_ms is None:
        minute_ms = _parse_minute(minute)
    if offset_ms is None:
        offset_ms = _parse_zone(zone)
    if min(minute_ms, offset_ms) == NO_TIME:
        return None
    return _Frame(raw, len(zone), minute_ms - offset_ms)


def _parse_minute(text: str) -> int:
    if _MINUTE.fullmatch(text) is None:
        return NO_TIME
    try:
        found = (datetime.fromisoformat(text.upper() + "00+00:00") - _EPOCH) // _MS
    except ValueError:  # a 30 February, an hour 24
        return NO_TIME
    if len(_minutes) >= _CACHED:
        _minutes.clear()
    _minutes[text] = found
    return found


def _parse_zone(text: str) -> int:
    match = _ZONE.fullmatch(text)
    if match is None:
        return NO_TIME
    offset_ms = 0
    if match["sign"]:
        offset_ms = (int(match["hours"]) * 60 + int(match["minutes"])) * 60_000
    _zones[text] = found = -offset_ms if match["sign"] == "-" else offset_ms
    return found


_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(?P<number>\d{1,12})(?P<unit>ms|s|m|h|d)", re.ASCII)


def parse_duration_ms(text: str) -> int | None:
    """Milliseconds of ``10s``, ``3m``, ``2h``, ``30d``; None where ``text`` is not one.

    Those of rules (``rules.values``) are of whole seconds, since rules are judged by the second.
    """
    match = _DURATION.fullmatch(text)
    return int(match["number"]) * _UNIT_MS[match["unit"]] if match else None


def format_time(at_ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond, for messages about events."""
    if not -62_135_596_800_000 <= at_ms < 253_402_300_800_000:
        return f"{at_ms} ms"
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
