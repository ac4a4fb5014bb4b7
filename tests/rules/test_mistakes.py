"""How every mistake in packs and rules is told: its place, what was found, what is allowed, what was meant."""

# ruff: noqa: E501 (a mistake a row, with all that is told of it)

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest

from rules.load import load_both, load_pack, load_rules
from rules.problems import RulesError
from tests.rules.files import PACK, problems_of_pack


def problem_of_measure(keys: str) -> str:
    (problem,) = problems_of_pack(
        PACK.replace("time: {title: 时长, kind: response_time}", f"time: {{title: 时长, {keys}}}")
    )
    return problem


@pytest.fixture
def problems_of_rules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(text: str, receivers=None) -> list[str]:
        Path("r.yaml").write_text(dedent(text))
        with pytest.raises(RulesError) as caught:
            load_rules([Path("r.yaml")], {"p": (load_pack(text=PACK),)}, receivers)
        return str(caught.value).splitlines()

    return read


@pytest.fixture
def problem_of_rule(problems_of_rules):
    def read(keys: str, receivers=None) -> str:
        (problem,) = problems_of_rules(f"rules:\n  - {{id: r, {keys}}}\n", receivers)
        return problem

    return read


def test_every_mistake_is_told_at_once_in_order_of_place():
    text = """\
    pack: 9p
    version: "1"
    timezone: Asia/Shanghia
    service_hours: ["08:00-25:00", "23:00-01:00"]
    mesures: {}
    """
    assert problems_of_pack(dedent(text)) == [
        "p.yaml:1:1: a pack needs the key 'measures'",
        "p.yaml:1:7: not a name, found '9p', allowed a letter, then letters, digits and _ . -, at most 64",
        "p.yaml:3:11: unknown time zone, found 'Asia/Shanghia', did you mean Asia/Shanghai?",
        """p.yaml:4:17: cannot be read, found '08:00-25:00', allowed hours such as "08:00-23:00", up to "24:00\"""",
        """p.yaml:4:32: cannot be read, found '23:00-01:00', allowed hours such as "08:00-23:00", up to "24:00\"""",
        (
            "p.yaml:5:1: unknown key of a pack, found 'mesures', allowed pack version platform title from until "
            "verified timezone service_hours exempt_dates profile measures lines, did you mean measures?"
        ),
    ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("kind: reply_rat", "unknown kind of measure, found 'reply_rat', allowed reply_rate response_time waiting order_rate, did you mean reply_rate?"),
        ("kind: customer_rate", "this kind of measure is not supported yet, found 'customer_rate', allowed reply_rate response_time waiting order_rate"),
        ("kind: reply_rate", "measure time needs the key 'within'"),
        ("kind: reply_rate, within: 180", "cannot be read, found '180', allowed a duration such as 30s, 3m, 2h, 30d"),
        ("kind: reply_rate, within: 30d", "a limit out of bounds, allowed 1s to 1d"),
        ("kind: reply_rate, within: 3m, late_if: first_round", "first_round has no meaning here, found unit round, allowed unit session or customer_day"),
        ("kind: reply_rate, within: 3m, unit: customer", "unknown unit, found 'customer', allowed message round session customer_day, did you mean customer_day?"),
        ("kind: reply_rate, within: 3m, on_transfer: restart", "'on_transfer' is not supported yet except as 'keep', found 'restart', allowed keep"),
        ("kind: response_time, cap: 10m", "'cap' is not supported yet, found '10m'"),
        ("kind: response_time, by: [slot]", "this breakdown is not supported yet, found 'slot', allowed agent"),
        ("kind: response_time, within: 3m", "a response_time has no such key, found 'within'"),
        ("kind: waiting, event: dispute.opened", "a waiting has no such key, found 'event'"),
        ("kind: response_time, periods: [61m]", "cannot be read, found '61m', allowed day, 7d, 30d, or a window from 5m to 24h"),
        ("kind: response_time, exempt_dates: [2026-02-29]", "cannot be read, found '2026-02-29', allowed a date such as 2026-01-01"),
        ("kind: response_time, exempt_dates: [２０２６-01-01]", "cannot be read, found '２０２６-01-01', allowed a date such as 2026-01-01, did you mean 2026-01-01?"),
        ("kind: reply_rate, within: ３m", "cannot be read, found '３m', allowed a duration such as 30s, 3m, 2h, 30d, did you mean 3m?"),
        ("kind: response_time, answered_by: [human]", "unknown answerer, found 'human', allowed agent assist bot"),
        ("kind: response_time, kind: waiting", "key given twice in measure time, first on line 7, found 'kind'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_measure_is_told_with_what_is_allowed(keys, told):
    place, _, what = problem_of_measure(keys).partition(": ")
    assert place.startswith("p.yaml:7:")
    assert what == told


def test_waiting_needs_a_reply_rate_to_look_at():
    text = PACK.partition("measures:")[0] + "measures:\n  queue: {title: 等待, kind: waiting}\n"
    assert problems_of_pack(text) == [
        "p.yaml:6:3: a waiting measure needs a reply rate, whose rounds it looks at"
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("id: l, measure: rate, period: day", "a line has one limit, found neither, allowed at_least or at_most"),
        ("id: l, measure: rate, period: day, at_most: 5%", "the wrong side for a reply_rate, found at_most, allowed at_least"),
        ("id: l, measure: time, period: day, at_most: 5%", "a response_time can have no line, allowed a measure of kind reply_rate order_rate"),
        ("id: l, measure: rate, period: 7d, at_least: 90%", "unknown period of rate, found '7d', allowed day 30d"),
        ("id: l, measure: rat, period: day, at_least: 90%", "unknown measure, found 'rat', allowed intervention_rate dispute_refund_rate rate time step_in, did you mean rate?"),
        ("id: l, measure: rate, period: day, at_least: 0.9", "cannot be read, found '0.9', allowed a percentage such as 90% or 0.3%"),
        ("id: l, measure: rate, period: day, at_least: 190%", "not a share, found '190%', allowed 0% to 100%"),
        ("id: ninety, measure: rate, period: day, at_least: 90%", "line 'ninety' is given twice, first on line 10"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_line_is_told_with_what_is_allowed(line, told):
    problems = problems_of_pack(PACK + f"  - {{{line}}}\n")
    assert [problem.partition(": ")[2] for problem in problems] == [told]
    assert all(problem.startswith("p.yaml:11:") for problem in problems)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("line: ninety, warn: {budget_lft: '<= 3'}", "r.yaml:2:34: unknown figure, found 'budget_lft', allowed value worst late open asked budget_left budget_left_today breach_in required_rate breach_if_lost at_risk oldest_wait waiting agents_online all any, did you mean budget_left?"),
        ("measure: rate, warn: {budget_left: '<= 3'}", "r.yaml:2:35: budget_left needs a rule with a 'line', found 'budget_left', allowed value worst late open asked at_risk oldest_wait waiting agents_online"),
        ("line: ninety, warn: {seconds_left: '<= 3'}", "r.yaml:2:34: seconds_left is a figure of each: conversation, found 'seconds_left', allowed value worst late open asked budget_left budget_left_today breach_in required_rate breach_if_lost at_risk oldest_wait waiting agents_online"),
        ("measure: rate, warn: {p90: '> 1m'}", "r.yaml:2:35: p90 is a figure of response_time, found 'p90', allowed value worst late open asked at_risk oldest_wait waiting agents_online"),
        ("line: ninety, warn: {late: 3}", "r.yaml:2:40: cannot be compared with late, found '3', allowed \"<= 10\""),
        ("measure: rate, warn: {value: '< 0.9'}", "r.yaml:2:42: cannot be compared with value, found '< 0.9', allowed \"< 92%\", did you mean \"< 90%\"?"),
        ("line: ninety, warn: {late: '=> 1'}", "r.yaml:2:40: cannot be compared with late, found '=> 1', allowed \"<= 10\", did you mean \">= 1\"?"),
        ("line: ninety, warn: {late: “≥1”}", "r.yaml:2:40: cannot be compared with late, found '“≥1”', allowed \"<= 10\", did you mean \">= 1\"?"),
        ("line: ninety, warn: {late: '>= １'}", "r.yaml:2:40: cannot be compared with late, found '>= １', allowed \"<= 10\", did you mean \">= 1\"?"),
        ("line: ninety, warn: {late: '> 1', for: 5 min}", "r.yaml:2:52: cannot be read, found '5 min', allowed a duration such as 30s, 3m, 2h, 30d, did you mean 5m?"),
        ("line: ninety, warn: late >= 1", "r.yaml:2:33: 'warn' must be a mapping, found 'late >= 1', did you mean {late: \">= 1\"}?"),
        ("line: ninety, warn: {any: [breach_in ≤ 20分钟]}", "r.yaml:2:40: a condition must be a mapping, found 'breach_in ≤ 20分钟', did you mean {breach_in: \"<= 20m\"}?"),
        ("line: ninety, warn: {breach_in: '<= 20'}", "r.yaml:2:45: cannot be compared with breach_in, found '<= 20', allowed \"<= 20m\""),
        ("line: ninety, warn: {breach_if_lost: yes}", "r.yaml:2:50: cannot be compared with breach_if_lost, found 'yes', allowed true or false"),
        ("line: ninety, warn: {breach_probability: '> 50%'}", "r.yaml:2:34: this figure is not supported yet, found 'breach_probability', allowed value worst late open asked budget_left budget_left_today breach_in required_rate breach_if_lost at_risk oldest_wait waiting agents_online all any"),
        ("line: ninety, warn: {for: 1m}", "r.yaml:2:33: 'warn' compares nothing, allowed value worst late open asked budget_left budget_left_today breach_in required_rate breach_if_lost at_risk oldest_wait waiting agents_online all any"),
        ("line: nintey, warn: {late: '> 3'}", "r.yaml:2:19: unknown line, found 'nintey', allowed ninety, did you mean ninety?"),
        ("line: ninety, period: day, warn: {late: '> 3'}", "r.yaml:2:27: a rule with a line has its period from there, found 'period'"),
        ("measure: rate, period: 7d, warn: {late: '> 3'}", "r.yaml:2:36: rate is not kept over this period, found 7d, allowed day 30d"),
        ("period: 7d, warn: {waiting: '> 3'}", "r.yaml:2:13: a period needs a measure, found '7d'"),
        ("line: ninety", "r.yaml:2:5: a rule needs a level, allowed warn, crit or no_data"),
        ("line: ninety, each: agent, warn: {late: '> 3'}", "r.yaml:2:19: each: agent needs a measure that its pack keeps `by: [agent]`, over the day, found 'rate' of p, day"),
        ("each: conversation, warn: {seconds_left: '<= 3'}", "r.yaml:2:5: each: conversation needs a 'measure' or a 'line'"),
        ("each: conversation, measure: time, warn: {asked: '> 1'}", "r.yaml:2:42: each: conversation needs a reply rate, found response_time"),
        ("each: source, no_data: {for: 0s}", "r.yaml:2:42: a duration of nothing, found '0s', allowed 1s or more"),
        ("no_data: {for: 5m}", "r.yaml:2:13: no_data is for sources, found each: shop, allowed each: source"),
        ("each: source, warn: {waiting: '> 3'}", "r.yaml:2:27: a rule on a source has only no_data, found 'warn'"),
        ("line: ninety, interval: 5s, warn: {late: '> 3'}", "r.yaml:2:27: an interval is for each: conversation, found each: shop"),
        ("shops: {platform: taobao}, warn: {waiting: '> 3'}", "r.yaml:2:31: unknown platform, found 'taobao', allowed p"),
        ("line: ninety, warn: {all: []}", "r.yaml:2:39: wrong kind of value, found an empty list, allowed a list of conditions"),
        ("line: ninety, warn: {late: '> 3', during: night}", "r.yaml:2:55: unknown 'during', found 'night', allowed service_hours"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_told_with_its_place_and_mend(problems_of_rules, keys, told):
    assert told in problems_of_rules(f"rules:\n  - {{id: r, {keys}}}\n")


def test_an_unknown_receiver_is_an_error_where_receivers_are_known(problem_of_rule):
    told = problem_of_rule("line: ninety, warn: {late: '> 3'}, notify: manager", ["managers", "night"])
    assert told.endswith("unknown receiver, found 'manager', allowed managers night, did you mean managers?")


def test_a_rule_given_twice_names_the_first(problems_of_rules):
    text = """\
    rules:
      - {id: r, line: ninety, warn: {late: ">= 1"}}
      - {id: r, line: ninety, warn: {late: ">= 2"}}
    """
    assert problems_of_rules(text) == [
        "r.yaml:3:10: a rule of this id was given before, at r.yaml:2, found 'r'"
    ]


def test_one_wrong_rule_does_not_hide_the_mistakes_of_the_next(problems_of_rules):
    text = """\
    rules:
      - {id: a, line: ninety, wran: {late: ">= 1"}}
      - {id: b, line: ninety, warn: {late: ">== 1"}}
    """
    assert [problem.split(": ")[0] for problem in problems_of_rules(text)] == [
        "r.yaml:2:5",
        "r.yaml:2:27",
        "r.yaml:3:40",
    ]


def test_a_broken_pack_hides_no_mistake_of_a_rule_and_makes_none(tmp_path):
    """All is named at once; what a rule names and no other pack has may be the broken one's."""
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "p.yaml").write_text(PACK)
    (tmp_path / "packs" / "q.yaml").write_text(PACK.replace("pack: p", "pack: q").replace("3m", "3 moons"))
    (tmp_path / "rules.yaml").write_text(
        """\
rules:
  - {id: whole, line: ninety, warn: {late: ">= 1"}}
  - {id: of-the-broken-one, line: eighty, shops: {platform: [q]}, warn: {late: ">= 1"}}
  - {id: typing, line: ninety, warn: {latte: ">= 1"}}
  - {id: never, measure: speed, period: 7d, warn: {all: [{late: ">= 5"}, {late: "< 3"}]}}
"""
    )
    with pytest.raises(RulesError) as raised:
        load_both(tmp_path / "packs", [tmp_path / "rules.yaml"])
    told = [(Path(one.file).name, one.line, one.what) for one in raised.value.problems]
    assert [(file, line) for file, line, _ in told] == [("q.yaml", 6), ("rules.yaml", 4), ("rules.yaml", 5)]
    assert "can never hold" in told[2][2]
    (tmp_path / "packs" / "q.yaml").write_text(PACK.replace("pack: p", "pack: q"))
    with pytest.raises(RulesError) as raised:
        load_both(tmp_path / "packs", [tmp_path / "rules.yaml"])
    assert [one.line for one in raised.value.problems] == [3, 4, 5], "now it is known that nobody has it"


def test_500_rules_that_are_all_wrong_are_told_within_a_second(tmp_path):
    rows = [
        f'- {{id: r{n}, lin: ninety, warn: {{lat: ">= 1"}}, crit: {{budgetleft: 3}}}}' for n in range(500)
    ]
    path = tmp_path / "many.yaml"
    path.write_text("\n".join(["rules:", *rows]))
    packs = {"p": (load_pack(text=PACK),)}
    begun = time.process_time()
    with pytest.raises(RulesError) as caught:
        load_rules([path], packs)
    took = time.process_time() - begun
    assert len(caught.value.problems) == 1500
    assert took <= 1.0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("warn: {late: >= 1}", "6:18: not YAML: found character that cannot start any token, found '>= 1', did you mean \">= 1\"?"),
        ("warn:\n      late: >= 1", "7:13: not YAML: did not find expected comment or line break, found '>= 1', did you mean \">= 1\"?"),
        ("warn: {value: %90}", "6:19: not YAML: found character that cannot start any token, found '%90', did you mean \"%90\"?"),
        ("warn: {late: != 1}", "6:18: tags such as '!=' are not taken, did you mean \"!= …\"?"),
        ("line：ninety\n    warn: {}", "6:9: not YAML: could not find expected ':', found '：', did you mean ': '?"),
        ('warn: {late: ">= 1"，open: ">= 2"}', "6:24: not YAML: did not find expected ',' or '}', found '，', did you mean ', '?"),
        ("line:ninety\n    warn: {}", "6:5: not YAML: could not find expected ':', found 'line:ninety', did you mean line: ninety?"),
        ('warn: {late: ">= 1}\n  - id: b\n    warn: {late: ">= 2"}', "6:18: not YAML: found character that cannot start any token, found '\">= 1', did you mean \">= 1\"?"),
        ("title: 提醒: 回复率", "6:12: not YAML: mapping values are not allowed in this context, found '提醒: 回复率', did you mean \"提醒: 回复率\"?"),
        ("\twarn: {}", "6:1: not YAML: found character that cannot start any token, found a tab, did you mean spaces?"),
        ("advice: @all", "6:13: not YAML: found character that cannot start any token, found '@all', did you mean \"@all\"?"),
    ],
)  # fmt: skip
def test_a_slip_of_the_hand_is_told_where_it_is_and_with_its_mend(problems_of_rules, rows, told):
    """The parser names what it met next, which may stand a row below."""
    text = f"# it's {{a: b: c}}\nrules:\n  - id: a\n    shops: {{ids: ['p:s1', p:s2]}}  # a: b: c\n\n    {rows}\n"
    text = text.replace("    \t", "\t")
    assert problems_of_rules(text) == [f"r.yaml:{told}"]


@pytest.mark.parametrize(
    "innocent", ["- p:s1", "p:s1: {name: 店：一，二}", "advice: >-", 'title: "提醒: 回复率"', "url: http://a:1", "# late: >= 1"]
)  # fmt: skip
def test_what_is_right_above_a_mistake_is_not_blamed_for_it(problems_of_rules, innocent):
    assert problems_of_rules(f"{innocent}\n[a") == [
        problem for problem in problems_of_rules(f"{innocent}\n[a") if "did you mean" not in problem
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('{ID: a, line: ninety, warn: {late: ">= 1"}}', "unknown key of a rule, found 'ID'"),
        ('{id: a, line: ninety, warn: {late：">= 1"}}', 'did you mean late: ">= 1"?'),
        ("id: a\n    shops： {platform: p}", "did you mean shops: …?"),
        ('{id: a, line: ninety, warn: {late:">= 1"}}', 'did you mean late: ">= 1"?'),
        ('{id: a, line: ninety, for: 5m, warn: {late: ">= 1"}}', "'for' belongs into a level: warn: {…, for: 5m}, found 'for'"),
        ('{id: a, line: ninety, warn: {any: [{late: ">= 1", for: 5m}]}}', "'for' is of a whole level and stands beside all and any"),
        ("{id: a, each: source, no_data: 5m}", "no_data must be a mapping, found '5m', did you mean {for: 5m}?"),
    ],
)  # fmt: skip
def test_what_is_in_the_wrong_place_is_told_its_right_one(problems_of_rules, rule, told):
    assert any(told in problem for problem in problems_of_rules(f"rules:\n  - {rule}\n"))


def test_a_key_in_capitals_is_known(problems_of_rules):
    problems = problems_of_rules('rules:\n  - {ID: a, line: ninety, warn: {late: ">= 1"}}\n')
    assert problems[-1].endswith("did you mean id?")
