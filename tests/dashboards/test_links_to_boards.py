"""From a message into the panel and the time that show what it tells of."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from alerting.policy.rulings import OWN_RULES
from alerting.ports import RuleInfo
from monitor.runtime.charts import AFTER_MS, BEFORE_MS, PANEL_OF_LINE, PANELS, chart_of
from monitor.runtime.names import Names
from rules.load import load_packs, load_rules, starter_rules
from rules.pack import Text
from rules.transition import Facts, Transition
from tests.dashboards.as_grafana import BOARDS
from tests.dashboards.shops_seeded import at
from tests.rendered import first_message

FIRED = Transition(
    at_ms=at(14.5),
    rule="pdd-reply-drift",
    subject={"shop": "pinduoduo:s1"},
    from_state="ok",
    to_state="firing",
    severity="crit",
    verdict="crit",
    reason="crit",
    facts=Facts(
        measure="reply_rate_3m", period="day", line="pdd-reply-50", asked=400, late=50, budget_left=3
    ),
)
REPLY = RuleInfo(Text("x"), kind="reply_rate")


def read(address):
    parts = urlsplit(address)
    return parts.path.removeprefix("/d/"), {name: one for name, (one,) in parse_qs(parts.query).items()}


def panel(number):
    return next(one for one in BOARDS["slawatch-shop"]["panels"] if one["id"] == number)


def test_an_alert_on_a_line_leads_to_the_figure_against_that_line_about_its_time():
    uid, asked = read(chart_of(FIRED, REPLY))
    assert uid == "slawatch-shop"
    chosen = {one["name"] for one in BOARDS[uid]["templating"]["list"]}
    given = {name.removeprefix("var-"): one for name, one in asked.items() if name.startswith("var-")}
    wanted = {"platform": "pinduoduo", "shop": "s1", "line": "pdd-reply-50", "measure": "reply_rate_3m"}
    assert given == wanted
    assert given.keys() == chosen
    assert (int(asked["from"]), int(asked["to"])) == (at(14.5) - BEFORE_MS, at(14.5) + AFTER_MS)
    assert "Figure and its line" in panel(int(asked["viewPanel"]))["title"]


def test_the_panels_that_links_name_are_the_ones_that_are_meant():
    """Numbers of panels move with the board: a link to another one would show something else."""
    meant = {"waiting": "Waiting", "response_time": "Response time", "reply_rate": "Asked and late"}
    assert {kind: panel(number)["title"].partition("· ")[2] for kind, number in PANELS.items()} == meant
    assert panel(PANEL_OF_LINE)["title"].endswith("Figure and its line")


@pytest.mark.parametrize(
    ("subject", "board"),
    [
        ({"account": "wecom"}, "slawatch-alerts"),
        ({"source": "erp"}, "slawatch-self"),
        ({"daemon": "workers"}, "slawatch-self"),
    ],
)
def test_an_alert_that_is_of_no_shop_leads_where_it_is_seen(subject, board):
    uid, asked = read(chart_of(msgspec.structs.replace(FIRED, subject=subject, facts=Facts()), REPLY))
    assert uid == board in BOARDS
    assert asked.keys() == {"from", "to"}


def told(names, language="zh", markup="markdown", of=FIRED):
    return first_message(of, names, language, markup)


def test_a_message_carries_the_link_where_grafana_is_known_and_there_is_markup():
    packs = load_packs()
    rules = load_rules(starter_rules(), packs)
    names = Names(packs, rules, {}, {}, "", "https://grafana.example/")
    assert "[曲线](https://grafana.example/d/slawatch-shop?var-platform=pinduoduo&var-shop=s1&" in told(names)
    assert "[Chart](https://grafana.example/d/" in told(names, "en")
    assert "grafana" not in told(names, markup="none")
    assert "grafana" not in told(Names(packs, rules, {}, {}))


@pytest.mark.parametrize(("language", "page"), [("zh", "runbook.zh.md"), ("en", "runbook.md")])
def test_an_alert_about_slawatch_itself_names_its_entry_in_the_runbook(language, page):
    packs = load_packs()
    names = Names(packs, load_rules(starter_rules(), packs), {}, {})
    for rule in OWN_RULES:
        own = msgspec.structs.replace(FIRED, rule=rule, subject={"daemon": "slawatch"}, facts=Facts())
        text = told(names, language, of=own)
        assert f"docs/{page}" in text
        assert rule in text
