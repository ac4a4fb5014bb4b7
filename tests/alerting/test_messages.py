"""Messages as a manager reads them: golden texts, byte limits, and nothing that must not be shown."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.limits import ROW_NAME_BYTES
from alerting.messages.render import fit, render
from alerting.messages.style import Style
from alerting.messages.texts import TEXTS, duration, percent
from alerting.messages.trimmed import cut, cut_middle, mask
from alerting.policy.compose import Draft, Ready
from alerting.policy.records import Intent, alert_key
from rules.transition import Facts
from tests.alerting.people import People
from tests.alerting.worlds import HOUR, T0, Shard, item

FACTS = Facts(
    "reply_rate_3m",
    "day",
    "pdd-reply-50",
    412,
    21,
    4,
    20,
    38,
    720,
    3,
    condition="late 21 >= 1, budget_left_today 38 <= 40",
)
ITEMS = (item(40, agent="a1"), item(55, "zhangsan-07"), item(0, "wangwu-13", agent="王芳"))


@pytest.fixture
def shard():
    return Shard()


def ready(t, kind="fire", **flags):
    key = alert_key(t.rule, t.subject)
    intent = Intent(
        f"0.{t.position}.0-0", key, f"{key}@{T0}", "managers", "bot", "g", kind, t.severity,
        t.at_ms, t.at_ms, t,
    )  # fmt: skip
    return Ready(intent, **flags)


def show(*items, language="zh", markup="markdown", limit=4096, at_s=1, pages="https://sla.example", **style):
    made = Style(language, markup, limit, T0 + at_s * 1000, **style)
    return render(Draft("managers", items), People(pages), made)


def body(*items, **options):
    return show(*items, **options).message.body


def test_critical_in_chinese(shard):
    t = shard(0, severity="crit", facts=FACTS, items=ITEMS, since_ms=T0)
    assert body(ready(t)) == (
        '**<font color="warning">【严重】旗舰店A：3分钟回复率逼近红线，今日还可漏 38 个</font>**\n'
        "3分钟人工回复率 **94.9%**（412 个，漏 21 个），红线 ≥50%\n"
        "现在停还可漏 20 个，按预测到今晚还可漏 38 个\n"
        "照此下去约 12 分钟后（10:12）触线\n"
        "3 个会话快超时：\n"
        "> c***42 剩 39 秒（10:00:40 前）<@xiaoli>\n"
        "> z***07 剩 54 秒（10:00:55 前）无人接待\n"
        "> w***13 已超时 王芳\n"
        "触线后果：罚 ¥1000，不得报名活动\n"
        "建议：先答最久的 5 个会话；请组长加人\n"
        "[详情](https://sla.example/alerts/1) 10:00:00 #db7be5"
    )


def test_critical_in_english_text(shard):
    t = shard(0, severity="crit", facts=FACTS, items=ITEMS, since_ms=T0)
    assert body(ready(t), language="en", markup="text") == (
        "[Critical] 旗舰店A: 3-minute reply rate nears its line, 38 misses left today\n"
        "3-minute human reply rate 94.9% (412 asked, 21 missed), line ≥50%\n"
        "20 misses left if traffic stopped now, 38 misses left by tonight's forecast\n"
        "At this pace the line is reached in about 12 min (10:12)\n"
        "3 conversations about to time out:\n"
        "· c***42 39 s left (by 10:00:40) 小李\n"
        "· z***07 54 s left (by 10:00:55) nobody on it\n"
        "· w***13 timed out 王芳\n"
        "If it is crossed: fine of ¥1000, no campaigns\n"
        "Advice: answer the 5 oldest first; ask for help\n"
        "https://sla.example/alerts/1 10:00:00 #db7be5"
    )


def test_recovered_carries_value_and_duration(shard):
    facts = msgspec.structs.replace(FACTS, asked=460, late=18, budget_left=212)
    t = shard(600, "ok", "warn", facts=facts, since_ms=T0, reason="cleared")
    assert body(ready(t, "resolved")) == (
        '**<font color="info">【已恢复】旗舰店A：3分钟回复率逼近红线</font>**\n'
        "3分钟人工回复率 **96.1%**（460 个，漏 18 个），红线 ≥50%\n"
        "还可漏 212 个\n"
        "持续 10 分钟（10:00–10:10）\n"
        "[详情](https://sla.example/alerts/1) 10:10:00 #db7be5"
    )
    assert body(ready(t, "resolved"), language="en", markup="text", pages="") == (
        "[Recovered] 旗舰店A: 3-minute reply rate nears its line\n"
        "3-minute human reply rate 96.1% (460 asked, 18 missed), line ≥50%\n"
        "212 misses left\n"
        "Lasted 10 min (10:00–10:10)\n"
        "10:10:00 #db7be5"
    )


@pytest.mark.parametrize(
    ("reason", "line"), [("late_reply", "回复记录晚到，超时已撤回"), ("rule_removed", "规则已移除")]
)
def test_an_end_that_is_no_recovery_says_so(shard, reason, line):
    assert line in body(ready(shard(600, "ok", since_ms=T0, reason=reason), "resolved")).splitlines()


def test_a_digest_has_a_row_for_each_alert_under_its_rule(shard):
    facts = [
        msgspec.structs.replace(FACTS, budget_left=3 - i, condition="budget_left 0 <= 3") for i in range(6)
    ]
    items = [ready(shard(0, severity="crit", shop=f"s{i}", facts=facts[i])) for i in (1, 5)]
    items += [ready(shard(0, shop="好再来旗舰店官方专卖店", facts=facts[3]))]
    items += [ready(shard(720, "ok", shop="s4", since_ms=T0), "resolved")]
    items += [ready(shard(720, "ended", shop="s6", facts=Facts(held=False), since_ms=T0), "ended")]
    assert body(*items) == (
        '**<font color="warning">告警汇总 5 条：严重 2，警告 1，已恢复 1，考核日结束 1</font>**\n'
        "**【严重】3分钟回复率逼近红线**\n"
        "旗舰店A 还可漏 2 个\n"
        "s5 已超红线 2 个\n"
        "**【警告】3分钟回复率逼近红线**\n"
        "好再来旗…专卖店 还可漏 0 个\n"
        "**【已恢复】3分钟回复率逼近红线**\n"
        "s4 持续 12 分钟\n"
        "**【考核日结束】3分钟回复率逼近红线**\n"
        "s6 未守住红线\n"
        "[全部告警](https://sla.example/alerts)"
    )
    assert body(*items[3:]).startswith('**<font color="info">告警汇总 2 条：')
    assert body(*items[:3], language="en", markup="text") == (
        "3 alerts: 2 Critical, 1 Warning\n"
        "[Critical] 3-minute reply rate nears its line\n"
        "旗舰店A 2 misses left\n"
        "s5 already 2 past the line\n"
        "[Warning] 3-minute reply rate nears its line\n"
        "好再来旗…专卖店 0 misses left\n"
        "All alerts: https://sla.example/alerts"
    )


def test_a_source_that_is_silent(shard):
    facts = Facts(silent_ms=900_000, condition="silent 15m >= 5m")
    t = shard(0, severity="crit", rule="source-silent", subject={"source": "erp"}, facts=facts)
    assert body(ready(t), pages="").splitlines()[0] == (
        '**<font color="warning">【严重】数据源 erp：数据源没有消息，已 15 分钟无消息</font>**'
    )


@pytest.mark.parametrize(
    ("condition", "figure"),
    [
        ("budget_left 20 <= 25", "还可漏 20 个"),
        ("late 21 >= 1, breach_in 12m <= 20m", "约 12 分钟后触线"),
        ("late 21 >= 1, breach_in 0s <= 20m", "已超红线 3 个"),
        ("value 94.9% < 95%", "94.9%"),
        ("p90 45s > 30s", "90 分位响应时长 45 秒，超过 30 秒"),
        ("agents_online 0 == 0", "在线客服 0 人"),
        ("late 21 >= 1", "今日还可漏 38 个"),
        ("", "今日还可漏 38 个"),
    ],
)
def test_the_figure_is_the_one_the_rule_compared(shard, condition, figure):
    facts = msgspec.structs.replace(FACTS, condition=condition)
    if "breach_in 0s" in condition:
        facts = msgspec.structs.replace(facts, breach_in_s=0, budget_left=-3)
    t = shard(0, facts=facts)
    assert body(ready(t)).splitlines()[0].removesuffix("</font>**").endswith(f"，{figure}")


def test_one_is_not_many(shard):
    facts = msgspec.structs.replace(FACTS, at_risk=1, condition="at_risk 1 >= 1", budget_left=1)
    one = body(ready(shard(0, facts=facts, items=ITEMS[:1])), language="en", markup="text")
    assert one.splitlines()[0].endswith(", 1 conversation at risk")
    assert "\n1 miss left if traffic stopped now" in one
    assert "\n1 conversation about to time out:\n" in one
    facts = msgspec.structs.replace(FACTS, condition="seconds_left 39 <= 80")
    one = body(ready(shard(0, facts=facts, items=ITEMS[:1])), language="en")
    assert ", 1 conversation times out, the first in 39 s" in one


@pytest.mark.parametrize(
    ("kind", "flags", "fields", "style", "line"),
    [
        ("fire", {"again": True}, {}, {}, "（可能重复）"),
        ("fire", {}, {"after_the_fact": True}, {}, "（事后补报）"),
        ("fire", {"again": True}, {}, {"unrecorded": True}, "（可能重复，存储写不进，本条未记录）"),
        ("rise", {}, {}, {}, "由警告升级为严重"),
        ("repeat", {}, {}, {"at_s": 4 * 3600}, "仍未恢复，已持续 4 小时（数据截至 10:00）"),
        ("still", {}, {}, {}, "静默结束，仍未恢复（数据截至 10:00）"),
        ("resolved", {"missed": True}, {"to": "ok"}, {}, "告警期间未能送达，现已恢复"),
    ],
)
def test_what_sets_a_message_apart_is_its_second_line(shard, kind, flags, fields, style, line):
    t = shard(0, severity="crit", since_ms=T0, **fields)
    assert body(ready(t, kind, **flags), **style).splitlines()[1] == line


def test_what_is_too_few_to_judge_by_is_not_called_recovered(shard):
    """Customers taken out of the count leave 19 of the 20 that the rule asks for, and a rate of 16 %."""
    facts = Facts("reply_rate_3m", "day", asked=19, late=16, budget_left=-7, budget_left_today=30)
    t = shard(330, "ok", facts=facts, since_ms=T0, reason="cleared", verdict="too_few")
    assert body(ready(t, "resolved"), markup="text", pages="").splitlines() == [
        "【不再判断】旗舰店A：3分钟回复率逼近红线",
        "3分钟人工回复率 15.8%（19 个，漏 16 个），红线 ≥50%",
        "样本不足，暂不判断，并非已恢复",
        "持续 5 分钟（10:00–10:05）",
        "10:05:30 #db7be5",
    ]
    digest = body(ready(t, "resolved"), ready(shard(0)), language="en", markup="text")
    assert "1 No longer judged" in digest.splitlines()[0]


def test_rules_of_one_title_share_a_section(shard):
    """Starter rules of two platforms say the same words; the reader sees one heading."""
    text = body(*(ready(shard(0, shop=f"s{n}", rule=rule)) for n, rule in enumerate(("pdd-x", "taobao-x"))))
    assert text.count("3分钟回复率逼近红线") == 1


def test_a_digest_says_what_sets_it_apart(shard):
    items = [ready(shard(0, shop=f"s{i}", after_the_fact=True), again=True) for i in range(2)]
    assert "（可能重复，事后补报）" in body(*items).splitlines()[0]


def test_nobody_can_write_markup_or_a_mention_by_naming_a_shop(shard):
    for markup in ("markdown", "text"):
        text = body(ready(shard(0, shop="s2")), markup=markup)
        assert "<@all>" not in text
        assert "](y)" not in text or markup == "text"
        assert "夜店" in text.splitlines()[0]


def test_a_customer_is_never_shown_whole(shard):
    rendered = show(ready(shard(0, items=ITEMS)), ready(shard(0, items=ITEMS, shop="s2")))
    assert "customer-1042" not in rendered.message.body + repr(rendered.message.alerts)
    assert "conv-77" not in rendered.message.body + repr(rendered.message.alerts)
    assert [mask(name) for name in ("customer-42", "ab", "")] == ["c***42", "***", "***"]


def test_who_is_on_a_conversation_is_mentioned(shard):
    assert show(ready(shard(0, items=ITEMS))).message.mentions == ("xiaoli",)


def test_the_same_alerts_have_the_same_key(shard):
    one, other = ready(shard(0)), ready(shard(0, shop="s2"))
    assert show(one).message.key == show(one, at_s=9).message.key != show(other).message.key


@given(st.integers(3, 5000), st.booleans())
def test_one_alert_fits_any_limit_by_whole_lines(limit, markdown):
    t = Shard()(
        0, severity="crit", facts=FACTS, items=tuple(item(40 + i, f"customer-{i:02d}") for i in range(9))
    )
    markup = "markdown" if markdown else "text"
    whole, text = body(ready(t), markup=markup).splitlines(), body(ready(t), markup=markup, limit=limit)
    assert len(text.encode()) <= limit
    if limit > 200:
        kept = text.splitlines()
        assert kept[0] == whole[0]
        assert [line for line in whole if line in kept] == kept


@given(st.integers(1, 60), st.integers(300, 4096))
def test_a_digest_fits_any_limit_and_says_how_many_follow(n, limit):
    shard = Shard()
    items = [ready(shard(0, shop=f"店铺{i:03d}", severity="crit" if i % 3 else "warn")) for i in range(n)]
    rendered = show(*items, limit=limit)
    text = rendered.message.body
    assert len(text.encode()) <= limit
    named = [i for i in range(n) if f"店铺{i:03d}" in text]
    taken = {r.intent.transition.subject["shop"] for r in rendered.taken}
    assert {f"pinduoduo:店铺{i:03d}" for i in named} == taken
    assert rendered.taken
    if len(named) < n and n > 1:
        assert f"其余 {n - len(named)} 条随后" in text.splitlines()[-1]


def test_fit_leaves_out_the_highest_rank_and_the_last_of_equals():
    lines = [(0, "first"), (1, "value"), (3, "item 1"), (3, "item 2"), (2, "advice")]
    assert fit(lines, 100) == "first\nvalue\nitem 1\nitem 2\nadvice"
    assert fit(lines, 28) == "first\nvalue\nitem 1\nadvice"
    assert fit(lines, 20) == "first\nvalue\nadvice"
    assert fit(lines, 12) == "first\nvalue"
    assert fit(lines, 4) == "f…"


@given(st.text(max_size=30), st.integers(0, 60))
def test_cut_is_exact_in_bytes(text, size):
    short = cut(text, size)
    assert len(short.encode()) <= size
    assert short == text or text.startswith(short.removesuffix("…"))


def test_percent_is_half_up_from_the_integers():
    assert [percent(391, 412), percent(3, 1000), percent(1, 3), percent(1, 1), percent(0, 5)] == [
        "94.9%",
        "0.3%",
        "33.3%",
        "100%",
        "0%",
    ]
    assert percent(1, 800) == "0.13%"


def test_durations():
    spans = [0, 90_000, 720_000, 3_900_000, 2 * 86_400_000 + 3 * HOUR]
    assert [duration("zh", ms) for ms in spans] == ["0 秒", "90 秒", "12 分钟", "1 小时 5 分", "2 天 3 小时"]
    assert [duration("en", ms) for ms in spans] == ["0 s", "90 s", "12 min", "1 h 5 min", "2 d 3 h"]


def test_both_languages_have_the_same_texts_with_the_same_values():
    import string

    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert TEXTS["zh"].keys() == TEXTS["en"].keys()
    assert {n: fields(t) for n, t in TEXTS["zh"].items()} == {n: fields(t) for n, t in TEXTS["en"].items()}


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["晨光家纺旗舰店华东一店", "晨光家纺旗舰店华东二店"], ["晨光家纺…东一店", "晨光家纺…东二店"]),
        (["pinduoduo:2100000000017", "晨光旗舰店"], ["pinduoduo:2100000000017", "晨光旗舰店"]),
        (["pinduoduo:210000000001234"], ["pinduoduo:2…0000001234"]),
    ],
)
def test_the_shops_of_a_chain_can_be_told_apart_in_a_row(names, rows):
    assert [cut_middle(name, ROW_NAME_BYTES) for name in names] == rows
    assert all(len(row.encode()) <= ROW_NAME_BYTES for row in rows)
