"""A receiver's own words: what they may say, every mistake at its place, and nothing that runs away."""

import time

import pytest
from test_config import GOOD, read
from test_messages import FACTS, ITEMS, ready

from alerting import limits
from alerting.messages.render import render, render_whatever
from alerting.messages.style import Style
from alerting.messages.template import OURS, WORDS, MessageTemplate, Templates, mistakes, shipped
from alerting.messages.tried import tried
from alerting.messages.words import words
from alerting.policy.compose import Draft
from tests.alerting.people import People
from tests.alerting.worlds import T0, Shard


def show(*items, alert=None, row=None, limit=4096, language="zh", markup="text"):
    style = Style(language, markup, limit, T0 + 1_000, templates=Templates.of(alert, row))
    return render(Draft("managers", items), People(), style).message.body


@pytest.fixture
def alert():
    return ready(Shard()(0, severity="crit", facts=FACTS, items=ITEMS, since_ms=T0))


def test_a_receivers_own_words(alert):
    own = """{{ severity | upper }} {{ shop }}: {{ facts.budget_left }} left
{% if facts.breach_in_s %}
line in {{ facts.breach_in_s }} s
{% endif %}
{% for item in items %}
{{ loop.index }}. {{ item.customer }} {{ item.seconds_left }} s, {{ item.agent }}
{% endfor %}
{{ link }}"""
    assert show(alert, alert=own) == (
        "CRIT 旗舰店A: 20 left\nline in 720 s\n1. c***42 39 s, 小李\n"
        "2. z***07 54 s, 无人接待\n3. w***13 0 s, 王芳\n"
        "https://sla.example/alerts/1"
    )


def test_the_row_of_a_digest(alert):
    rows = show(alert, alert, row="{{ name }}: {{ facts.late }} of {{ facts.asked }}\n!").splitlines()
    assert rows[2:4] == ["旗舰店A: 21 of 412 !"] * 2


def test_what_is_long_loses_whole_lines_the_least_important_first(alert):
    own = "{{ first }}\n{{ drop(9) }}a word from our sponsor\n{{ drop(0) }}call 110\n{{ value }}\n{{ foot }}"
    whole = show(alert, alert=own)
    assert whole.splitlines()[1:3] == ["a word from our sponsor", "call 110"]
    size = len(whole.encode())
    for limit in range(len("\n".join(whole.splitlines()[:1]).encode()), size):
        lines = show(alert, alert=own, limit=limit).splitlines()
        assert set(lines) <= set(whole.splitlines())
        assert "a word from our sponsor" not in lines
        assert len("\n".join(lines).encode()) <= limit


def test_our_own_template_has_every_word_and_no_mistake():
    for name in ("alert", "row"):
        assert tried(shipped(name)) == []
        assert show(ready(Shard()(0)), alert=shipped("alert")) == show(ready(Shard()(0)))


def test_every_word_is_there(alert):
    from alerting.messages.about import About

    about = About(alert.intent.transition, People(), Style("zh", "text", 4096, T0))
    assert words(alert, about, People()).keys() - {"drop", "strong"} == WORDS.keys()


