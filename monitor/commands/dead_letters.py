"""``slawatch dead-letters``: what was refused at the entrance, and sending it again."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import click

from monitor.commands.context import daemon_options, daemon_url, load_configuration, poster
from monitor.commands.output import format_option, note, print_json, print_table
from monitor.errors import MonitorError
from monitor.sinks.dead_letters import DeadLetter, DeadLetters
from monitor.workbench.feed import BATCH_EVENTS, Fed, send_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FILE = "dead_letters.db"  # in the data directory


@click.group()
def command() -> None:
    """List, show and send again what was refused.

    Works on the data directory of the configuration, also while the daemon runs. What parsed is kept
    for 35 days without message texts; what did not parse, at most 64 KB of it for 7 days.
    """


def _chosen(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
        ),
        click.option("--code", default="", help="Only those refused for this reason."),
        click.option("--source", default="", help="Only those of this source."),
    ):
        function = option(function)
    return function


def _open(ctx: click.Context) -> DeadLetters:
    configuration = load_configuration(ctx)
    path = configuration.place(configuration.settings.data) / FILE
    if not path.exists():
        raise MonitorError(f"{path}: no such file", mend="name the daemon's configuration with --config")
    return DeadLetters(path)


@command.command(name="list")
@_chosen
@format_option
@click.pass_context
def list_letters(ctx: click.Context, source: str, code: str, limit: int, form: str) -> None:
    """List what was refused, the newest first."""
    with closing(_open(ctx)) as letters:
        found = letters.list(limit, source=source, code=code)
    if form == "json":
        print_json([_plain(letter) for letter in found])
        return
    print_table(
        ("id", "arrived", "source", "line", "code", "reason"),
        [
            (letter.id, _local(letter.arrival_ms), letter.source, letter.place, letter.code, letter.reason)
            for letter in found
        ],
        empty="nothing was refused",
    )


@command.command()
@click.argument("letter", type=int)
@click.pass_context
def show(ctx: click.Context, letter: int) -> None:
    """Print what was refused as LETTER (its id in the list), byte for byte as it is kept."""
    with closing(_open(ctx)) as letters:
        found = letters.list(1, before=letter + 1)
    if not found or found[0].id != letter:
        raise MonitorError(f"no dead letter {letter}", mend="`slawatch dead-letters list` shows them")
    click.echo(found[0].raw)


@command.command()
@_chosen
@daemon_options
@click.pass_context
def replay(
    ctx: click.Context, source: str, code: str, limit: int, url: str | None, token: str | None
) -> None:
    """Send what parsed to the running daemon again, once what refused it is mended.

    What it takes now leaves the dead letters; what it refuses again stays.
    """
    fed = Fed()
    with closing(_open(ctx)) as letters, poster(daemon_url(ctx, url), {}, token or "") as post:
        found = [letter for letter in letters.list(limit, source=source, code=code) if letter.parsed][::-1]
        for start in range(0, len(found), BATCH_EVENTS):
            batch = found[start : start + BATCH_EVENTS]
            refused = send_lines(post, time, "dead letters", [letter.raw for letter in batch], fed)
            letters.remove(letter.id for place, letter in enumerate(batch) if place not in refused)
    note(f"sent {len(found)}: {fed.accepted} accepted, {fed.duplicates} duplicates, {fed.rejected} rejected")


def _plain(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "arrived_ms": letter.arrival_ms,
        "source": letter.source,
        "line": letter.place,
        "code": letter.code,
        "reason": letter.reason,
        "parsed": letter.parsed,
        "raw": letter.raw.decode(errors="replace"),
    }


def _local(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%m-%d %H:%M:%S}"
