"""``slawatch dead-letters``: what was refused at the entrance, and sending it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import Group, format_option, local_time, note, print_json, print_table, zoned
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable


@click.group(cls=Group)
def command() -> None:
    """List, show and send again what was refused.

    What parsed is kept for 35 days without texts, names and addresses; what did not parse, at most 64 KB
    of it for 7 days.
    """


def _chosen(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="At most so many."
        ),
        click.option("--code", default="", help="Only those refused for this reason."),
        click.option("--source", default="", help="Only those of this source."),
    ):
        function = option(function)
    return function


@command.command(name="list")
@_chosen
@daemon_options
@format_option
@click.pass_context
def list_letters(
    ctx: click.Context, source: str, code: str, limit: int, url: str | None, token: str | None, form: str
) -> None:
    """List what was refused, the newest first."""
    found = Daemon(ctx, url, token).get("/dead-letters", limit=limit, source=source, code=code)["letters"]
    if form == "json":
        print_json(found)
        return
    print_table(
        ("id", zoned("arrived"), "source", "line", "code", "reason"),
        [
            (
                one["id"],
                local_time(one["arrival_ms"]),
                one["source"],
                one["index"],
                one["code"],
                one["reason"],
            )
            for one in found
        ],
        empty="nothing like that was refused" if source or code else "nothing was refused",
    )


@command.command()
@click.argument("letter", type=click.IntRange(1))
@daemon_options
@click.pass_context
def show(ctx: click.Context, letter: int, url: str | None, token: str | None) -> None:
    """Print what was refused as LETTER (its id in the list), as it is kept."""
    found = Daemon(ctx, url, token).get("/dead-letters", limit=1, before=letter + 1)["letters"]
    if not found or found[0]["id"] != letter:
        raise MonitorError(f"no dead letter {letter}", mend="`slawatch dead-letters list` shows them")
    click.echo(found[0]["raw"])


@command.command()
@_chosen
@daemon_options
@click.pass_context
def replay(
    ctx: click.Context, source: str, code: str, limit: int, url: str | None, token: str | None
) -> None:
    """Take in again what parsed, once what refused it is mended.

    What is taken now leaves the dead letters; what is refused again stays.
    """
    answer = Daemon(ctx, url, token).post("/dead-letters/replay", None, limit=limit, source=source, code=code)
    note(f"{answer['replayed']} taken in, {answer['kept']} kept")
