"""``schedules`` of ``alerting.yaml``: who is on call, and what will go wrong with that some night."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from alerting import limits
from alerting.config.account import Duration, Model
from alerting.config.calendar import Override, Rotation, gaps, roster_of
from alerting.config.routing import Name, TimesSettings, Zone, listed
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerting.config.account import Place
    from alerting.config.model import Alerting
    from alerting.policy.spans import Roster


def _read_minute(value: Any) -> Any:
    hour, _, minute = str(value).partition(":")
    if not (len(hour) == len(minute) == 2 and hour.isdigit() and minute.isdigit()):
        raise ValueError("not a time such as 09:00")
    if int(hour) > 23 or int(minute) > 59:
        raise ValueError("not a time of the day")
    return int(hour) * 60 + int(minute)


def _read_local(value: Any) -> Any:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("not a local time such as 2026-12-01 21:00") from None


Minute = Annotated[int, BeforeValidator(_read_minute)]
Local = Annotated[datetime, BeforeValidator(_read_local)]
Turn = Annotated[tuple[Name, ...], BeforeValidator(listed), Field(min_length=1, max_length=20)]


class RotationSettings(TimesSettings):
    """People in turn. `hours`, `weekdays` and `dates` are when the one whose turn it is is on call."""

    people: tuple[Turn, ...] = Field(min_length=1, max_length=100)
    """Who, in their order; several in one turn as a list."""
    starts: date
    """The day of the first one's first turn."""
    every: Duration = Field(default=7 * DAY_MS, ge=DAY_MS, le=366 * DAY_MS, multiple_of=DAY_MS)
    """How long a turn is (1d to 366d, whole days)."""
    hand_over: Minute = 0
    """When a turn begins and the one before ends, local time."""

    def rotation(self) -> Rotation:
        """As a calendar takes it."""
        return Rotation(self.people, self.starts, self.every // DAY_MS, self.hand_over, self.times())


class OverrideSettings(Model):
    """Somebody else for a while."""

    person: Name
    """Who is on call then."""
    instead_of: Name | None = None
    """For whom; unless given, for all."""
    starts: Local
    """From when, as `2026-12-01 21:00`, local time."""
    ends: Local
    """Until when."""

    def override(self, zone: ZoneInfo) -> Override:
        """As a calendar takes it."""
        start_ms, end_ms = (
            round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()) * 1_000
            for at in (self.starts, self.ends)
        )
        return Override(start_ms, end_ms, self.person, self.instead_of or "")


class ScheduleSettings(Model):
    """Who is on call when; all whose turn it is in any rotation, together."""

    timezone: Zone = "Asia/Shanghai"
    """Whose hours and days are meant."""
    rotations: tuple[RotationSettings, ...] = Field(min_length=1, max_length=20)
    """People in turn."""
    overrides: tuple[OverrideSettings, ...] = Field(default=(), max_length=200)
    """Who stands in for whom."""
    fallback: Turn | None = None
    """Who is told in a gap; unless given, all of the receiver's accounts."""

    def roster(self, now_ms: int) -> Roster:
        """As a table."""
        zone = ZoneInfo(self.timezone)
        rotations = [one.rotation() for one in self.rotations]
        overrides = [one.override(zone) for one in self.overrides]
        return roster_of(rotations, overrides, self.fallback or (), zone, now_ms)

    def named(self) -> Iterator[tuple[Place, str]]:
        """Every person that it names, with the place."""
        for i, rotation in enumerate(self.rotations):
            for j, turn in enumerate(rotation.people):
                yield from ((("rotations", i, "people", j), person) for person in turn)
        for i, one in enumerate(self.overrides):
            yield ("overrides", i, "person"), one.person
            if one.instead_of:
                yield ("overrides", i, "instead_of"), one.instead_of
        yield from ((("fallback",), person) for person in self.fallback or ())


def gap_notices(alerting: Alerting, now_ms: int) -> Iterator[tuple[Place, str]]:
    """Spans of the next weeks in which a schedule has nobody on call and no fallback, with their places."""
    for name, schedule in alerting.schedules.items():
        if schedule.fallback:
            continue
        zone = ZoneInfo(schedule.timezone)
        found = gaps(schedule.roster(now_ms), now_ms, now_ms + limits.GAP_DAYS * DAY_MS)
        if found:
            start, end = (datetime.fromtimestamp(at_ms // 1_000, zone) for at_ms in found[0])
            more = f", and {len(found) - 1} more in {limits.GAP_DAYS} days" if len(found) > 1 else ""
            text = (
                f"nobody is on call from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}{more}; "
                "then all of the receiver's accounts are told: add a rotation, an override or a `fallback`"
            )
            yield ("schedules", name), text


def contact_notices(
    alerting: Alerting, contacts: Mapping[str, frozenset[str]]
) -> Iterator[tuple[Place, str]]:
    """People who cannot be told over an account that they are to be told on, with the place of the receiver.

    Args:
        alerting: The file.
        contacts: Person → the contacts that are given for them, as people.yaml names them.
    """
    for name, receiver in alerting.receivers.items():
        for i, to in enumerate(receiver.to):
            schedule = alerting.schedules.get(to)
            people = dict.fromkeys(p for _, p in schedule.named()) if schedule else {to: None}
            for account in receiver.accounts:
                needs = alerting.accounts[account].contact
                for person in people:
                    if needs and person in contacts and needs not in contacts[person]:
                        place = ("receivers", name, "to", i)
                        yield place, f"{person} cannot be told on {account}: give a `{needs}` in people.yaml"
