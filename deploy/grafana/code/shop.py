"""One shop: its lines with their history, what is left, what tonight brings, who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.courses import asked_and_late, waiting_and_online
from deploy.grafana.code.house import (
    AMBER,
    BLUE,
    GREEN,
    RED,
    SEVERITIES,
    board,
    course,
    number,
    rows,
    states,
)
from deploy.grafana.code.shades import (
    BUDGET,
    CALM,
    CHOOSE_LINE,
    CHOOSE_MEASURE,
    CHOOSE_PLATFORM,
    CHOOSE_SHOP,
    FLAG,
    SHARE,
    TO_ALERTS,
    TO_SELF,
    WAITING,
)
from monitor.sinks.influx_schema import ALERT, LINE, MEASURE, SHOP

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def shop() -> Dashboard:
    """One shop: its lines with their history, what is left, what tonight brings, who waits."""
    one = flux.ONE_SHOP
    top = [
        number(
            "状态 · State",
            "最严重的告警。 The worst alert that fires.",
            flux.latest(SHOP, ("severity",), one),
            ((None, RED),),
            words=SEVERITIES,
            to=TO_ALERTS,
        ),
        number(
            "余量 · Budget left",
            "现在还能错多少；不到最少单位数时没有。 Misses still allowed; none below the minimum count.",
            flux.latest(LINE, ("budget_left",), flux.ONE_LINE),
            BUDGET,
        ),
        number(
            "到今晚余量 · Budget by tonight",
            "按预计的咨询，到今晚还能错多少。 Misses allowed by tonight, with what is still expected.",
            flux.latest(LINE, ("budget_left_today",), flux.ONE_LINE),
            BUDGET,
        ),
        number(
            "已越线 · Crossed",
            "红线是否已越过。 Whether the line is crossed.",
            flux.latest(LINE, ("breach",), flux.ONE_LINE),
            ((None, RED),),
            words=FLAG,
        ),
        number(
            "等待中 · Waiting",
            "正在等回复的轮次。 Rounds that wait for an answer.",
            flux.latest(SHOP, ("waiting",), one),
            CALM,
        ),
        number(
            "最久等待 · Longest wait",
            "其中最久的。 The longest of them.",
            flux.latest(SHOP, ("oldest_wait_ms",), one),
            WAITING,
            "ms",
        ),
        number(
            "在线客服 · Agents online",
            "从未收到客服事件时没有。 Nothing, if agent events were never seen.",
            flux.latest(SHOP, ("agents_online",), one),
            ((None, RED), (1, GREEN)),
        ),
        number(
            "失联 · Blind",
            "来源失联时指标未知。 Nothing is known while its source is not heard.",
            flux.latest(SHOP, ("blind",), one),
            ((None, RED),),
            words=FLAG,
            to=TO_SELF,
        ),
    ]
    line = course(
        "指标与红线 · Figure and its line",
        "虚线是红线本身，改动也看得见。 The dashed line is the limit itself; its changes are seen, too.",
        [flux.history(LINE, ("value", "limit"), "last", flux.ONE_LINE)],
        {"value": "当前值 value", "limit": "红线 limit"},
        SHARE,
        colors={"value": BLUE},
    )
    budget = course(
        "余量与预测 · Budget and forecast",
        "现在与到今晚还能错多少；零即越线。 Misses allowed now and by tonight; at zero it is crossed.",
        [flux.history(LINE, ("budget_left", "budget_left_today", "at_risk"), "last", flux.ONE_LINE)],
        {"budget_left": "现在 now", "budget_left_today": "到今晚 by tonight", "at_risk": "处于风险 at risk"},
        colors={"budget_left": BLUE, "budget_left_today": GREEN, "at_risk": AMBER},
        steps=((None, RED), (1, "transparent")),
        area=True,
    )
    asked = asked_and_late(
        "咨询与超时 · Asked and late",
        "每半小时新增的咨询与超时单位。 Units asked and late, new in each half hour.",
    )
    waits = waiting_and_online(
        "等待 · Waiting", "等待中的轮次。 Rounds that wait.", "waiting", "agents_online"
    )
    state = states(
        "状态 · States",
        "没有数据的地方是空的。 Where nothing was measured there is nothing.",
        flux.history(SHOP, ("severity",), "max", one),
        SEVERITIES,
        {"severity": "状态 state"},
    )
    response = course(
        "响应时长 · Response time",
        "今天的中位数、九成和 95%。 Today's median, 90 % and 95 %.",
        [flux.history(MEASURE, ("p50_ms", "p90_ms", "p95_ms"), "max", f'{one} and r.period == "day"')],
        {"p50_ms": "中位数 median", "p90_ms": "90%", "p95_ms": "95%"},
        "ms",
    )
    told = rows(
        "告警记录 · What was told",
        "这家店铺的告警变化，新的在前。 Changes of its alerts, the newest first.",
        flux.log(ALERT, ("rule",), ("severity", "to_state", "text", "condition", "budget_left"), one, 30),
        (
            ("_time", "时间 time", "", None),
            ("severity", "级别 severity", "", None),
            ("to_state", "状态 state", "", None),
            ("text", "告警 alert", "", None),
            ("condition", "依据 because", "", None),
            ("budget_left", "余量 budget left", "short", None),
            ("rule", "规则 rule", "", None),
        ),
        {"severity": {**SEVERITIES, "0": ("结束 over", GREEN)}},
    )
    return board(
        "slawatch-shop",
        "一家店铺：红线与历史、余量与预测、谁在等。 One shop: its lines, budget and forecast, and who waits.",
        "now-24h",
        "30s",
        [(4, top), (9, [line, budget]), (4, [state]), (8, [asked, waits, response]), (8, [told])],
        (CHOOSE_PLATFORM, CHOOSE_SHOP, CHOOSE_LINE, CHOOSE_MEASURE),
        flux.notes(ALERT, one),
    )
