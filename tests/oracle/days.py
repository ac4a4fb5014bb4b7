"""Service days, service hours, pack versions and windows, by definition (design §4, §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from rules.pack import Measure, Pack

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
BUCKETS_MS = tuple(s * 1000 for s in (5, 10, 30, 60, 120, 300, 600, 900, 1800))
WITHOUT_LIMIT_MS = 600_000  # "a measure without a limit takes 10 minutes after the ask"


def local_time(at_ms: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + at_ms * MILLISECOND).astimezone(zone)


@lru_cache(maxsize=100_000)
def service_day(at_ms: int, zone: ZoneInfo) -> date:
    return local_time(at_ms, zone).date()


@lru_cache(maxsize=100_000)
def midnight_after(day: date, zone: ZoneInfo) -> int:
    """The first millisecond that no longer belongs to the day."""
    next_day = day + timedelta(days=1)
    midnight = datetime(next_day.year, next_day.month, next_day.day, tzinfo=zone)
    return (midnight.astimezone(UTC) - EPOCH) // MILLISECOND


@lru_cache(maxsize=100_000)
def time_of_day_ms(at_ms: int, zone: ZoneInfo) -> int:
    """What the wall clock shows, in milliseconds."""
    wall = local_time(at_ms, zone)
    return ((wall.hour * 60 + wall.minute) * 60 + wall.second) * 1000 + wall.microsecond // 1000


def pack_of_day(packs: Sequence[Pack], day: date) -> Pack | None:
    """The version that holds on a day; of several, the one that began last."""
    iso = day.isoformat()
    holding = [
        p
        for p in packs
        if (p.from_date is None or p.from_date <= iso) and (p.until_date is None or iso < p.until_date)
    ]
    return max(holding, key=lambda p: p.from_date or "", default=None)


def days_of_period(period: str, today: date) -> list[date]:
    """``day``, ``7d``, ``30d``: the last service days, the clock's own included."""
    count = {"day": 1, "7d": 7, "30d": 30}[period]
    return [today - timedelta(days=back) for back in range(count)]


def window(width_ms: int, now_ms: int) -> range:
    """[e - w, e) with e = (floor(t / b) + 1) * b, b the least bucket with w <= 60 * b."""
    bucket = min(b for b in BUCKETS_MS if width_ms <= 60 * b)
    end = (now_ms // bucket + 1) * bucket
    return range(end - width_ms, end)


@dataclass(frozen=True)
class DayRule:
    """One measure as the pack of one service day defines it."""

    pack: Pack
    measure: Measure
    zone: ZoneInfo
    day: date

    @property
    def limit_ms(self) -> int:
        return WITHOUT_LIMIT_MS if self.measure.within_ms is None else self.measure.within_ms

    @cached_property
    def alike(self) -> list[DayRule]:
        """Every measure of that day whose rounds open and close as its own do, itself included."""
        rules = (DayRule(self.pack, m, self.zone, self.day) for m in self.pack.measures.values())
        return [self, *(rule for rule in rules if rule._rounds == self._rounds and not rule.exempt)]

    @cached_property
    def _rounds(self) -> tuple[object, ...]:
        of, hours = self.measure, self.measure.service_hours
        spans = self.pack.service_hours if hours is None else hours
        said = (set(of.answered_by), of.counts == "human_stage", of.hours_by == "session_start")
        return (of.kind == "order_rate", *said, of.on_handover == "opens", tuple(spans))

    @property
    def midnight_ms(self) -> int:
        return midnight_after(self.day, self.zone)

    @cached_property
    def exempt(self) -> bool:
        return self.day.isoformat() in (*self.pack.exempt_dates, *self.measure.exempt_dates)

    @property
    def is_first_rate(self) -> bool:
        rates = [m.id for m in self.pack.measures.values() if m.kind == "reply_rate"]
        return rates[:1] == [self.measure.id]

    def in_hours(self, at_ms: int) -> bool:
        hours = self.measure.service_hours
        spans = self.pack.service_hours if hours is None else hours
        return any(s.start_ms <= time_of_day_ms(at_ms, self.zone) < s.end_ms for s in spans)

    def is_today(self, at_ms: int) -> bool:
        return service_day(at_ms, self.zone) == self.day
