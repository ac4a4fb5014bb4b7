"""Courses of a shop that stand on more than one board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.house import AMBER, GREEN, GREY, RED, course
from monitor.sinks.influx_schema import MEASURE, SHOP

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.timeseries import Panel


def asked_and_late(title: str, what: str) -> Panel:
    """What came new in each half hour, and what of it was late."""
    return course(
        title,
        what,
        [flux.growth(MEASURE, ("asked", "late"), "30m", flux.ONE_MEASURE)],
        {"asked": "咨询 asked", "late": "超时 late"},
        bars=True,
        colors={"asked": GREY, "late": RED},
    )


def waiting_and_online(title: str, what: str, *fields: str) -> Panel:
    """Rounds that wait and agents online, in the order of ``fields``."""
    names = {"waiting": "等待中 waiting", "agents_online": "在线客服 agents online"}
    return course(
        title,
        what,
        [flux.history(SHOP, fields, "max", flux.ONE_SHOP)],
        {field: names[field] for field in fields},
        colors={"waiting": AMBER, "agents_online": GREEN},
    )
