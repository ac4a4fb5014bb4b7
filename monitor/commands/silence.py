"""``slawatch silence``: mute alerts for a while, on a running daemon."""

from __future__ import annotations

import getpass
import time

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import note
from monitor.sources.times import parse_duration_ms

MATCHERS = ("rule", "shop", "platform", "source", "severity")


@click.command()
@click.argument("matchers", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--for", "duration", help="How long: 30m, 2h, 1d. Without it, until the alerts are resolved.")
@click.option("--by", default=getpass.getuser, show_default="you", help="Who mutes them.")
@click.option("--comment", default="", help="Why.")
@daemon_options
@click.pass_context
def command(
    ctx: click.Context,
    matchers: tuple[str, ...],
    duration: str | None,
    by: str,
    comment: str,
    url: str | None,
    token: str | None,
) -> None:
    """Mute the alerts that match every NAME=VALUE.

    Names are rule, shop, platform, source and severity; a value may hold * for any text, such as
    shop=pinduoduo:*. What still fires when the silence ends is told once.
    """
    wanted = dict(_matcher(matcher) for matcher in matchers)
    ends_ms = 0
    if duration is not None:
        length_ms = parse_duration_ms(duration)
        if not length_ms:
            raise click.BadParameter(f"{duration!r} is not a duration such as 30m or 2h", param_hint="--for")
        ends_ms = time.time_ns() // 1_000_000 + length_ms
    body = {"matchers": wanted, "ends_ms": ends_ms, "by": by, "comment": comment}
    answer = Daemon(ctx, url, token).post("/silences", body)
    note(
        f"silence {answer['id']}: {' '.join(matchers)} {f'for {duration}' if duration else 'until resolved'}"
    )


def _matcher(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or name not in MATCHERS:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE with a name of {', '.join(MATCHERS)}")
    return name, value
