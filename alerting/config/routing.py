"""``route``, ``mute_times``, ``inhibit``, ``escalations`` of ``alerting.yaml``, and what is made of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from alerting.config.account import Account, Duration, Model, WithUrl
from alerting.config.calendar import ALL_DAY, Hours, Times, spans_of
from alerting.policy.inhibit import Inhibition
from alerting.policy.rulings import Node, Step
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from alerting.policy.spans import Spans

NAME = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
NO_ESCALATION = "none"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")


def listed(value: Any) -> Any:
    """One name given by itself, as a list of one."""
    return [value] if isinstance(value, str) else value


def _read_hours(value: Any) -> Any:
    """``22:00-08:00``, past midnight where it ends before it begins."""
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError('not hours such as "08:00-23:00" or, past midnight, "22:00-08:00"')
    start = int(match[1]) * 60 + int(match[2])
    end = 1_440 if match[3] is None else int(match[3]) * 60 + int(match[4])
    return Hours(start, end if end > start else end + 1_440)


def _read_weekdays(value: Any) -> Any:
    """``mon`` or ``mon-fri`` as numbers, Monday 0."""
    first, dash, last = str(value).partition("-")
    if first not in _WEEKDAYS or (dash and last not in _WEEKDAYS):
        raise ValueError(f"not a weekday of {', '.join(_WEEKDAYS)}, nor several such as mon-fri")
    a, b = _WEEKDAYS.index(first), _WEEKDAYS.index(last or first)
    return tuple((a + n) % 7 for n in range((b - a) % 7 + 1))


def _read_dates(value: Any) -> Any:
    """``2026-10-01`` or ``2026-10-01/2026-10-07``, both ends included."""
    first, slash, last = str(value).partition("/")
    try:
        a, b = date.fromisoformat(first), date.fromisoformat(last if slash else first)
    except ValueError:
        raise ValueError("not a date such as 2026-10-01, nor 2026-10-01/2026-10-07") from None
    if not 0 <= (b - a).days <= 366:
        raise ValueError("the last date must be at most a year after the first")
    return tuple(a + timedelta(days=n) for n in range((b - a).days + 1))


def _read_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError("no such time zone; one is Asia/Shanghai") from None
    return value


Patterns = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], BeforeValidator(listed)]
HoursText = Annotated[Hours, BeforeValidator(_read_hours)]
Weekdays = Annotated[tuple[int, ...], BeforeValidator(_read_weekdays)]
Dates = Annotated[tuple[date, ...], BeforeValidator(_read_dates)]
Zone = Annotated[str, AfterValidator(_read_zone)]


class Match(Model):
    """What an alert must be: each value a pattern with `*` and `?`, `!` before it for not, or several."""

    rule: Patterns | None = None
    """The rule's id."""
    severity: Patterns | None = None
    """`warn` or `crit`."""
    verdict: Patterns | None = None
    """`warn`, `crit` or `no_data`."""
    notify: Patterns | None = None
    """What the rule's `notify` says."""
    each: Patterns | None = None
    """What it is about: `shop`, `source`, `platform`, `team`, `agent`, `account`, `daemon`."""
    shop: Patterns | None = None
    """The shop as `platform:shop_id`."""
    platform: Patterns | None = None
    """The shop's platform."""
    source: Patterns | None = None
    """The source, or the one the shop's events come from."""
    team: Patterns | None = None
    """The shop's team of shops.yaml."""
    tier: Patterns | None = None
    """The shop's tier of shops.yaml."""
    agent: Patterns | None = None
    """The agent."""
    account: Patterns | None = None
    """The account, of an alert that it is out of order."""
    daemon: Patterns | None = None
    """The part, of an alert about slawatch itself."""
    labels: dict[str, Patterns] = Field(default_factory=dict, max_length=20)
    """Labels of the shop, by name."""

    def matcher(self) -> dict[str, tuple[str, ...]]:
        """As the desk compares."""
        given = {
            name: value
            for name in type(self).model_fields
            if name != "labels" and (value := getattr(self, name))
        }
        return given | {f"labels.{name}": patterns for name, patterns in self.labels.items()}


class Manner(Model):
    """How often somebody is told; of a route, what is not given is as above it, last as the receiver's."""

    group_by: tuple[str, ...] | None = Field(default=None, max_length=5)
    """What alerts of one message have in common: names as in `match`, and `labels.NAME`."""
    group_wait: Duration | None = Field(default=None, ge=0, le=600_000)
    """How long (0s to 10m) a warning waits for others of its group; a critical alert never does."""
    group_interval: Duration | None = Field(default=None, ge=0, le=DAY_MS)
    """The least time (0s to 1d) between two messages of a group of warnings."""
    repeat_interval: Duration | None = Field(default=None, ge=60_000, le=30 * DAY_MS)
    """When (1m to 30d) an alert that still fires and that nobody has taken is told again."""

    def manner(self) -> dict[str, Any]:
        """The fields of ``Receiver`` that it gives."""
        given = {
            "group_by": self.group_by,
            "group_wait_ms": self.group_wait,
            "group_interval_ms": self.group_interval,
            "repeat_interval_ms": self.repeat_interval,
        }
        return {name: value for name, value in given.items() if value is not None}


