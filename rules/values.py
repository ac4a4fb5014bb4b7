"""The small values of packs and rules, read from text: durations, shares, hours, dates, periods.

Each function returns None for what it does not understand; the reader names the place.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rules.pack import DAY_MS, HOUR_MS, Share, Span

DURATION = "a duration such as 30s, 3m, 2h, 30d"
SHARE = "a percentage such as 90% or 0.3%"
SPAN = 'hours such as "08:00-23:00", up to "24:00"'
DATE = "a date such as 2026-01-01"
PERIOD = "day, 7d, 30d, or a window from 5m to 24h"

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": HOUR_MS, "d": DAY_MS}
_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SHARE = re.compile(r"(-?\d{1,4}(?:\.\d{1,6})?)\s*%", re.ASCII)
_SPAN = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?\s*-\s*(\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_BUCKETS_MS = (5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000)


def duration_ms(text: str) -> int | None:
    """``30s`` ``3m`` ``2h`` ``30d`` in milliseconds."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNIT_MS[match[2]] if match else None


def duration_text(ms: int) -> str:
    """The shortest way to write a duration of whole seconds: 180 000 is ``3m``."""
    unit = next(unit for unit in "dhms" if ms % _UNIT_MS[unit] == 0 or unit == "s")
    return f"{ms // _UNIT_MS[unit]}{unit}"


def share(text: str) -> Share | None:
    """``90%`` as 9/10 and ``0.3%`` as 3/1000, exactly."""
    match = _SHARE.fullmatch(text)
    if not match:
        return None
    fraction = Fraction(match[1]) / 100
    return Share(fraction.numerator, fraction.denominator)


def share_text(of: int, per: int) -> str:
    """A share as a percentage with two decimals, cut half up, for people; nothing is decided on it."""
    hundredths = (of * 20_000 + per) // (2 * per)
    sign, hundredths = ("-", -hundredths) if hundredths < 0 else ("", hundredths)
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}%"


def span(text: str) -> Span | None:
    """``08:00-23:00`` as a half-open span of the day; None also when it is empty or passes midnight."""
    match = _SPAN.fullmatch(text)
    if not match:
        return None
    ends = []
    for hour, minute, second in (match.group(1, 2, 3), match.group(4, 5, 6)):
        if int(minute) > 59 or int(second or 0) > 59:
            return None
        ends.append((int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * 1000)
    start_ms, end_ms = ends
    return Span(start_ms, end_ms) if start_ms < end_ms <= DAY_MS else None


def date(text: str) -> str | None:
    """A calendar date ``YYYY-MM-DD``, returned as it is."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day = map(int, match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return text if 1 <= month <= 12 and 1 <= day <= lengths[month - 1] else None


def period(text: str) -> str | None:
    """A period by its one name: ``day`` ``7d`` ``30d``, or a window (``60m`` is ``1h``).

    A window must be a whole number of its buckets (design §5), else its edges would not meet.
    """
    if text in ("day", "7d", "30d"):
        return text
    width_ms = duration_ms(text)
    if text[-1:] not in ("m", "h") or width_ms is None or not 300_000 <= width_ms <= DAY_MS:
        return None
    bucket_ms = next(bucket for bucket in _BUCKETS_MS if width_ms <= 60 * bucket)
    if width_ms % bucket_ms:
        return None
    return f"{width_ms // HOUR_MS}h" if width_ms % HOUR_MS == 0 else f"{width_ms // 60_000}m"
