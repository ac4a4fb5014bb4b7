"""For the wall: how many shops are in trouble, which, and whether this is to be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.house import BLUE, RED, SEVERITIES, board, course, number, rows
from deploy.grafana.code.shades import (
    BUDGET,
    CALM,
    FEW,
    FLAG,
    STALE,
    TO_ALERTS,
    TO_SELF,
    TO_SHOP,
    WAITING,
)
from monitor.sinks.influx_schema import ALERT, LINE, SELF, SHOP

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def wallboard() -> Dashboard:
    """For the wall: how many shops are in trouble, which, and whether this is to be believed."""
    top = [
        number(
            "已越线店铺 · Lines crossed",
            "至少一条红线已越过的店铺数。 Shops of which at least one line is crossed.",
            flux.total(SHOP, "crossed", "sum"),
        ),
        number(
            "严重 · Critical shops",
            "正在严重告警的店铺数。 Shops with a critical alert.",
            flux.total(SHOP, "severity", "count", only="r._value == 2"),
            to=TO_ALERTS,
        ),
        number(
            "警告 · Warned shops",
            "正在警告的店铺数。 Shops with a warning.",
            flux.total(SHOP, "severity", "count", only="r._value == 1"),
            FEW,
            to=TO_ALERTS,
        ),
        number(
            "失联店铺 · Blind shops",
            "数据来源失联，指标未知。 Their source is not heard: nothing is known of them.",
            flux.total(SHOP, "blind", "sum"),
            to=TO_SELF,
        ),
        number(
            "店铺数 · Shops heard",
            "两分钟内有数据的店铺。 Shops of which there is a figure of the last two minutes.",
            flux.total(SHOP, "severity", "count"),
            ((None, RED), (1, BLUE)),
        ),
        number(
            "等待中 · Waiting",
            "正在等回复的轮次。 Rounds that wait for an answer.",
            flux.total(SHOP, "waiting", "sum"),
            CALM,
        ),
        number(
            "最久等待 · Longest wait",
            "所有店铺里最久的等待。 The longest wait of all shops.",
            flux.total(SHOP, "oldest_wait_ms", "max"),
            WAITING,
            "ms",
        ),
        number(
            "数据年龄 · Age of data",
            "最新数据有多旧；变红时整面墙都不可信。 How old the newest point is; red: believe nothing.",
            flux.age(SELF, "ready"),
            STALE,
            "s",
            to=TO_SELF,
        ),
    ]
    shops = rows(
        "最差的店铺 · Worst shops",
        "按严重程度、余量排序；点一行看店铺。 By severity, then budget left; a row leads to the shop.",
        flux.rows(
            SHOP,
            ("platform", "shop"),
            ("name", "severity", "crossed", "budget_left", "breach_in_s", "waiting", "oldest_wait_ms"),
            "(if exists r.budget_left then r.budget_left else 100000) - r.severity * 1000000",
        ),
        (
            ("name", "店铺 shop", "", None),
            ("severity", "状态 state", "", None),
            ("crossed", "已越线 crossed", "", None),
            ("budget_left", "余量 budget left", "short", BUDGET),
            ("breach_in_s", "距越线 time to the line", "s", None),
            ("waiting", "等待中 waiting", "short", None),
            ("oldest_wait_ms", "最久等待 longest wait", "ms", WAITING),
            ("platform", "平台 platform", "", None),
            ("shop", "ID", "", None),
        ),
        {"severity": SEVERITIES, "crossed": FLAG},
        TO_SHOP,
    )
    lines = rows(
        "最紧的红线 · Tightest lines",
        "到今晚余量最少的红线。 Lines with the least budget by tonight.",
        flux.least(LINE, ("platform", "shop", "line"), "budget_left_today", ("budget_left",), 12),
        (
            ("shop", "店铺 shop", "", None),
            ("line", "红线 line", "", None),
            ("budget_left", "余量 left now", "short", BUDGET),
            ("budget_left_today", "到今晚 by tonight", "short", BUDGET),
            ("platform", "平台 platform", "", None),
        ),
        to=TO_SHOP,
    )
    over_time = course(
        "告警变化 · Changes of alerts",
        "每段时间触发或升级的告警变化数，按规则。 Changes of alerts that fire, by rule.",
        [flux.events(ALERT, "severity", "v.windowPeriod", "rule", "r._value > 0")],
        {},
        bars=True,
    )
    return board(
        "slawatch-wall",
        "哪些店铺有麻烦，可不可信。 Which shops are in trouble, what is left, whether to believe it.",
        "now-6h",
        "10s",
        [(4, top), (11, [shops, lines]), (6, [over_time])],
        note=flux.notes(ALERT),
    )