class RouteSettings(Manner):
    """A node of the tree: which alerts it takes, who is told and how."""

    name: Name | None = None
    """What `routes test` and `why` call it; unless given, what it matches."""
    match: Match = Field(default_factory=Match)
    """Which alerts; nothing given: all."""
    receivers: tuple[Name, ...] = Field(default=(), max_length=20)
    """Who is told; none: as above, last whom the rule's `notify` names."""
    mute: tuple[Name, ...] | None = Field(default=None, max_length=20)
    """Mute times that hold its alerts."""
    escalate: Name | None = None
    """The escalation for its alerts; `none`: none, whatever is above."""
    goes_on: bool = Field(default=False, alias="continue")
    """Whether routes after it are tried, too."""
    routes: tuple[RouteSettings, ...] = Field(default=(), max_length=200)
    """Routes below it, tried in their order; the first that matches takes the alert."""

    def node(self, above: Node | None = None, name: str = "") -> Node:
        """The node with what it inherits."""
        up = above or Node()
        own = Node(
            name,
            self.match.matcher(),
            self.receivers or up.receivers,
            {**up.manner, **self.manner()},
            up.mute if self.mute is None else self.mute,
            up.escalate
            if self.escalate is None
            else ("" if self.escalate == NO_ESCALATION else self.escalate),
            self.goes_on,
        )
        below: dict[str, Node] = {}
        for child in self.routes:
            base = path = f"{name}/{child.called()}".lstrip("/")
            number = 1
            while path in below:
                number += 1
                path = f"{base}#{number}"
            below[path] = child.node(own, path)
        return replace(own, routes=tuple(below.values()))

    def called(self) -> str:
        """Its own part of the path: its name, or what it matches."""
        matcher = self.match.matcher()
        return self.name or ",".join(f"{name}={'|'.join(value)}" for name, value in matcher.items()) or "all"


class TimesSettings(Model):
    """Hours of some days, all of what is given."""

    hours: tuple[HoursText, ...] = Field(default=(), max_length=10)
    """As `22:00-08:00`, past midnight with the day they begin on; none: the whole day."""
    weekdays: tuple[Weekdays, ...] = Field(default=(), max_length=7)
    """As `sat` or `mon-fri`; none: all."""
    dates: tuple[Dates, ...] = Field(default=(), max_length=100)
    """Holidays and other dates, as `2026-10-01` or `2026-10-01/2026-10-07`; none: all."""

    def times(self) -> Times:
        """As a calendar takes them."""
        return Times(
            self.hours or ALL_DAY,
            frozenset(day for some in self.weekdays for day in some),
            frozenset(day for some in self.dates for day in some),
        )


class MuteSettings(Model):
    """Times at which alerts are held for a digest at their end."""

    timezone: Zone = "Asia/Shanghai"
    """Whose hours and days are meant."""
    when: tuple[TimesSettings, ...] = Field(min_length=1, max_length=50)
    """The times; any of them."""
    never_on: tuple[Dates, ...] = Field(default=(), max_length=100)
    """Dates on which none of them begins, such as a promotion's."""

    def spans(self, now_ms: int) -> Spans:
        """As a table."""
        dates = frozenset(day for some in self.never_on for day in some)
        return spans_of([one.times() for one in self.when], dates, ZoneInfo(self.timezone), now_ms)


class InhibitSettings(Model):
    """While one alert fires, others are held that it explains."""

    name: Name
    """What `why` calls it."""
    when: Match
    """The alert that explains."""
    mutes: Match
    """The alerts that are held meanwhile."""
    equal: tuple[str, ...] = Field(default=(), max_length=5)
    """What both must have in common: names as in `match`, and `labels.NAME`."""

    def inhibition(self) -> Inhibition:
        """As the desk keeps it."""
        return Inhibition(self.name, self.when.matcher(), self.mutes.matcher(), self.equal)


class StepSettings(Model):
    """A step of an escalation."""

    after: Duration = Field(ge=10_000, le=DAY_MS)
    """How long (10s to 1d) after the alert was due it is this one's turn, if nobody has taken it."""
    receivers: tuple[Name, ...] = Field(min_length=1, max_length=20)
    """Who is told then."""
    unaccepted: Duration = Field(default=60_000, ge=0, le=DAY_MS)
    """Earlier, so long (0s: not; to 1d) after those before were due, if no channel of theirs has taken it."""

    def step(self) -> Step:
        """As the desk keeps it."""
        return Step(self.after, self.receivers, self.unaccepted)


class AcknowledgeSettings(Model):
    """How long an acknowledgement holds."""

    holds: Duration = Field(default=0, ge=0, le=7 * DAY_MS)
    """For how long (to 7d); then the alert is told again and its escalation begins anew. 0s: to its end."""
    remind: Duration = Field(default=0, ge=0, le=DAY_MS)
    """So long (to 1d) before that, those who were told are reminded. 0s: not."""


class HeartbeatSettings(WithUrl, Account):
    """An address outside that is pinged while all is well; its owner is told when pings stay away."""

    needs: ClassVar[tuple[str, ...]] = ("url",)
    every: Duration = Field(default=60_000, ge=15_000, le=DAY_MS)
    """How often (15s to 1d)."""
