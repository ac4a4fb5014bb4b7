"""Times as they come in: RFC 3339 with offset, or epoch milliseconds; what is below a millisecond is cut."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"(?P<head>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)"
    r"(?P<tail>(?:\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d))",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

# A batch holds few distinct seconds and at most some thousand distinct tails (".123+08:00"), so two
# look-ups and a sum replace parsing. A cache that is full is emptied: refilling costs 3 µs an entry.
_CACHE_ENTRIES = 20_000
_heads: dict[str, int] = {}
_tails: dict[str, int] = {}


def parse_time(text: str) -> int | None:
    """Epoch milliseconds of an RFC 3339 time with offset; None where ``text`` is not one."""
    try:
        return _heads[text[:19]] + _tails[text[19:]]
    except KeyError:
        return _parse(text)


def _parse(text: str) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    try:
        head_ms = (datetime.fromisoformat(match["head"].upper() + "+00:00") - _EPOCH) // _MS
    except ValueError:  # a 30 February, an hour 24, a leap second
        return None
    zone = match["zone"]
    offset_ms = 0
    if zone not in "Zz":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 23 or minutes > 59:
            return None
        offset_ms = (hours * 60 + minutes) * (-60_000 if zone[0] == "-" else 60_000)
    tail_ms = int((match["fraction"] or "0")[:3].ljust(3, "0")) - offset_ms
    for cache, key, value in ((_heads, match["head"], head_ms), (_tails, match["tail"], tail_ms)):
        if len(cache) >= _CACHE_ENTRIES:
            cache.clear()
        cache[key] = value
    return head_ms + tail_ms


_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(?P<number>\d{1,12})(?P<unit>ms|s|m|h|d)", re.ASCII)


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
