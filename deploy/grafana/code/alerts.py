"""What was told, to whom it went, and what did not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.house import GREEN, SEVERITIES, board, course, number, rows
from deploy.grafana.code.shades import CALM, DELAY, FEW, TO_SHOP
from monitor.sinks.influx_schema import ALERT, DELIVERY, SELF, SHOP

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def alerts() -> Dashboard:
    """What was told, to whom it went, and what did not leave."""
    refused = 'r.result != "ok" and r.result != "partial" and r.result != "duplicate"'
    span = "v.windowPeriod"
    top = [
        number(
            "严重店铺 · Critical shops",
            "所看时间的末尾。 As of the end of the time that is looked at.",
            flux.total(SHOP, "severity", "count", only="r._value == 2"),
        ),
        number(
            "警告店铺 · Warned shops",
            "所看时间的末尾。 As of the end of the time that is looked at.",
            flux.total(SHOP, "severity", "count", only="r._value == 1"),
            FEW,
        ),
        number(
            "消息 · Messages",
            "所看时间内发出的消息。 Messages of the time that is looked at.",
            flux.over_all(DELIVERY, "count", "sum", SELF),
            CALM,
        ),
        number(
            "失败 · Refused",
            "其中通道没有接受的。 Of these, what no channel took.",
            flux.over_all(DELIVERY, "count", "sum", SELF, refused),
        ),
        number(
            "最慢 · Slowest",
            "从状态变化到通道应答，最久的一条。 The longest from a change to the channel's answer.",
            flux.over_all(DELIVERY, "took_ms", "max", SELF),
            DELAY,
            "ms",
        ),
    ]
    changes = course(
        "告警变化 · Changes of alerts",
        "按规则。 By rule.",
        [flux.events(ALERT, "severity", span, "rule", "r._value > 0")],
        {},
        bars=True,
    )
    sent = course(
        "投递结果 · Deliveries",
        "通道的回答；不是 ok 的要看。 What channels answered; see to what is not ok.",
        [flux.events(DELIVERY, "count", span, "result")],
        {},
        bars=True,
        colors={"ok": GREEN},
    )
    took = course(
        "投递用时 · Time to the channel",
        "每段时间里最久的一条，按账号。 The longest of each window, by account.",
        [flux.slowest(DELIVERY, "took_ms", span, "account")],
        {},
        "ms",
        steps=DELAY,
        area=True,
    )
    told = rows(
        "告警记录 · Alerts told",
        "新的在前；点一行看店铺。 The newest first; a row leads to the shop.",
        flux.log(
            ALERT,
            ("platform", "shop", "rule"),
            ("severity", "from_state", "to_state", "text", "condition", "reason"),
            limit=50,
        ),
        (
            ("_time", "时间 time", "", None),
            ("severity", "级别 severity", "", None),
            ("from_state", "从 from", "", None),
            ("to_state", "到 to", "", None),
            ("text", "告警 alert", "", None),
            ("condition", "依据 because", "", None),
            ("reason", "原因 reason", "", None),
            ("rule", "规则 rule", "", None),
            ("shop", "店铺 shop", "", None),
            ("platform", "平台 platform", "", None),
        ),
        {"severity": {**SEVERITIES, "0": ("结束 over", GREEN)}},
        TO_SHOP,
    )
    return board(
        "slawatch-alerts",
        "说了什么，送到了没有。 What was told, and whether it arrived.",
        "now-24h",
        "30s",
        [(4, top), (8, [changes, sent, took]), (12, [told])],
        note=flux.notes(ALERT),
    )
