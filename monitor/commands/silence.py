"""``slawatch silence``: mute alerts for a while, on a running daemon."""

from __future__ import annotations

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import note
from monitor.sources.times import parse_duration_ms

MATCHERS = ("rule", "shop", "platform", "source", "severity")


@click.command()
@click.argument("matchers", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--for", "duration", help="How long: 30m, 2h, 1d. Without it, until the alerts are resolved.")
@click.option("--comment", default="", help="Why.")
@daemon_options
@click.pass_context
def command(
    ctx: click.Context,
    matchers: tuple[str, ...],
    duration: str | None,
    comment: str,
    url: str | None,
    token: str | None,
) -> None:
    """Mute the alerts that match every NAME=VALUE.

    Names are rule, shop, platform, source and severity; a value may hold * for any text, such as
    shop=pinduoduo:*. What still fires when the silence ends is told once.
    """
    wanted = dict(_matcher(matcher) for matcher in matchers)
    if duration is not None and not parse_duration_ms(duration):
        raise click.BadParameter(f"{duration!r} is not a duration such as 30m or 2h", param_hint="--for")
    end = {"for": duration} if duration else {"until_resolved": True}
    body = {"matchers": wanted, "comment": comment, **end}
    answer = Daemon(ctx, url, token).post("/silences", body)
    note(
        f"silence {answer['id']}: {' '.join(matchers)} {f'for {duration}' if duration else 'until resolved'}"
    )


def _matcher(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or name not in MATCHERS:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE with a name of {', '.join(MATCHERS)}")
    return name, value
