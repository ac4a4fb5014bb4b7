"""``slawatch silence``: mute alerts for a while, on a running daemon."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import format_option, local_time, note, print_json, print_table, zoned
from monitor.sources.times import parse_duration_ms


@click.command()
@click.argument("matchers", nargs=-1, metavar="[NAME=VALUE...]")
@click.option("--for", "duration", help="How long: 30m, 2h, 1d. Without it, until the alerts are resolved.")
@click.option("--comment", default="", help="Why.")
@click.option("--preview", is_flag=True, help="Only say which alerts it would mute now.")
@click.option("--list", "listed", is_flag=True, help="List the silences in force.")
@click.option("--end", metavar="ID", help="End that silence now; what still fires is told at once.")
@daemon_options
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    matchers: tuple[str, ...],
    duration: str | None,
    comment: str,
    preview: bool,
    listed: bool,
    end: str | None,
    url: str | None,
    token: str | None,
    form: str,
) -> None:
    """Mute the alerts that match every NAME=VALUE.

    Names are rule, severity, shop, platform, team, tier, labels.NAME, source, agent and each; a value may
    hold * for any text, such as shop=pinduoduo:*, and begin with ! for not. What still fires when the
    silence ends is told once. Without --for it ends when the last of what it matches now is over.
    """
    if sum((bool(matchers), listed, end is not None)) != 1:
        raise click.UsageError("give NAME=VALUE, --list or --end ID")
    if matchers == ("list",):  # as of alerts and tokens
        raise click.UsageError("'list' is not NAME=VALUE; did you mean --list?")
    wanted = dict(matcher(text) for text in matchers)
    if duration is not None and not parse_duration_ms(duration):
        raise click.BadParameter(f"{duration!r} is not a duration such as 30m or 2h", param_hint="--for")
    daemon = Daemon(ctx, url, token)
    if listed:
        _show_silences(daemon.get("/silences")["silences"], form)
    elif end is not None:
        ended = daemon.delete(f"/silences/{quote(end, safe='')}")
        note(f"silence {end} ended by {ended['by']}")
    elif preview:
        _show_alerts(daemon.post("/silences/preview", {"matchers": wanted})["alerts"], form)
    else:
        until: dict[str, Any] = {"for": duration} if duration else {"until_resolved": True}
        answer = daemon.post("/silences", {"matchers": wanted, "comment": comment, **until})
        when, held = f"for {duration}" if duration else "until resolved", len(answer.get("alerts", ()))
        note(f"silence {answer['id']}: {' '.join(matchers)} {when}; alerts it mutes now: {held}")


def matcher(text: str) -> tuple[str, str]:
    """A label and what it is to be, of ``NAME=VALUE``."""
    from alerting.policy.match import NAMES, is_name  # noqa: PLC0415 - beside its only use

    name, equals, value = text.partition("=")
    if not equals or not value or not is_name(name):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE with a name of {', '.join(NAMES)}, labels.NAME")
    return name, value


def _show_alerts(alerts: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        print_json(alerts)
        return
    rows = [(one["id"], one["severity"], one["state"], local_time(one["since_ms"])) for one in alerts]
    print_table(("id", "severity", "state", zoned("since")), rows, empty="it would mute nothing now")


def _show_silences(silences: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        print_json(silences)
        return
    rows = [
        (
            one["id"],
            " ".join(f"{name}={value}" for name, value in one["matchers"].items()),
            local_time(one["ends_ms"]) if one["ends_ms"] else "resolved",
            one["by"],
            one["comment"],
        )
        for one in silences
    ]
    print_table(("id", "what", zoned("until"), "by", "why"), rows, empty="no silence is in force")
