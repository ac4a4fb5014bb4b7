"""A report as rows for people to read, on a terminal or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.workbench.report import JSON


class FigureRow(NamedTuple):
    """One measure of one shop over one period."""

    shop: str
    measure: str
    period: str
    value: str
    worst: str
    parts: str
    budget: str


class AlertRow(NamedTuple):
    """One change of an alert."""

    at: str
    severity: str
    subject: str
    rule: str
    change: str
    reason: str


TITLES = {
    "shop": "店铺",
    "measure": "指标",
    "period": "周期",
    "value": "当前",
    "worst": "最差",
    "parts": "构成",
    "budget": "余量",
    "at": "时间",
    "severity": "级别",
    "subject": "对象",
    "rule": "规则",
    "change": "变化",
    "reason": "原因",
}


def figure_rows(report: JSON, lines: dict[str, tuple[str, str]]) -> Iterator[FigureRow]:
    """Figures by shop; ``lines`` says of which measure and period each line is."""
    for shop in report["shops"]:
        name = f"{shop['platform']}:{shop['shop_id']}"
        for measure, periods in shop["measures"].items():
            for period, parts in periods.items():
                if period != "agents":
                    budget = _budget(shop["budgets"], (measure, period), lines)
                    value, worst, made_of = _parts(parts)
                    yield FigureRow(name, measure, period, value, worst, made_of, budget)


def alert_rows(report: JSON) -> Iterator[AlertRow]:
    """Alerts in the order in which they were told."""
    for alert in report["alerts"]:
        subject = " ".join(alert["subject"].values())
        change = f"{alert['from']} → {alert['to']}"
        yield AlertRow(alert["at"], alert["severity"], subject, alert["rule"], change, alert["reason"])


def events_line(report: JSON) -> str:
    """What became of the events, in one line."""
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report["events"].items())
    return f"as of {report['as_of']}: {counts}" if report["as_of"] else f"no events: {counts}"


def page(report: JSON, lines: dict[str, tuple[str, str]]) -> str:
    """A report as one HTML page that needs nothing else."""
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415 - slow to import

    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    return templates.get_template("report.html").render(
        title=events_line(report),
        titles=TITLES,
        tables=[
            (FigureRow._fields, list(figure_rows(report, lines))),
            (AlertRow._fields, list(alert_rows(report))),
        ],
    )


def _budget(budgets: JSON, figure: tuple[str, str], lines: dict[str, tuple[str, str]]) -> str:
    found = []
    for line, budget in budgets.items():
        if lines.get(line) == figure:
            found.append(f"{line}: {budget['budget_left']}, {budget['budget_left_today']} by tonight")
    return "; ".join(found)


def _parts(parts: dict[str, Any]) -> tuple[str, str, str]:
    """The value, the worst case, and what they are made of."""
    if "asked" in parts:
        made_of = f"{parts['late']} late, {parts['open']} open of {parts['asked']}"
        return _percent(parts["value"]), _percent(parts["worst"]), made_of
    if "of" in parts:
        return _percent(parts["value"]), "", f"{parts['count']} of {parts['of']}"
    ranks = ", ".join(f"{name} {_seconds(parts[f'{name}_ms'])}" for name in ("p50", "p90", "p95", "max"))
    return _seconds(parts["mean_ms"]), "", f"{ranks} of {parts['count']}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms // 1000}.{ms % 1000 // 100} s"
