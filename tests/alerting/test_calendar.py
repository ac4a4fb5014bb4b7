"""Local time as tables: mute times and schedules, over midnight, holidays and shifts of the clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import yaml

from alerting.config.calendar import gaps
from alerting.config.duty import ScheduleSettings
from alerting.config.routing import MuteSettings

ZONE = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=ZONE):
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000


NOW = at("2026-11-20 12:00")


def muted(text, given, zone=ZONE, now=NOW):
    """Until when a time is muted, as local time; empty: it is not."""
    settings = MuteSettings.model_validate(yaml.load(given, yaml.BaseLoader) | {"timezone": zone.key})
    until_ms = settings.spans(now).until(at(text, zone))
    return f"{datetime.fromtimestamp(until_ms / 1_000, zone):%m-%d %H:%M}" if until_ms else ""


@pytest.mark.parametrize(
    ("when", "time", "until"),
    [
        ("{when: [{hours: ['22:00-08:00']}]}", "2026-11-23 21:59", ""),
        ("{when: [{hours: ['22:00-08:00']}]}", "2026-11-23 22:00", "11-24 08:00"),
        ("{when: [{hours: ['22:00-08:00']}]}", "2026-11-24 08:00", ""),
        ("{when: [{hours: ['00:00-24:00']}], never_on: [2026-11-24]}", "2026-11-23 10:00", "11-24 00:00"),
        # a night belongs to the day it begins on: Friday's lasts into Saturday, Saturday's is not muted
        ("{when: [{hours: ['22:00-08:00'], weekdays: [mon-fri]}]}", "2026-11-28 03:00", "11-28 08:00"),
        ("{when: [{hours: ['22:00-08:00'], weekdays: [mon-fri]}]}", "2026-11-28 23:00", ""),
        # spans that touch are one, so that what is held is told once at the end
        ("{when: [{hours: ['22:00-08:00']}, {weekdays: [sat, sun]}]}", "2026-11-27 23:00", "11-30 08:00"),
        ("{when: [{dates: ['2026-12-01/2026-12-03']}]}", "2026-12-02 10:00", "12-04 00:00"),
        ("{when: [{weekdays: [sun-mon]}]}", "2026-11-23 10:00", "11-24 00:00"),
    ],
)
def test_mute_times(when, time, until):
    assert muted(time, when) == until


@pytest.mark.parametrize(
    ("time", "until"), [("2026-10-24 23:00", "10-25 02:30"), ("2027-03-27 23:00", "03-28 03:30")]
)
def test_a_night_in_which_the_clock_is_moved_ends_by_the_wall_clock(time, until):
    """In autumn 02:30 comes twice, and the first one ends it; in spring it is left out."""
    assert muted(time, "{when: [{hours: ['22:00-02:30']}]}", BERLIN, at("2026-10-20 12:00")) == until


def roster(given, now=NOW):
    return ScheduleSettings.model_validate(yaml.load(given, yaml.BaseLoader)).roster(now)


WEEKS = "rotations: [{people: [li, wang, zhao], starts: 2026-11-02, hand_over: '09:00'}]"


@pytest.mark.parametrize(
    ("time", "who"),
    [
        ("2026-11-23 08:59", "zhao"),
        ("2026-11-23 09:00", "li"),
        ("2026-11-30 09:00", "wang"),
        ("2027-11-01 09:00", "wang"),
    ],
)
def test_people_take_turns_from_hand_over_to_hand_over(time, who):
    assert roster(WEEKS).at(at(time)) == (who,)


def test_before_its_first_day_nobody_is_on_call():
    later = roster(WEEKS.replace("2026-11-02", "2026-11-30"))
    assert (later.at(at("2026-11-30 08:59")), later.at(at("2026-11-30 09:00"))) == ((), ("li",))


def test_a_hand_over_is_by_the_wall_clock_across_a_shift_of_the_clock():
    given = (
        "timezone: Europe/Berlin\nrotations: "
        "[{people: [li, wang], starts: 2026-10-24, every: 1d, hand_over: '09:00'}]"
    )
    found = roster(given, at("2026-10-24 12:00", BERLIN))
    assert found.at(at("2026-10-25 08:59", BERLIN)) == ("li",)
    assert found.at(at("2026-10-25 09:00", BERLIN)) == ("wang",)
    first = found.starts.index(at("2026-10-24 09:00", BERLIN))
    assert found.starts[first + 1] - found.starts[first] == 25 * 3_600_000


DAY_AND_NIGHT = """
rotations:
  - {people: [li], starts: 2026-11-02, hours: ["09:00-21:00"], weekdays: [mon-fri]}
  - {people: [[wang, zhao]], starts: 2026-11-02, hours: ["21:00-09:00"]}
overrides:
  - {person: sun, starts: 2026-11-24 21:00, ends: 2026-11-25 09:00}
  - {person: qian, instead_of: wang, starts: 2026-11-25 21:00, ends: 2026-11-26 09:00}
  - {person: qian, instead_of: li, starts: 2026-11-26 00:00, ends: 2026-11-27 00:00}
"""


@pytest.mark.parametrize(
    ("time", "who"),
    [
        ("2026-11-23 10:00", ("li",)),
        ("2026-11-23 23:00", ("wang", "zhao")),
        ("2026-11-24 22:00", ("sun",)),
        ("2026-11-25 22:00", ("qian", "zhao")),
        ("2026-11-26 12:00", ("qian",)),
        ("2026-11-28 12:00", ()),
    ],
)
def test_rotations_hold_together_and_overrides_replace(time, who):
    assert roster(DAY_AND_NIGHT).at(at(time)) == who


def test_gaps_are_found_and_a_fallback_fills_them():
    found = gaps(roster(DAY_AND_NIGHT), at("2026-11-23 00:00"), at("2026-11-30 00:00"))
    assert found == [(at(f"2026-11-{day} 09:00"), at(f"2026-11-{day} 21:00")) for day in (28, 29)]
    assert roster(DAY_AND_NIGHT + "fallback: boss").at(found[0][0]) == ("boss",)
