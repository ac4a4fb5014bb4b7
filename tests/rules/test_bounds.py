"""What a rule could say at most until the day ends: no second to come says more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.bounds import bound_of
from rules.judge import compile_rule
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


@given(conditions, st.integers(0, 60), st.integers(0, 9), st.integers(0, 9), st.data())
def test_a_level_that_holds_later_could_hold_by_the_worst_of_its_figures(condition, asked, late, open_, data):
    rule = Rule("r", Text("r"), line="ninety", warn=Level(condition))
    aim = target(rule, PACK)
    assert aim is not None
    judge = compile_rule(rule, aim.measure, aim.line, PACK)
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


def test_of_figures_that_move_by_themselves_nothing_is_known():
    late = Compare("late", ">=", (1, 1), ">= 1")
    oldest = Compare("oldest_wait", ">=", (30_000, 1), ">= 30s")
    falling = Compare("budget_left_today", "<=", (3, 1), "<= 3")
    rising = Compare("budget_left_today", ">=", (3, 1), ">= 3")
    assert bound_of(All((late, oldest, falling, rising))) == All((late, falling))
    assert bound_of(Any((late, oldest))) is None
    assert bound_of(Any((late, falling))) == Any((late, falling))
    assert bound_of(All((oldest, rising))) is None
