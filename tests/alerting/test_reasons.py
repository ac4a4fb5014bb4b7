"""Why an alert stands, in one line, as pages and messages say it."""

import pytest

from alerting.messages.about import About
from alerting.messages.style import Style
from alerting.ports import RuleInfo
from rules.figures import FIGURES, FLAG, SHARE, TIME
from rules.pack import Line, Share, Text
from rules.transition import Facts
from tests.alerting.people import People
from tests.alerting.worlds import T0, Shard, item

RATE = {"measure": "reply_rate_3m", "period": "day"}
DRIFT = Facts(
    **RATE, asked=412, late=21, budget_left=20, budget_left_today=38, breach_in_s=720,
    condition="late 21 >= 1, budget_left_today 38 <= 40",
)  # fmt: skip
CROSSED = Facts(
    **RATE, asked=9, late=8, budget_left=-4, budget_left_today=-1, condition="budget_left_today -1 < 0"
)


class Orders(People):
    def rule(self, rule, shop):
        line = Line("pdd-intervention", "intervention_rate", "30d", at_most=Share(3, 1000))
        measure = Text("平台介入率", "intervention rate")
        return RuleInfo(Text("介入率逼近红线"), measure=measure, kind="order_rate", line=line)


def reason(facts, language="zh", directory=None, items=()):
    transition = Shard()(0, facts=facts, items=items)
    return About(transition, directory or People(), Style(language, "text", 0, T0)).reason()


@pytest.mark.parametrize(
    ("facts", "zh"),
    [
        (
            Facts(**RATE, asked=31, late=23, condition="value 25.81% < 90%"),
            "3分钟人工回复率 25.8%（31 个，漏 23 个），低于 90%，红线 ≥50%",
        ),
        (
            Facts(**RATE, asked=31, late=23, condition="value 25.81% < 50%"),
            "3分钟人工回复率 25.8%（31 个，漏 23 个），低于红线 50%",
        ),
        (
            DRIFT,
            (
                "3分钟人工回复率 94.9%（412 个，漏 21 个），红线 ≥50%；"
                "现在停还可漏 20 个，按预测到今晚还可漏 38 个；照此下去约 12 分钟后（10:12）触线"
            ),
        ),
        (
            CROSSED,
            "3分钟人工回复率 11.1%（9 个，漏 8 个），红线 ≥50%；已超红线 4 个，按预测到今晚超红线 1 个",
        ),
        (Facts(condition="agents_online 0 == 0"), "在线客服 0 人"),
        (
            Facts(condition="p90 45s > 30s, oldest_wait 4m >= 3m", oldest_wait_ms=240_000),
            "90 分位响应时长 45 秒，超过 30 秒；最长等待 4 分钟，已达 3 分钟",
        ),
        (Facts(silent_ms=900_000, condition="silent 15m >= 5m"), "已 15 分钟无消息"),
        (Facts(condition="bad_credential 93000"), "bad_credential 93000"),
    ],
)
def test_the_reason_is_what_a_manager_would_say(facts, zh):
    assert reason(facts) == zh


@pytest.mark.parametrize(
    ("facts", "en"),
    [
        (
            Facts(**RATE, asked=31, late=23, condition="value 25.81% < 90%"),
            "3-minute human reply rate 25.8% (31 asked, 23 missed), below 90%, line ≥50%",
        ),
        (
            CROSSED,
            (
                "3-minute human reply rate 11.1% (9 asked, 8 missed), line ≥50%. "
                "Already 4 past the line, 1 past the line by tonight's forecast"
            ),
        ),
        (Facts(condition="agents_online 0 == 0"), "agents online: 0"),
        (Facts(silent_ms=900_000, condition="silent 15m >= 5m"), "silent for 15 min"),
    ],
)
def test_in_english_too(facts, en):
    assert reason(facts, "en") == en


@pytest.mark.parametrize(
    ("period", "zh", "en"),
    [
        ("day", "3分钟人工回复率 90%", "3-minute human reply rate 90%"),
        ("7d", "近7天的3分钟人工回复率 90%", "3-minute human reply rate of the last 7 days 90%"),
        ("15m", "近 15 分钟的3分钟人工回复率 90%", "3-minute human reply rate of the last 15 min 90%"),
        ("1h", "近 1 小时的3分钟人工回复率 90%", "3-minute human reply rate of the last 1 h 90%"),
        ("24h", "近 24 小时的3分钟人工回复率 90%", "3-minute human reply rate of the last 24 h 90%"),
    ],
)
def test_a_figure_that_is_not_of_today_says_over_what_it_is(period, zh, en):
    """One message says 70 % of the day, the next one 95 % of the month: the page would contradict either."""
    facts = Facts("reply_rate_3m", period, asked=10, late=1, condition="value 90% < 92%")
    assert reason(facts).startswith(zh)
    assert reason(facts, "en").startswith(en)


def test_what_follows_a_comma_begins_small():
    facts = Facts(**RATE, asked=20, late=14, budget_left=-4, condition="budget_left -4 <= 3")
    told = About(Shard()(0, facts=facts), People(), Style("en", "text", 0, T0))
    assert told.figure() == "already 4 past the line"
    assert told.budget() == [(1, "Already 4 past the line")]


def test_an_order_rate_is_told_in_orders():
    facts = Facts(
        "intervention_rate", "30d", asked=700, late=1, budget_left=1, budget_left_today=2,
        condition="late 1 >= 1, budget_left 1 <= 1",
    )  # fmt: skip
    assert reason(facts, directory=Orders()) == (
        "近30天的平台介入率 0.14%（700 单，1 单），红线 ≤0.3%；现在停还可出 1 单，按预测到今晚还可出 2 单"
    )
    assert reason(facts, "en", Orders()) == (
        "intervention rate of the last 30 days 0.14% (1 of 700 orders), line ≤0.3%. "
        "1 more order allowed if traffic stopped now, 2 more orders allowed by tonight's forecast"
    )


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_figure_a_rule_can_compare_has_words(figure, language):
    """Nobody ever reads the name that a figure has in YAML."""
    value, limit = {SHARE: ("88.00%", "90%"), TIME: ("45s", "30s")}.get(figure.type, ("3", "5"))
    condition = f"{figure.name} is true" if figure.type == FLAG else f"{figure.name} {value} < {limit}"
    facts = Facts(
        **RATE, asked=9, late=1, budget_left=3, budget_left_today=4, breach_in_s=60, at_risk=1,
        oldest_wait_ms=45_000, condition=condition,
    )  # fmt: skip
    said = reason(facts, language, items=(item(40),))
    assert said
    assert condition not in said
    assert "_" not in said
