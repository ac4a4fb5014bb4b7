"""Local time made into tables: mute times become spans, schedules become shifts.

Here, outside the pure desk, zones and their shifts of the clock are known. A local time that a shift leaves
out (02:30 in spring) is taken as if the clock had not yet been moved, one that comes twice as the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from alerting import limits
from alerting.policy.spans import Roster, Spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from zoneinfo import ZoneInfo

_DAY_MIN = 1_440


class Hours(NamedTuple):
    """A half-open part of the day in minutes after midnight; ``end`` beyond 1,440 is on the next day."""

    start: int
    end: int


ALL_DAY = (Hours(0, _DAY_MIN),)


@dataclass(frozen=True, slots=True)
class Times:
    """Hours of some days. Empty ``weekdays`` (Monday is 0) and ``dates`` are all days."""

    hours: tuple[Hours, ...] = ALL_DAY
    weekdays: frozenset[int] = frozenset()
    dates: frozenset[date] = frozenset()

    def on(self, day: date) -> bool:
        """Whether its hours begin on that day."""
        on_weekday = not self.weekdays or day.weekday() in self.weekdays
        return on_weekday and (not self.dates or day in self.dates)


class Shift(NamedTuple):
    """Somebody, or several together, for a span of time in epoch ms."""

    start_ms: int
    end_ms: int
    people: tuple[str, ...]


class Override(NamedTuple):
    """Somebody instead of another, or of everybody (""), for a span of time in epoch ms."""

    start_ms: int
    end_ms: int
    person: str
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Rotation:
    """People in turn, ``days`` each, from ``first`` on at ``hand_over`` minutes after midnight.

    ``times`` are the hours at which the one whose turn it is is on call.
    """

    turns: tuple[tuple[str, ...], ...]
    first: date
    days: int
    hand_over: int
    times: Times = Times()


def epoch_ms(day: date, minute: int, zone: ZoneInfo) -> int:
    """Minutes after midnight of a local day, as epoch ms; 1,440 is the next midnight."""
    at = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minute)  # by the wall clock
    return round(at.timestamp()) * 1_000


def days_around(now_ms: int, zone: ZoneInfo) -> list[date]:
    """The days for which tables are made."""
    today = datetime.fromtimestamp(now_ms // 1_000, zone).date()
    return [today + timedelta(days=n) for n in range(-limits.CALENDAR_DAYS_BACK, limits.CALENDAR_DAYS)]


def spans_of(times: Sequence[Times], except_on: frozenset[date], zone: ZoneInfo, now_ms: int) -> Spans:
    """The union of some times, but for those that begin on ``except_on``."""
    found = [
        (epoch_ms(day, hours.start, zone), epoch_ms(day, hours.end, zone))
        for day in days_around(now_ms, zone)
        if day not in except_on
        for one in times
        if one.on(day)
        for hours in one.hours
    ]
    return _merged(found)


def roster_of(
    rotations: Sequence[Rotation],
    overrides: Sequence[Override],
    fallback: tuple[str, ...],
    zone: ZoneInfo,
    now_ms: int,
) -> Roster:
    """Who is on call when: all whose turn it is in any rotation, as the overrides change that."""
    layers = [list(_shifts(rotation, zone, now_ms)) for rotation in rotations]
    edges = {edge for layer in layers for shift in layer for edge in shift[:2]}
    edges |= {edge for one in overrides for edge in one[:2]}
    at = [0] * len(layers)
    starts: list[int] = []
    people: list[tuple[str, ...]] = []
    for start_ms in sorted(edges):
        on_call: list[str] = []
        for i, layer in enumerate(layers):
            while at[i] < len(layer) and layer[at[i]].end_ms <= start_ms:
                at[i] += 1
            if at[i] < len(layer) and layer[at[i]].start_ms <= start_ms:
                on_call += layer[at[i]].people
        who = _overridden(on_call, [one for one in overrides if one.start_ms <= start_ms < one.end_ms])
        if not people or people[-1] != who:
            starts.append(start_ms)
            people.append(who)
    return Roster(tuple(starts), tuple(people), fallback)


def gaps(roster: Roster, from_ms: int, until_ms: int) -> list[tuple[int, int]]:
    """Spans between two times in which nobody is on call, whoever stands in."""
    edges = [from_ms, *(edge for edge in roster.starts if from_ms < edge < until_ms), until_ms]
    alone = Roster(roster.starts, roster.people)
    found = [(a, b) for a, b in pairwise(edges) if not alone.at(a)]
    merged = _merged(found)
    return list(zip(merged.starts, merged.ends, strict=True))


def _shifts(rotation: Rotation, zone: ZoneInfo, now_ms: int) -> Iterator[Shift]:
    """Each turn's hours, ascending: a turn is from hand-over to hand-over of local days."""
    days = days_around(now_ms, zone)
    first = max(0, (days[0] - rotation.first).days // rotation.days)
    last = (days[-1] - rotation.first).days // rotation.days
    for turn in range(first, last + 1):
        day = rotation.first + timedelta(days=turn * rotation.days)
        people = rotation.turns[turn % len(rotation.turns)]
        start_ms = epoch_ms(day, rotation.hand_over, zone)
        end_ms = epoch_ms(day + timedelta(days=rotation.days), rotation.hand_over, zone)
        if rotation.times == Times():
            yield Shift(start_ms, end_ms, people)
            continue
        within = [
            (max(start_ms, epoch_ms(on, hours.start, zone)), min(end_ms, epoch_ms(on, hours.end, zone)))
            for on in (day + timedelta(days=n) for n in range(-1, rotation.days + 1))
            if rotation.times.on(on)
            for hours in rotation.times.hours
        ]
        spans = _merged((a, b) for a, b in within if a < b)
        for a, b in zip(spans.starts, spans.ends, strict=True):
            yield Shift(a, b, people)


def _overridden(on_call: Iterable[str], overrides: Iterable[Override]) -> tuple[str, ...]:
    who = list(dict.fromkeys(on_call))
    for one in overrides:
        if not one.instead_of:
            who = [one.person]
        elif one.instead_of in who:
            who = [one.person if person == one.instead_of else person for person in who]
    return tuple(dict.fromkeys(who))


def _merged(found: Iterable[tuple[int, int]]) -> Spans:
    starts: list[int] = []
    ends: list[int] = []
    for start_ms, end_ms in sorted(found):
        if ends and start_ms <= ends[-1]:
            ends[-1] = max(ends[-1], end_ms)
        else:
            starts.append(start_ms)
            ends.append(end_ms)
    return Spans(tuple(starts), tuple(ends))
