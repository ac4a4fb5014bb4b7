"""Lints: what can be read, but hardly means what its author wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.load import load_pack, load_rules
from rules.problems import RulesError
from tests.rules import files

PACK = load_pack(Path("p.yaml"), files.PACK)
WATCHED = '  - {id: watch, line: ninety, warn: {late: ">= 99"}}\n'


@pytest.fixture
def doubts(tmp_path, monkeypatch):
    """What is doubted about one rule beside another that watches the line, without its place in the text."""
    monkeypatch.chdir(tmp_path)

    def read(keys: str, others: str = WATCHED) -> list[str]:
        Path("r.yaml").write_text(f"rules:\n  - {{id: r, {keys}}}\n{others}")
        return [str(problem) for problem in load_rules([Path("r.yaml")], {"p": (PACK,)}).warnings]

    return read


GOOD = (
    'line: ninety, warn: {all: [{late: ">= 1"}, {budget_left: "<= 9"}]}, '
    'crit: {budget_left: "< 0"}, clear: {budget_left: "> 12"}'
)


def test_a_sound_rule_raises_no_doubt(doubts):
    assert doubts(GOOD) == []


@pytest.mark.parametrize(
    "level",
    [
        '{late: "< 0"}',
        '{value: "> 100%"}',
        '{all: [{late: ">= 5"}, {late: "< 5"}]}',
        '{late: ">= 5", any: [{late: "< 5"}, {late: "== 2"}]}',
        '{all: [{value: "> 90%"}, {value: "<= 90%"}]}',
    ],
)
def test_a_threshold_that_can_never_hold_is_an_error(doubts, level):
    with pytest.raises(RulesError, match=r"r\.yaml:2:33: 'warn' of rule 'r' can never hold"):
        doubts(f"line: ninety, warn: {level}")


def test_a_days_alert_cannot_wait_for_longer_than_the_day(doubts):
    with pytest.raises(
        RulesError, match="'warn' of rule 'r' can never hold for so long: its day is over before"
    ):
        doubts('line: ninety, warn: {late: ">= 1", for: 1d}')
    assert doubts('measure: rate, period: 30d, warn: {late: ">= 1", for: 1d}') == []


def test_only_if_is_part_of_what_can_hold(doubts):
    with pytest.raises(RulesError, match="'crit' of rule 'r' can never hold"):
        doubts('line: ninety, only_if: {late: "== 0"}, crit: {late: ">= 1"}')


def test_a_clear_that_can_never_hold_would_keep_the_alert_for_ever(doubts):
    with pytest.raises(RulesError, match="'clear' of rule 'r' can never hold"):
        doubts('line: ninety, crit: {late: ">= 1"}, clear: {late: "< 0"}')


def test_a_warn_past_its_crit_never_shows(doubts):
    told = doubts('line: ninety, warn: {late: ">= 9"}, crit: {late: ">= 5"}')
    assert told == ["r.yaml:2:33: 'warn' of rule 'r' is past its 'crit': it never shows"]
    assert doubts('line: ninety, warn: {late: ">= 5"}, crit: {late: ">= 5"}') == [told[0].replace("9", "5")]
    assert doubts('line: ninety, warn: {late: ">= 5"}, crit: {late: ">= 9"}') == []


def test_the_same_condition_held_for_longer_may_be_the_crit(doubts):
    assert doubts('line: ninety, warn: {late: ">= 5"}, crit: {late: ">= 5", for: 5m}') == []


def test_a_warn_with_one_way_that_is_not_past_crit_shows(doubts):
    assert doubts('line: ninety, warn: {any: [{late: ">= 9"}, {open: ">= 3"}]}, crit: {late: ">= 5"}') == []


def test_a_clear_inside_warn_holds_nothing_back(doubts):
    told = doubts('line: ninety, warn: {late: ">= 5"}, clear: {late: "<= 5"}')
    assert told == ["r.yaml:2:56: 'clear' of rule 'r' lies inside its 'warn': it holds nothing back"]
    assert doubts('line: ninety, warn: {late: ">= 5"}, clear: {late: "< 5"}') == []
    assert doubts('line: ninety, warn: {late: ">= 5"}, clear: {open: "== 0"}') == [], (
        "another figure is a choice"
    )


@pytest.mark.parametrize(
    ("level", "figure"),
    [
        ('{budget_left: "<= 3"}', "budget_left"),
        ('{budget_left_today: "<= 3", asked: ">= 100"}', "budget_left_today"),
        ('{any: [{late: ">= 3"}, {budget_left: "<= 3"}]}', "budget_left"),
        ('{worst: "< 90%"}', "worst"),
        ("{breach_if_lost: true}", "breach_if_lost"),
        ('{required_rate: ">= 95%"}', "required_rate"),
    ],
)
def test_a_shop_with_no_miss_must_never_alert_of_its_budget(doubts, level, figure):
    (told,) = doubts(f"line: ninety, warn: {level}")
    assert told == (
        f"r.yaml:2:33: 'warn' of rule 'r' compares {figure} with no condition on misses, "
        'did you mean all: [{late: ">= 1"}, …]?'
    )


@pytest.mark.parametrize(
    "level",
    [
        '{budget_left: "< 0"}',
        '{budget_left: "<= 3", late: ">= 1"}',
        '{budget_left: "> 3"}',
        '{breach_in: "<= 20m"}',
        '{required_rate: "> 100%"}',
        '{all: [{late: "> 0"}, {any: [{budget_left: "<= 3"}, {worst: "< 80%"}]}]}',
    ],
)
def test_what_needs_a_miss_anyway_needs_no_condition_on_one(doubts, level):
    assert doubts(f"line: ninety, warn: {level}") == []


def test_a_countdown_from_before_the_ask_warns_of_everyone(doubts):
    told = doubts('each: conversation, measure: rate, warn: {seconds_left: "<= 180"}')
    assert told == ["r.yaml:2:54: 'warn' of rule 'r' holds from the ask on: the limit is 180 s"]


def test_a_line_that_no_rule_watches_is_named_at_its_place(doubts):
    assert doubts('measure: rate, period: 30d, warn: {late: ">= 3"}', others="") == [
        "p.yaml:10:5: no rule watches the line 'ninety' of pack 'p'"
    ]
    assert doubts('measure: rate, period: day, warn: {late: ">= 3"}', others="") == []
    assert doubts('warn: {waiting: ">= 3"}', others="") == [], "no rule is about this pack"


def test_two_rules_that_say_the_same_are_named_both(doubts):
    twin = f"  - {{id: twin, title: 另一个, {GOOD}}}\n"
    assert doubts(GOOD, twin) == ["r.yaml:3:5: rule 'twin' says the same as 'r' at r.yaml:2"]
    assert doubts(GOOD, twin.replace("twin, ", "twin, shops: {ids: [s1]}, ")) == []
