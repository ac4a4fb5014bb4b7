"""Budget and forecast (design §7), in integers, against fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import budget
from rules.pack import Limit, Line, Share

TEN_PERCENT = Limit(1, 10)
counts = st.integers(0, 5000)
limits = st.tuples(st.integers(0, 40), st.integers(40, 1000)).map(lambda pair: Limit(*pair))


def line(**limit: Share) -> Line:
    return Line("l", "m", "day", **limit)


def test_the_designs_worked_example():
    """N 412, L 21, p 90 %, R 180: 20 misses left now, 38 by tonight."""
    limit = Limit.of_line(line(at_least=Share(9, 10)))
    assert budget.budget_left(412, 21, limit) == 20
    assert budget.budget_left_today(412, 21, 180, limit) == 38


def test_a_line_at_most_allows_its_share_and_a_line_at_least_the_rest():
    assert Limit.of_line(line(at_most=Share(3, 1000))) == Limit(3, 1000)
    assert Limit.of_line(line(at_least=Share(9, 10))) == Limit(1, 10)
    assert budget.budget_left(1000, 2, Limit(3, 1000)) == 1
    assert budget.budget_left(999, 2, Limit(3, 1000)) == 0, "floor(999 · 3/1000) is 2"


@given(counts, counts, limits)
def test_the_line_is_crossed_exactly_when_the_budget_is_below_zero(asked, late, limit):
    late = min(late, asked)
    crossed = late * limit.per > asked * limit.of
    assert (budget.budget_left(asked, late, limit) < 0) == crossed


@given(counts, counts, limits)
def test_the_budget_can_be_spent_whole_and_not_one_more(asked, late, limit):
    left = budget.budget_left(asked, late, limit)
    assert (late + left) * limit.per <= asked * limit.of < (late + left + 1) * limit.per


def test_a_pace_that_holds_the_line_never_breaches():
    """30 asked and 3 late in 30 minutes is just what 10 % allows."""
    assert budget.breach_in_minutes(412, 21, 30, 3, TEN_PERCENT) is None
    assert budget.breach_in_minutes(412, 21, 0, 0, TEN_PERCENT) is None


def test_time_to_the_line_is_rounded_up_to_whole_minutes():
    """Budget 20: 21 misses at (6 − 3)/30 a minute are 210 minutes; at (7 − 3)/30 157.5, so 158."""
    assert budget.breach_in_minutes(412, 21, 30, 6, TEN_PERCENT) == 210
    assert budget.breach_in_minutes(412, 21, 30, 7, TEN_PERCENT) == 158


def test_below_the_line_the_time_to_it_is_zero():
    assert budget.breach_in_minutes(10, 2, 0, 0, TEN_PERCENT) == 0


@given(counts, counts, counts, counts, limits)
def test_time_to_the_line_by_definition(asked, late, newly_asked, newly_late, limit):
    left = budget.budget_left(asked, late, limit)
    fall = Fraction(newly_late, 30) - Fraction(newly_asked, 30) * Fraction(limit.of, limit.per)
    expected = 0 if left < 0 else None if fall <= 0 else -(-(left + 1) // fall)
    assert budget.breach_in_minutes(asked, late, newly_asked, newly_late, limit) == expected


def test_the_required_rate_above_one_means_that_the_day_is_lost():
    """100 asked, 30 late, 100 to come, at least 90 %: 180 − 70 = 110 of 100 must go well."""
    must, of = budget.required_rate(100, 30, 100, TEN_PERCENT) or (0, 0)
    assert Fraction(must, of) == Fraction(110, 100)
    assert budget.required_rate(100, 30, 0, TEN_PERCENT) is None


@given(counts, counts, st.integers(1, 5000), limits)
def test_meeting_the_required_rate_holds_the_line_exactly(asked, late, expected, limit):
    must, of = budget.required_rate(asked, late, expected, limit) or (0, 0)
    good = asked - late + Fraction(must, of) * expected
    assert good == (1 - Fraction(limit.of, limit.per)) * (asked + expected)


def test_losing_all_at_risk_breaches_only_past_the_budget():
    assert not budget.breach_if_lost(412, 21, 20, TEN_PERCENT)
    assert budget.breach_if_lost(412, 21, 21, TEN_PERCENT)


FLAT = budget.prefix_sums((1,) * 48)


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (0, 0),  # nothing of the day is done: no pace to go on
        (1, 100 * 1439),
        (720, 100),
        (735, 95),  # 705 of 735 minutes to come: 95.9…
        (1439, 0),
    ],
)
def test_the_forecast_counts_the_running_half_hour_by_its_minutes(minute, expected):
    assert budget.expected(100, FLAT, minute) == expected


def test_the_forecast_is_zero_before_the_first_weight():
    night = budget.prefix_sums((0,) * 16 + (1,) * 32)
    assert budget.expected(5, night, 479) == 0
    assert budget.expected(5, night, 480) == 0
    assert budget.expected(5, night, 480 + 480) == 5


@given(counts, st.lists(st.integers(0, 100), min_size=48, max_size=48), st.integers(0, 1439))
def test_the_forecast_by_definition(asked, profile, minute):
    """R is the share of the day to come × (asked ÷ share so far), the shares by whole minutes."""
    done = sum(profile[m // 30] for m in range(minute))
    total = sum(profile) * 30
    assert budget.expected(asked, budget.prefix_sums(profile), minute) == (
        asked * (total - done) // done if done else 0
    )