@pytest.mark.parametrize(
    ("source", "line", "column", "text"),
    [
        ("{{ shop }}\n{{ budgt }}", 2, 4, "no word `budgt`, did you mean `budget`?"),
        ("{{ facts.budget }}", 1, 10, "no part of `facts` `budget`, "),
        ("x {{ shop | uper }}", 1, 13, "no filter `uper`, did you mean `upper`?"),
        ("{{ shop", 1, 1, "unexpected end of template"),
        ("a\n{% if over %}", 2, 1, "Unexpected end of template"),
        ("{% for a in items %}{{ a }}{% endfor %}", 1, 4, "the one loop there is"),
        ("{% for item in items %}{% for item in items %}{% endfor %}{% endfor %}", 1, 4, "within another"),
        ("{% for item in 'x' %}{% endfor %}", 1, 4, "the one loop there is"),
        ("{% set x = 1 %}", 1, 1, "assign is not allowed"),
        ("{% macro f() %}{% endmacro %}", 1, 1, "macro is not allowed"),
        ("{% include 'x' %}", 1, 1, "include is not allowed"),
        ("{{ 'x' * 1000000000 }}", 1, 1, "mul is not allowed"),
        ("{{ 9 ** 99 }}", 1, 1, "pow is not allowed"),
        ("{{ '%900000000d' % 1 }}", 1, 1, "mod is not allowed"),
        ("{{ shop[0] }}", 1, 1, "getitem is not allowed"),
        ("{{ [1, 2] }}", 1, 1, "list is not allowed"),
        ("{{ range(10) }}", 1, 4, "only drop and strong can be called"),
        ("{{ shop.upper() }}", 1, 1, "only drop and strong can be called"),
        ("{{ ''.__class__.__mro__ }}", 1, 7, "only facts, item, loop have parts"),
        ("{{ drop.__globals__ }}", 1, 9, "only facts, item, loop have parts"),
        ("{{ item.customer }}", 1, 4, "no word `item`, did you mean `items`?"),
        ("x" * 4_097, 1, 1, "longer than 4096 bytes"),
        ("{{ facts.budget_left + 1 }}", 1, 1, "fails on a sample alert: unsupported operand"),
        ("{% if over %}x{% endif %}", 1, 1, "writes nothing for a sample alert"),
        ("\n{{ strong() }}", 2, 1, "fails on a sample alert"),
        ("{{ shop | truncate(-5) }}", 1, 1, "fails on a sample alert: expected length"),
        ("{{ " + "(" * 1_800 + "shop" + ")" * 1_800 + " }}", 1, 1, "nested too deeply"),
        ("{{ " + "not " * 900 + "shop }}", 1, 1, "nested too deeply"),
        ("{{ shop" + "|trim" * 700 + " }}", 1, 1, "nested too deeply"),
        ("{{ 1" + "+1" * 1_900 + " }}", 1, 1, "nested too deeply"),
    ],
)  # fmt: skip
def test_mistakes(source, line, column, text):
    first = tried(source)[0]
    assert (first.line, first.column) == (line, column), first
    assert text in first.text


def test_all_mistakes_at_once():
    assert [one.line for one in mistakes("{{ a }}\n{{ shop | b }}\n{% set c = 1 %}")] == [1, 2, 3]


def test_a_mistake_in_the_file_has_its_line_and_column(tmp_path):
    own = (
        "  leads:\n    accounts: [phones]\n    messages:\n"
        "      alert: |\n        {{ first }}\n        {{ budgt }}\n      row: '{{ nme }}'\n"
    )
    problems = read(tmp_path, GOOD.replace("  leads: {accounts: [phones], language: en}\n", own))
    at = (tmp_path / "alerting.yaml").read_text("utf-8").splitlines()
    line = next(n for n, text in enumerate(at, 1) if "budgt" in text)
    assert (
        f"alerting.yaml:{line}:12: `receivers.leads.messages.alert`: no word `budgt`, did you mean"
        in problems[0]
    )
    assert "`receivers.leads.messages.row`: no word `nme`, did you mean `name`?" in problems[1]


def test_nothing_that_is_allowed_takes_long_or_writes_much(alert):
    """As much of the dearest there is as fits."""
    body = "{{ first | truncate(999999999) | upper | lower | trim }}{{ value }}{{ foot }}"
    own = (
        "{{ id }}{% for item in items %}"
        + body * ((limits.TEMPLATE_BYTES - 60) // len(body))
        + "{% endfor %}"
    )
    assert tried(own) == []
    began = time.process_time()
    text = show(alert, alert=own)
    assert time.process_time() - began < 0.5
    assert len(text.encode()) <= 4096


def test_a_template_that_fails_after_all_gives_way_to_ours(alert):
    told = []
    style = Style("zh", "text", 4096, T0, templates=Templates(MessageTemplate("{{ facts.nothing }}")))
    made = render_whatever(
        Draft("managers", (alert,)), People(), style, "bot", lambda account, error: told.append(account)
    )
    body = made.message.body
    assert "s1" in body
    assert told == ["bot"]
    assert OURS.row is None
