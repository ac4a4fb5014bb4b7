"""``slawatch alerts``: what is open on a running daemon, and who has taken it on."""

from __future__ import annotations

from typing import Any

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import format_option, local_time, note, print_json, print_table


@click.group()
def command() -> None:
    """List open alerts and acknowledge them."""


@command.command(name="list")
@daemon_options
@format_option
@click.pass_context
def list_alerts(ctx: click.Context, url: str | None, token: str | None, form: str) -> None:
    """List open alerts: critical ones first, then the oldest."""
    alerts = Daemon(ctx, url, token).get("/alerts")["alerts"]
    if form == "json":
        print_json(alerts)
        return
    print_table(
        ("id", "severity", "state", "since", "subject", "rule", "why", "taken by"),
        [_row(alert) for alert in alerts],
        empty="no open alerts",
    )


def _row(alert: dict[str, Any]) -> tuple[object, ...]:
    subject = " ".join(f"{kind} {name}" for kind, name in alert["subject"].items())
    return (
        alert["id"],
        alert["severity"],
        alert["state"],
        local_time(alert["since_ms"]),
        subject,
        alert["rule"],
        alert["reason"].get("en") or alert["reason"].get("zh", ""),
        alert["acknowledged_by"] or "",
    )


@command.command()
@click.argument("alert")
@click.option("--comment", default="", help="What the others should know.")
@daemon_options
@click.pass_context
def ack(ctx: click.Context, alert: str, comment: str, url: str | None, token: str | None) -> None:
    """Take on ALERT (its id in the list): nobody is told again unless it gets worse."""
    answer = Daemon(ctx, url, token).post(f"/alerts/{alert}/ack", {"comment": comment})
    note(f"{alert} acknowledged by {answer['by']}")
