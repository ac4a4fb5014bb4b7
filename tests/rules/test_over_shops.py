"""Rules on sums over shops: what they may watch and compare, and what is said of those that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.load import load_packs, load_rules
from rules.problems import RulesError

PACKS = load_packs()


def problems_of(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "rules.yaml"
    path.write_text(text, "utf-8")
    try:
        found = load_rules([path], PACKS)
    except RulesError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in found.warnings]


@pytest.mark.parametrize("each", ["team", "platform"])
def test_a_sum_has_the_figures_of_a_shop_but_no_conversations(tmp_path, each):
    rule = f"rules: [{{id: a, each: {each}, line: pdd-reply-50, warn: {{%s}}}}]"
    assert not [p for p in problems_of(tmp_path, rule % 'late: ">= 9", value: "< 92%"') if "line" not in p]
    (problem,) = problems_of(tmp_path, rule % 'seconds_left: "<= 30"')
    assert "seconds_left is a figure of each: conversation" in problem


def test_an_agent_has_what_they_answered_and_missed_of_a_measure_kept_by_agent(tmp_path):
    rule = "rules: [{id: a, each: agent, measure: %s, period: %s, warn: {%s}}]"
    assert not [
        p for p in problems_of(tmp_path, rule % ("reply_rate_3m", "day", 'late: ">= 5"')) if ":1:" in p
    ]
    (problem,) = problems_of(tmp_path, rule % ("reply_rate_3m", "day", 'waiting: ">= 5"'))
    assert "allowed late asked" in problem
    (problem,) = problems_of(tmp_path, rule % ("reply_rate_3m", "30d", 'late: ">= 5"'))
    assert "over the day" in problem
    (problem,) = problems_of(tmp_path, "rules: [{id: a, each: agent, warn: {}}]")[:1]
    assert "needs a 'measure' or a 'line'" in problem or "compares nothing" in problem


def test_a_word_near_to_one_is_guessed(tmp_path):
    (problem,) = problems_of(
        tmp_path, 'rules: [{id: a, each: teem, line: pdd-reply-50, warn: {late: ">= 1"}}]'
    )
    assert "did you mean team?" in problem


def test_a_line_that_only_sums_watch_is_still_unwatched(tmp_path):
    rules = (
        'id: a, each: team, line: pdd-reply-50, warn: {late: ">= 1"}',
        'id: b, line: pdd-reply-90, warn: {late: ">= 1"}',
    )
    text = "rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)
    assert any("no rule watches the line 'pdd-reply-50'" in p for p in problems_of(tmp_path, text))
