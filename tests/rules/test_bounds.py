"""What a rule could say at most until the day ends: no second to come says more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.bounds import bound_of
from rules.judge import TOO_FEW, Judge, compile_rule
from rules.load import load_pack
from rules.pack import Text
from rules.reading import FixedReading
from rules.rule import All, Any, Compare, Level, Rule, target

PACK = load_pack(
    text="""
pack: p
version: "1"
timezone: Asia/Shanghai
service_hours: ["08:00-23:00"]
measures:
  rate: {title: 回复率, kind: reply_rate, within: 3m, periods: [15m, 30d]}
lines:
  - {id: ninety, measure: rate, period: day, at_least: 90%, min_count: 10}
"""
)
COUNTS = ("late", "asked", "open", "at_risk", "budget_left", "budget_left_today", "agents_online", "waiting")

compares = st.builds(
    lambda figure, op, limit: Compare(figure, op, (limit, 1), f"{op} {limit}"),
    st.sampled_from(COUNTS),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.integers(-3, 12),
) | st.builds(
    lambda op, minutes: Compare("breach_in", op, (minutes * 60_000, 1), f"{op} {minutes}m"),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.integers(0, 90),
)
conditions = st.recursive(
    compares,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)),
        st.sampled_from([All, Any]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


def judge_of(condition, min_count=0) -> Judge:
    rule = Rule("r", Text("r"), line="ninety", warn=Level(condition), min_count=min_count)
    aim = target(rule, PACK)
    assert aim is not None
    return compile_rule(rule, aim.measure, aim.line, PACK)


@given(conditions, st.integers(0, 60), st.integers(0, 9), st.integers(0, 9), st.data())
def test_a_level_that_holds_later_could_hold_by_the_worst_of_its_figures(condition, asked, late, open_, data):
    judge = judge_of(condition)
    newly_late = data.draw(st.integers(0, 9))
    same = {"asked": asked, "late": late, "open": open_, "at_risk": open_, "agents_online": 1}
    worst = FixedReading(now_ms=0, newly_late=newly_late, **same)
    later = FixedReading(
        now_ms=data.draw(st.integers(0, 10**7)),
        expected=data.draw(st.integers(0, 200)),
        newly_asked=data.draw(st.integers(0, 40)),
        newly_late=data.draw(st.integers(0, newly_late)),
        waiting=data.draw(st.integers(0, 5)),
        **same,
    )
    if judge(later).severity:
        assert judge.could_hold(worst)


@given(conditions, st.integers(0, 60), st.integers(0, 9), st.data())
def test_no_level_of_a_spared_rule_holds_until_one_more_is_late(condition, asked, late, data):
    judge = judge_of(condition)
    late_then = data.draw(st.integers(0, late))
    then = FixedReading(
        now_ms=data.draw(st.integers(0, 10**7)),
        asked=asked + data.draw(st.integers(0, 90)),
        late=late_then,
        expected=data.draw(st.integers(0, 200)),
        newly_asked=data.draw(st.integers(0, 40)),
        newly_late=data.draw(st.integers(0, late_then)),
        open=data.draw(st.integers(0, 9)),
        at_risk=data.draw(st.integers(0, 9)),
        waiting=data.draw(st.integers(0, 5)),
        agents_online=data.draw(st.integers(0, 3)),
    )
    if judge.is_spared(asked, late):
        assert not judge(then).severity


def test_a_rule_is_spared_where_the_worst_of_its_counts_is_far_from_its_levels():
    drift = All((Compare("late", ">=", (1, 1), ">= 1"), Compare("budget_left_today", "<=", (3, 1), "<= 3")))
    assert judge_of(drift).is_spared(100, 6)
    assert not judge_of(drift).is_spared(100, 7)
    assert not judge_of(Compare("worst", "<", (9, 10), "< 90%")).is_spared(100, 0)  # open units move it


@given(st.integers(0, 14), st.integers(0, 20), st.integers(0, 12), st.data())
def test_too_few_stay_too_few_while_the_forecast_falls(asked, expected, min_count, data):
    judge = judge_of(Compare("asked", ">=", (0, 1), ">= 0"), min_count)
    if judge.stays_too_few(FixedReading(now_ms=0, asked=asked, expected=expected)):
        later = data.draw(st.integers(0, expected))
        assert judge(FixedReading(now_ms=1_000, asked=asked, expected=later)) is TOO_FEW


def test_many_may_yet_be_expected_before_any_of_the_day_is_done():
    judge = judge_of(Compare("late", ">=", (1, 1), ">= 1"))
    assert not judge.stays_too_few(FixedReading(now_ms=0, asked=4, expected=0))
    assert judge.stays_too_few(FixedReading(now_ms=0, asked=4, expected=5))


def test_of_figures_that_move_by_themselves_nothing_is_known():
    late = Compare("late", ">=", (1, 1), ">= 1")
    oldest = Compare("oldest_wait", ">=", (30_000, 1), ">= 30s")
    falling = Compare("budget_left_today", "<=", (3, 1), "<= 3")
    rising = Compare("budget_left_today", ">=", (3, 1), ">= 3")
    assert bound_of(All((late, oldest, falling, rising))) == All((late, falling))
    assert bound_of(Any((late, oldest))) is None
    assert bound_of(Any((late, falling))) == Any((late, falling))
    assert bound_of(All((oldest, rising))) is None
