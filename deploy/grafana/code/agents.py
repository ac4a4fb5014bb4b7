"""Agents of a shop, and the half hours in which it loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.courses import asked_and_late, waiting_and_online
from deploy.grafana.code.house import AMBER, GREEN, RED, board, course, rows
from deploy.grafana.code.shades import CHOOSE_AGENT_MEASURE, CHOOSE_PLATFORM, CHOOSE_SHOP
from monitor.sinks.influx_schema import AGENT, ALERT

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def agents() -> Dashboard:
    """Agents of a shop, and the half hours in which it loses."""
    of = f'{flux.ONE_SHOP} and r.measure == "${{measure}}"'
    listed = rows(
        "今天的客服 · Agents today",
        "超时算在到期时接待的人头上。 A miss counts for who held the conversation at its deadline.",
        flux.rows(AGENT, ("agent",), ("name", "answered", "late"), "-r.late", of, 50, "10m"),
        (
            ("name", "客服 agent", "", None),
            ("answered", "回复 answered", "short", None),
            ("late", "超时 late", "short", ((None, RED), (0, GREEN), (1, AMBER), (5, RED))),
            ("agent", "ID", "", None),
        ),
    )
    late = course(
        "各时段超时（按客服）· Misses by agent and slot",
        "每半小时新增的超时，按客服。 New misses of each half hour, by agent.",
        [flux.growth(AGENT, ("late",), "30m", of, "agent")],
        {},
        bars=True,
    )
    answered = course(
        "各时段回复（按客服）· Answers by agent and slot",
        "每半小时新增的回复，按客服。 New answers of each half hour, by agent.",
        [flux.growth(AGENT, ("answered",), "30m", of, "agent")],
        {},
        bars=True,
    )
    slots = asked_and_late(
        "时段 · Slots", "每半小时新增的咨询与超时。 Asked and late, new in each half hour."
    )
    online = waiting_and_online(
        "在线与等待 · Online and waiting",
        "在线客服与等待中的轮次。 Agents online, and rounds that wait.",
        "agents_online",
        "waiting",
    )
    return board(
        "slawatch-agents",
        "谁在哪个时段超时。 Who is late, and when.",
        "now-24h",
        "1m",
        [(9, [listed, late]), (9, [slots, answered]), (7, [online])],
        (CHOOSE_PLATFORM, CHOOSE_SHOP, CHOOSE_AGENT_MEASURE),
        flux.notes(ALERT, flux.ONE_SHOP),
    )
