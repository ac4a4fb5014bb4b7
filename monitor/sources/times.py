"""Times as they come in: RFC 3339 with offset, or epoch milliseconds; what is below a millisecond is cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_RFC3339: Final = re.compile(
    r"(?P<minute>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:)(?P<second>\d\d)"
    r"(?P<tail>(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d))",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

# A batch holds few distinct minutes and at most some thousand distinct tails (".123+08:00"), so look-ups and
# sums replace parsing. A cache that is full is emptied: refilling costs 3 µs an entry.
_CACHE_ENTRIES: Final = 20_000
_minutes: Final[dict[str, int]] = {}  # "2026-11-11T10:20:" → ms
_seconds: Final[dict[str, int]] = {f"{second:02}": second * 1_000 for second in range(60)}
_tails: Final[dict[str, int]] = {}


def parse_time(text: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 time with offset; None where ``text`` is not one."""
    minute_ms = _minutes.get(text[:17])
    if minute_ms is not None:
        second_ms = _seconds.get(text[17:19])
        if second_ms is not None:
            tail_ms = _tails.get(text[19:])
            if tail_ms is not None:
                return minute_ms + second_ms + tail_ms
    return _parse(text)


def _parse(text: str) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    minute: str = match["minute"]
    second_ms = _seconds.get(match["second"])  # none for a leap second
    try:
        minute_ms = (datetime.fromisoformat(minute.upper() + "00+00:00") - _EPOCH) // _MS
    except ValueError:  # a 30 February, an hour 24
        return None
    zone: str = match["zone"]
    offset_ms = 0
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            return None
        offset_ms = (hours * 60 + minutes) * (-60_000 if zone[0] == "-" else 60_000)
    tail_ms = int((match["fraction"] or "0")[:3].ljust(3, "0")) - offset_ms
    if second_ms is None:
        return None
    _remember(_minutes, minute, minute_ms)
    _remember(_tails, match["tail"], tail_ms)
    return minute_ms + second_ms + tail_ms


def _remember(cache: dict[str, int], key: str, value: int) -> None:
    if len(cache) >= _CACHE_ENTRIES:
        cache.clear()
    cache[key] = value


_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(?P<number>\d{1,12})(?P<unit>ms|s|m|h|d)", re.ASCII)


def parse_duration_ms(text: str) -> int | None:
    """Milliseconds of ``10s``, ``3m``, ``2h``, ``30d``; None where ``text`` is not one."""
    match = _DURATION.fullmatch(text)
    return int(match["number"]) * _UNIT_MS[match["unit"]] if match else None


def format_time(at_ms: int) -> str:
    """RFC 3339 in UTC, to the millisecond, for messages about events."""
    if not -62_135_596_800_000 <= at_ms < 253_402_300_800_000:
        return f"{at_ms} ms"
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
