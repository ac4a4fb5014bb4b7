"""``slawatch alerts``: what is open on a running daemon, who has taken it on, and what it was worth."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import Group, format_option, local_time, note, print_json, print_table, zoned
from monitor.sources.times import parse_duration_ms


@click.group(cls=Group)
def command() -> None:
    """List open alerts, acknowledge or close them, say what they were worth."""


@command.command(name="list")
@daemon_options
@format_option
@click.pass_context
def list_alerts(ctx: click.Context, url: str | None, token: str | None, form: str) -> None:
    """List open alerts: critical ones first, then the oldest.

    Times are of this machine's zone, named above them.
    """
    alerts = Daemon(ctx, url, token).get("/alerts")["alerts"]
    if form == "json":
        print_json(alerts)
        return
    print_table(
        ("id", "severity", "state", zoned("since"), "why", "taken by"),
        [_row(alert) for alert in alerts],
        empty="no open alerts",
    )


def _row(alert: dict[str, Any]) -> tuple[object, ...]:
    return (
        alert["id"],
        alert["severity"],
        alert["state"],
        local_time(alert["since_ms"]),
        alert["reason"].get("en") or alert["reason"].get("zh", ""),
        _taken(alert),
    )


def _taken(alert: dict[str, Any]) -> object:
    until_ms = alert["acknowledged_until_ms"]
    return (
        f"{alert['acknowledged_by']}, until {local_time(until_ms)}" if until_ms else alert["acknowledged_by"]
    )


@command.command()
@click.argument("alert")
@click.option("--for", "duration", help="How long: 30m, 2h, up to 7d. Without it, as alerting.yaml says.")
@click.option("--comment", default="", help="What the others should know.")
@daemon_options
@click.pass_context
def ack(
    ctx: click.Context, alert: str, duration: str | None, comment: str, url: str | None, token: str | None
) -> None:
    """Take on ALERT (its id in the list): nobody is told again unless it gets worse.

    What still fires when that time is over is told again.
    """
    if duration is not None and not parse_duration_ms(duration):
        raise click.BadParameter(f"{duration!r} is not a duration such as 30m or 2h", param_hint="--for")
    asked = {"comment": comment} | ({"for": duration} if duration else {})
    answer = Daemon(ctx, url, token).post(_address(alert, "ack"), asked)
    note(f"{alert} acknowledged by {answer['by']}" + (f" for {duration}" if duration else ""))


@command.command()
@click.argument("alert")
@click.option("--comment", default="", help="What the others should know.")
@daemon_options
@click.pass_context
def resolve(ctx: click.Context, alert: str, comment: str, url: str | None, token: str | None) -> None:
    """Close ALERT (its id in the list) by hand: nothing more of it until it fires anew or gets worse.

    Who was told of it is told that it was closed, and by whom.
    """
    answer = Daemon(ctx, url, token).post(_address(alert, "resolve"), {"comment": comment})
    note(f"{alert} closed by {answer['by']}, until it fires anew")


@command.command()
@click.argument("alert", required=False)
@click.option("--false-alarm", "opinion", flag_value="false_alarm", help="It was none; also acknowledges it.")
@click.option("--useful", "opinion", flag_value="useful", help="It was worth it.")
@click.option("--comment", default="", help="Why.")
@daemon_options
@click.pass_context
def feedback(
    ctx: click.Context,
    alert: str | None,
    opinion: str | None,
    comment: str,
    url: str | None,
    token: str | None,
) -> None:
    """Say what ALERT was worth; without ALERT, show what people thought of each rule's alerts."""
    daemon = Daemon(ctx, url, token)
    if alert is None:
        rules = [
            (one["rule"], one["useful"], one["false_alarms"]) for one in daemon.get("/feedback")["rules"]
        ]
        print_table(("rule", "useful", "false alarms"), rules, empty="nobody has said anything in 30 days")
        return
    if opinion is None:
        raise click.UsageError("say --false-alarm or --useful")
    answer = daemon.post(_address(alert, "feedback"), {"opinion": opinion, "comment": comment})
    note(f"{alert}: {opinion.replace('_', ' ')}, says {answer['by']}")


@command.command()
@click.option("--limit", default=50, show_default=True, help="How many of the last ones.")
@daemon_options
@format_option
@click.pass_context
def audit(ctx: click.Context, limit: int, url: str | None, token: str | None, form: str) -> None:
    """List who did what about alerts, the newest first."""
    acts = Daemon(ctx, url, token).get("/audit", limit=limit)["acts"]
    if form == "json":
        print_json(acts)
        return
    rows = [(local_time(act["at_ms"]), act["who"], act["what"], act["alert"], act["comment"]) for act in acts]
    print_table((zoned("at"), "who", "what", "alert", "comment"), rows, empty="nobody has done anything yet")


def _address(alert: str, what: str) -> str:
    """Where something is done about an alert, whose id holds its shop's, which is anybody's text."""
    return f"/alerts/{quote(alert, safe='')}/{what}"
