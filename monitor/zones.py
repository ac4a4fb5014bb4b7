"""Time zones as tables of offsets, read once from the system's database for the pure rooms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from monitor.engine.zone import Zone

YEARS = (2000, 2040)  # no event lies before; shifts of the clock after are not yet law anywhere


@lru_cache(maxsize=64)
def zone_of(name: str) -> Zone:
    """The offsets of a time zone as a table, so that the engine needs no clock and no database of zones."""
    zone = ZoneInfo(name)
    starts: list[int] = []
    offsets: list[int] = []
    at = datetime(YEARS[0], 1, 1, tzinfo=UTC)
    end = datetime(YEARS[1], 1, 1, tzinfo=UTC)
    while at < end:
        offset = _offset_ms(zone, at)
        if not offsets or offset != offsets[-1]:
            starts.append(_shift(zone, at - timedelta(days=1), at) if offsets else 0)
            offsets.append(offset)
        at += timedelta(days=1)
    return Zone(tuple(offsets), tuple(starts))


def _offset_ms(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(milliseconds=1)


def _shift(zone: ZoneInfo, before: datetime, after: datetime) -> int:
    """The UTC ms at which the offset changes between two instants, by halving."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if _offset_ms(zone, middle) == _offset_ms(zone, before):
            before = middle
        else:
            after = middle
    return round(after.timestamp()) * 1000
