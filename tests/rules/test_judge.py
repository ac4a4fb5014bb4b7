"""From figures to a verdict (design §7), for rules as an author writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from timeit import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.judge import CRIT, NOT_CLEAR, OK, PARTIAL, TOO_FEW, UNKNOWN, WARN, Judge, compile_rule
from rules.load import load_pack, load_rules
from rules.reading import FixedReading
from rules.rule import target
from rules.transition import Item, RuleState

NOW = 1_800_000_000_000
PACK = load_pack(
    text="""
pack: p
version: "1"
timezone: Asia/Shanghai
service_hours: ["08:00-23:00"]
measures:
  rate: {title: 回复率, kind: reply_rate, within: 3m, periods: [15m, 30d]}
  time: {title: 时长, kind: response_time}
  step_in: {title: 介入率, kind: order_rate, periods: [30d]}
lines:
  - {id: fifty, measure: rate, period: day, at_least: 50%, min_count: 101}
  - {id: ninety, measure: rate, period: day, at_least: 90%}
  - {id: month, measure: rate, period: 30d, at_least: 90%}
  - {id: step-in, measure: step_in, period: 30d, at_most: 0.3%}
"""
)


@pytest.fixture
def judge(tmp_path: Path):
    def compiled(text: str) -> Judge:
        path = tmp_path / "rules.yaml"
        path.write_text(f"rules:\n  - {{id: r, {text}}}\n")
        rule = load_rules([path], {"p": (PACK,)}).rules["r"]
        found = target(rule, PACK)
        assert found is not None
        return compile_rule(rule, found.measure, found.line, PACK)

    return compiled


def reading(**figures) -> FixedReading:
    return FixedReading(now_ms=NOW, **figures)


FIRING = RuleState("firing", "warn")
DRIFT = (
    'line: ninety, warn: {all: [{budget_left_today: "<= 10"}, {late: ">= 1"}]}, crit: {budget_left: "< 0"}'
)


def test_the_worst_level_that_holds_is_the_verdict(judge):
    drift = judge(DRIFT)
    assert drift(reading(asked=412, late=21, expected=180)) == OK, "38 are left by tonight"
    assert drift(reading(asked=412, late=31, expected=0)) == WARN
    assert drift(reading(asked=412, late=42, expected=180)) == CRIT, "41 were allowed"


def test_a_shop_with_no_miss_is_ok_however_small_its_budget(judge):
    assert judge(DRIFT)(reading(asked=1)) == OK


def test_a_blind_source_makes_every_verdict_unknown(judge):
    assert judge(DRIFT)(reading(asked=412, late=400, blind=True)) == UNKNOWN


def test_a_partial_figure_is_never_ok_but_warn_and_crit_stand(judge):
    drift = judge(DRIFT)
    assert drift(reading(asked=412, complete=False)) == PARTIAL
    assert drift(reading(asked=412, late=42, complete=False)) == CRIT


def test_below_the_lines_count_it_is_too_few_unless_the_forecast_reaches_it(judge):
    fifty = judge('line: fifty, crit: {late: ">= 1"}')
    assert fifty(reading(asked=60, late=60, expected=40)) == TOO_FEW
    assert fifty(reading(asked=60, late=60, expected=41)) == CRIT
    assert fifty(reading(asked=101, late=1)) == CRIT


def test_a_rules_own_count_looks_at_those_who_asked_only(judge):
    own = judge('line: ninety, min_count: 30, crit: {late: ">= 1"}')
    assert own(reading(asked=29, late=5, expected=500)) == TOO_FEW
    assert own(reading(asked=30, late=5)) == CRIT


def test_a_levels_own_count_silences_only_that_level(judge):
    own = judge('line: ninety, warn: {late: ">= 1"}, crit: {late: ">= 1", min_count: 30, for: 0s}')
    assert own(reading(asked=29, late=5)) == WARN
    assert own(reading(asked=30, late=5)) == CRIT


def test_a_percentage_is_compared_exactly(judge):
    """899 of 999 is 89.99 %, 900 of 1000 is 90 % and not below."""
    value = judge('measure: rate, warn: {value: "< 90%"}')
    assert value(reading(asked=1000, late=100)) == OK
    assert value(reading(asked=999, late=100)) == WARN
    assert value(reading(asked=0)) == OK, "no value without an ask"


@given(
    st.integers(1, 3000),
    st.integers(0, 3000),
    st.integers(0, 100_000),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
)
def test_no_float_decides_a_percentage(asked, late, thousandths, op):
    from fractions import Fraction
    from operator import eq, ge, gt, le, lt, ne

    from rules.condition_reader import parse_comparison
    from rules.conditions import Terms, compile_condition
    from rules.figures import FIGURES
    from rules.pack import Limit

    late = min(late, asked)
    compare = parse_comparison(FIGURES["value"], f"{op} {thousandths / 1000:.3f}%")
    assert compare is not None
    test = compile_condition(compare, Terms("reply_rate", Limit(0, 1)))
    compares = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}[op]
    expected = compares(Fraction(asked - late, asked), Fraction(thousandths, 100_000))
    assert test.holds(reading(asked=asked, late=late), None) == expected


def test_an_order_rate_counts_what_went_wrong(judge):
    rate = judge('measure: step_in, period: 30d, warn: {value: "> 0.3%"}')
    assert rate(reading(asked=1000, late=3)) == OK
    assert rate(reading(asked=1000, late=4)) == WARN
    budget = judge('line: step-in, crit: {budget_left: "< 0"}')
    assert budget(reading(asked=1000, late=3)) == OK
    assert budget(reading(asked=999, late=3)) == CRIT


def test_the_worst_case_loses_every_open_unit(judge):
    worst = judge('measure: rate, warn: {all: [{late: ">= 1"}, {worst: "< 90%"}]}')
    assert worst(reading(asked=100, late=5, open=5)) == OK
    assert worst(reading(asked=100, late=5, open=6)) == WARN


def test_time_to_the_line_is_compared_in_time(judge):
    """Budget 20, 42 late in 30 min with 30 asked: 21 / 1.3 = 16.2, so 17 minutes."""
    soon = judge('line: ninety, crit: {breach_in: "<= 17m"}')
    figures = {"asked": 412, "late": 21, "newly_asked": 30}
    assert soon(reading(**figures, newly_late=42)) == CRIT
    assert soon(reading(**figures, newly_late=3)) == OK, "at this pace never"
    assert judge('line: ninety, crit: {breach_in: "< 17m"}')(reading(**figures, newly_late=42)) == OK


def test_a_lost_day_is_one_whose_required_rate_is_above_one(judge):
    lost = judge('line: ninety, crit: {required_rate: "> 100%"}')
    assert lost(reading(asked=100, late=20, expected=100)) == OK, "180 − 80 = 100 of 100"
    assert lost(reading(asked=100, late=21, expected=100)) == CRIT
    assert lost(reading(asked=100, late=21, expected=0)) == OK, "nobody is to come"


def test_what_waits_may_cross_the_line(judge):
    flag = judge('line: ninety, warn: {all: [{breach_if_lost: true}, {late: ">= 1"}]}')
    assert flag(reading(asked=100, late=5, at_risk=5)) == OK
    assert flag(reading(asked=100, late=5, at_risk=6)) == WARN


def test_a_time_without_an_answer_has_no_value(judge):
    slow = judge('measure: time, warn: {p90: "> 60s"}, clear: {p90: "<= 50s"}')
    assert slow(reading()) == OK
    assert slow(reading(p90_ms=61_000)) == WARN
    assert slow(reading(p90_ms=55_000), FIRING) == NOT_CLEAR
    assert slow(reading(), FIRING) == OK, "an absent figure keeps no alert open"


def test_nobody_on_duty_needs_that_somebody_was_ever_seen(judge):
    duty = judge('crit: {agents_online: "== 0", during: service_hours}')
    assert duty(reading(agents_online=0)) == CRIT
    assert duty(reading(agents_online=0, in_service=False)) == OK
    assert duty(reading(agents_online=None)) == OK


def test_only_if_is_looked_at_before_any_level(judge):
    only = judge('line: ninety, crit: {late: ">= 1"}, only_if: {agents_online: ">= 1"}')
    assert only(reading(asked=9, late=9, agents_online=0)) == OK
    assert only(reading(asked=9, late=9, agents_online=1)) == CRIT


def test_clear_is_asked_of_an_alert_only(judge):
    drift = judge(DRIFT + ', clear: {budget_left_today: "> 15"}')
    between = reading(asked=100, late=0, expected=20)
    assert drift(between) == OK
    assert drift(between, FIRING) == NOT_CLEAR
    assert drift(reading(asked=200, late=0), FIRING) == OK
    assert drift(replace(between, complete=False), FIRING).verdict == "partial"
    assert not drift(replace(between, complete=False), FIRING).clear


# conversations

COUNTDOWN = 'each: conversation, measure: rate, warn: {seconds_left: "<= 80"}, crit: {seconds_left: "<= 30"}'


def item(left_s: float, name: str = "", *, costs: bool = True) -> Item:
    deadline_ms = NOW + int(left_s * 1000)
    return Item(name or f"c{left_s}", "u", deadline_ms - 180_000, deadline_ms, costs_budget=costs)


def test_the_verdict_on_conversations_is_the_worst_and_carries_all(judge):
    found = judge(COUNTDOWN)(reading(items=(item(30), item(80), item(81))))
    assert found.verdict == "crit"
    assert [one.conversation_id for one in found.items] == ["c30", "c80"]


def test_a_deadline_that_has_passed_has_no_seconds_left(judge):
    countdown = judge(COUNTDOWN)
    assert countdown(reading(items=(item(-0.001),))) == OK
    assert countdown(reading(items=(item(0),))).verdict == "crit", "exactly at the limit is in time"


def test_a_customer_already_lost_today_is_skipped_on_request(judge):
    costly = judge(COUNTDOWN + ", only_if: {costs_budget: true}")
    assert costly(reading(items=(item(20, costs=False), item(70)))).severity == "warn"


def test_a_conversation_may_be_judged_by_how_long_it_has_waited(judge):
    waits = judge('each: conversation, measure: rate, warn: {wait: ">= 100s"}')
    assert waits(reading(items=(item(80),))).severity == "warn"
    assert waits(reading(items=(item(80.001),))) == OK


def test_a_countdown_says_how_far_ahead_it_looks_and_when_it_is_due(judge):
    countdown = judge(COUNTDOWN)
    assert countdown.timed
    assert countdown.horizon_ms == 80_000
    assert countdown.due_ms(reading(items=(item(100.5),))) == NOW + 21_000, "20.5 s are up within the 21st"
    assert countdown.due_ms(reading(items=(item(50),))) == NOW + 20_000
    assert countdown.due_ms(reading(items=(item(10),))) == NOW + 11_000, (
        "past its deadline it no longer counts"
    )
    assert countdown.due_ms(reading()) == 0


def test_the_horizon_is_that_of_what_must_hold(judge):
    def horizon_ms(level: str) -> int:
        return judge(f"each: conversation, measure: rate, warn: {level}").horizon_ms

    assert horizon_ms('{all: [{seconds_left: "<= 80"}, {wait: ">= 5s"}]}') == 80_000
    assert horizon_ms('{any: [{seconds_left: "<= 80"}, {wait: ">= 5s"}]}') == 86_400_000
    assert horizon_ms('{any: [{seconds_left: "<= 80"}, {seconds_left: "< 90"}]}') == 90_000


@given(st.lists(st.integers(-5_000, 200_000), max_size=6), st.sampled_from(["<=", "<"]))
def test_between_now_and_due_no_second_changes_the_verdict(lefts, op):
    from rules.condition_reader import parse_comparison
    from rules.figures import FIGURES
    from rules.rule import Level, Rule

    level = Level(parse_comparison(FIGURES["seconds_left"], f"{op} 80"))
    countdown = compile_rule(
        Rule("r", measure="rate", each="conversation", warn=level), PACK.measures["rate"], None, PACK
    )
    items = tuple(item(left / 1000) for left in sorted(lefts))
    now = reading(items=items)
    first, due_ms = countdown(now), countdown.due_ms(now)
    for ahead in range(1, 205):
        later_ms = NOW + ahead * 1000
        if due_ms and later_ms >= due_ms:
            break
        assert countdown(replace(now, now_ms=later_ms)) == first


def test_the_oldest_wait_is_due_when_it_reaches_its_limit(judge):
    oldest = judge('warn: {oldest_wait: ">= 2m"}')
    assert oldest(reading()) == OK
    assert oldest.due_ms(reading()) == 0
    assert oldest(reading(oldest_wait_ms=119_400)) == OK
    assert oldest.due_ms(reading(oldest_wait_ms=119_400)) == NOW + 1_000
    assert oldest(reading(oldest_wait_ms=120_000)) == WARN
    longer = judge('warn: {oldest_wait: "> 2m"}')
    assert longer(reading(oldest_wait_ms=120_000)) == OK
    assert longer.due_ms(reading(oldest_wait_ms=120_000)) == NOW + 1_000


# sources


def test_a_source_is_silent_from_its_time_on(judge):
    silent = judge("each: source, no_data: {for: 5m, during: service_hours}")
    assert silent(reading(silent_ms=299_000, blind=True)) == OK
    assert silent.due_ms(reading(silent_ms=299_000)) == NOW + 1_000
    assert silent(reading(silent_ms=300_000)).verdict == "no_data"
    assert silent(reading(silent_ms=300_000)).severity == "crit"
    assert silent(reading(silent_ms=300_000, in_service=False)) == OK


# facts


def test_facts_name_what_decided(judge):
    drift = judge(DRIFT)
    now = reading(asked=412, late=31, newly_asked=30, newly_late=42, at_risk=2)
    facts = drift.facts(now, drift(now))
    assert facts.condition == "budget_left_today 10 <= 10, late 31 >= 1"
    assert (facts.measure, facts.period, facts.line) == ("rate", "day", "ninety")
    assert (facts.budget_left, facts.budget_left_today, facts.breach_in_s) == (10, 10, 9 * 60)
    assert facts.held is None


def test_the_end_of_a_day_says_whether_the_line_was_held(judge):
    ninety, fifty = judge('line: ninety, crit: {late: ">= 1"}'), judge('line: fifty, crit: {late: ">= 1"}')
    assert ninety.facts(reading(asked=100, late=10), final=True).held is True
    assert ninety.facts(reading(asked=100, late=11), final=True).held is False
    assert fifty.facts(reading(asked=100, late=100), final=True).held is True, "not judged below 101"


@pytest.mark.parametrize(
    ("text", "figures", "condition"),
    [
        ('measure: rate, warn: {value: "< 90%"}', {"asked": 3, "late": 1}, "value 66.67% < 90%"),
        ('warn: {oldest_wait: ">= 2m"}', {"oldest_wait_ms": 150_500}, "oldest_wait 150s >= 2m"),
        (COUNTDOWN, {"items": (item(29.5),)}, "seconds_left 29 <= 30"),
        ("each: source, no_data: {for: 5m}", {"silent_ms": 420_000}, "silent 7m >= 5m"),
    ],
)
def test_a_condition_reads_as_its_author_wrote_it(judge, text, figures, condition):
    one = judge(text)
    assert one.condition(reading(**figures), one(reading(**figures))) == condition


def test_a_rule_over_a_day_ends_with_it(judge):
    assert judge(DRIFT).ends_daily
    assert not judge('line: month, crit: {budget_left: "< 0"}').ends_daily
    assert not judge('measure: rate, period: 15m, warn: {value: "< 90%"}').ends_daily
    assert not judge(COUNTDOWN).ends_daily
    assert not judge('crit: {agents_online: "== 0"}').ends_daily


def test_the_quiet_case_is_cheap(judge):
    """The goal is a microsecond; ten times that would be another algorithm."""
    drift, quiet = judge(DRIFT), reading(asked=412, expected=180)
    assert min(repeat(lambda: drift(quiet), number=2_000, repeat=5)) / 2_000 < 10e-6
