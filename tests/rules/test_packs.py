"""The shipped packs and starter rules: dated, sourced, and quiet where nothing is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.judge import Judge, compile_rule
from rules.load import load_packs, load_rules, starter_rules
from rules.pack import Limit, Share
from rules.problems import RulesError
from rules.reading import FixedReading
from rules.rule import target

PACKS = load_packs()
RULES = load_rules(starter_rules(), PACKS).rules
EVERY_MEASURE = [
    (pack, measure) for versions in PACKS.values() for pack in versions for measure in pack.measures.values()
]
EVERY_LINE = [
    (pack, line) for versions in PACKS.values() for pack in versions for line in pack.lines.values()
]


def judges(rule_id: str) -> list[Judge]:
    rule = RULES[rule_id]
    found = [(pack, target(rule, pack)) for versions in PACKS.values() for pack in versions]
    return [compile_rule(rule, one.measure, one.line, pack) for pack, one in found if one]


def test_each_pack_says_when_it_was_looked_up():
    assert all(pack.verified >= "2026-11-22" for versions in PACKS.values() for pack in versions)


@pytest.mark.parametrize(("pack", "measure"), EVERY_MEASURE, ids=lambda one: one.id)
def test_each_measure_says_in_two_languages_what_it_is_and_where_that_comes_from(pack, measure):
    assert measure.title.zh
    assert measure.title.en
    assert measure.source
    assert measure.sure in "ABC"


@pytest.mark.parametrize(("pack", "line"), EVERY_LINE, ids=lambda one: one.id)
def test_each_line_has_its_penalty_and_source(pack, line):
    assert line.penalty.zh
    assert line.penalty.en
    assert line.source
    assert line.sure in "ABC"


def test_pinduoduos_measures_share_one_track_of_rounds():
    """Each distinct set of answerers and way to count is another track that the engine must keep."""
    rounds = [m for m in PACKS["pinduoduo"][0].measures.values() if m.kind in ("reply_rate", "response_time")]
    assert {(m.answered_by, m.counts, m.hours_by, m.on_handover) for m in rounds} == {
        (("agent",), "human_stage", "ask", "opens")
    }


def test_the_lines_of_pinduoduo():
    lines = PACKS["pinduoduo"][0].lines
    assert lines["pdd-reply-50"].at_least == Share(1, 2)
    assert (lines["pdd-reply-50"].min_count, lines["pdd-reply-50"].penalty_cny) == (101, 1000)
    assert (lines["pdd-reply-90"].at_least, lines["pdd-reply-90"].period) == (Share(9, 10), "30d")
    assert Limit.of_line(lines["pdd-intervention"]) == Limit(3, 1000)


def test_the_lines_of_taobao():
    lines = PACKS["taobao"][0].lines
    assert (lines["taobao-reply-90"].at_least, lines["taobao-reply-90"].min_count) == (Share(9, 10), 100)
    assert (lines["taobao-reply-40"].at_least, lines["taobao-reply-40"].period) == (Share(2, 5), "day")
    assert PACKS["taobao"][0].measures["reply_rate_3m"].answered_by == ("agent", "assist")


@pytest.mark.parametrize(
    "rule_id", [rule.id for rule in RULES.values() if rule.each == "shop" and (rule.line or rule.measure)]
)
@given(data=st.data())
def test_no_starter_rule_on_rate_or_budget_alerts_a_shop_with_no_miss(rule_id, data):
    small = st.integers(0, 3000)
    asked = data.draw(small)
    still_open = data.draw(st.integers(0, asked))
    reading = FixedReading(
        now_ms=1_800_000_000_000,
        asked=asked,
        late=0,
        open=still_open,
        at_risk=data.draw(st.integers(0, still_open)),
        expected=data.draw(small),
        newly_asked=data.draw(st.integers(0, asked)),
        waiting=data.draw(small),
        complete=data.draw(st.booleans()),
    )
    assert judges(rule_id)
    for judge in judges(rule_id):
        assert judge(reading).severity == ""


def test_a_starter_rule_does_alert_before_the_line():
    """Of 200 customers 98 late with nobody more to come: two misses from the fine."""
    (drift,) = judges("pdd-reply-drift")
    now = FixedReading(now_ms=0, asked=200, late=98)
    assert drift(now).verdict == "crit"
    assert drift.facts(now).budget_left == 2


def test_every_line_has_a_starter_rule():
    watched = {rule.line for rule in RULES.values()}
    assert {line.id for _, line in EVERY_LINE} <= watched


def test_a_pace_of_orders_is_refused(tmp_path):
    """Such a rule spoke once the line was crossed, and the check was content."""
    (tmp_path / "r.yaml").write_text(
        'rules:\n  - {id: r, line: pdd-intervention, warn: {breach_in: "<= 20m"}}\n'
    )
    with pytest.raises(RulesError, match="breach_in is a figure of reply_rate"):
        load_rules([tmp_path / "r.yaml"], PACKS)
