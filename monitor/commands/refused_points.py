"""``slawatch refused-points``: what InfluxDB refused for good, sending it again, and dropping it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from monitor.commands.context import load_configuration
from monitor.commands.output import (
    Group,
    format_option,
    local_time,
    note,
    plain,
    print_json,
    print_table,
    zoned,
)
from monitor.errors import MonitorError
from monitor.sinks.influx_limits import REFUSED_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.sinks.influx_refused import Quarantine


@click.group(cls=Group)
def command() -> None:
    """List, show, send again or drop points that InfluxDB refused for good.

    Works on the data directory of the configuration; a daemon that runs on it takes up what is to be
    sent again. The newest 1,000 refusals are kept.
    """


def _quarantine(ctx: click.Context) -> Quarantine:
    from monitor.sinks.influx_refused import Quarantine  # noqa: PLC0415 - beside its only use

    configuration = load_configuration(ctx)
    return Quarantine(configuration.place(configuration.settings.data) / "influx.db")


def _chosen(function: Callable[..., Any]) -> Callable[..., Any]:
    every = click.option("--all", "every", is_flag=True, help="Everything that is kept.")
    return click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1))(every(function))


def _ids(quarantine: Quarantine, ids: tuple[int, ...], *, every: bool) -> list[int]:
    """Those that are there; only then is something done."""
    if bool(ids) == every:
        raise click.UsageError("name ids, or --all")
    there = quarantine.ids()
    if missing := sorted(set(ids).difference(there)):
        what = f"no refused points {', '.join(map(str, missing))}"
        raise MonitorError(what, mend="`slawatch refused-points list` shows them")
    return sorted(set(ids or there))


@command.command(name="list")
@click.option(
    "--limit",
    type=click.IntRange(1, REFUSED_KEPT),
    default=100,
    show_default=True,
    help="At most so many.",
)
@format_option
@click.pass_context
def list_refused(ctx: click.Context, limit: int, form: str) -> None:
    """List what was refused, the newest first, with InfluxDB's words.

    After 422 all lines that were sent together are kept; its words say how many of them were refused.
    """
    found = _quarantine(ctx).list(limit)
    if form == "json":
        print_json(found)
        return
    rows = [(one.id, local_time(one.made_ms), one.status, len(one.lines), plain(one.words)) for one in found]
    print_table(("id", zoned("refused"), "status", "lines", "words"), rows, empty="nothing was refused")


@command.command()
@click.argument("refused", metavar="ID", type=click.IntRange(1))
@click.pass_context
def show(ctx: click.Context, refused: int) -> None:
    """Print the lines that are kept as ID, in line protocol."""
    quarantine = _quarantine(ctx)
    (wanted,) = _ids(quarantine, (refused,), every=False)
    click.echo("\n".join(next(one.lines for one in quarantine.list() if one.id == wanted)))


@command.command()
@_chosen
@click.pass_context
def replay(ctx: click.Context, ids: tuple[int, ...], every: bool) -> None:
    """Send again what is kept as ID, once what refused it is mended.

    The daemon sends it with its next figures. What is refused again is kept again; what InfluxDB has
    already stays one point.
    """
    quarantine = _quarantine(ctx)
    lines = quarantine.send_again(_ids(quarantine, ids, every=every), time.time_ns() // 1_000_000)
    note(f"{lines} lines wait to be sent")


@command.command()
@_chosen
@click.pass_context
def drop(ctx: click.Context, ids: tuple[int, ...], every: bool) -> None:
    """Forget what is kept as ID."""
    quarantine = _quarantine(ctx)
    note(f"{quarantine.drop(_ids(quarantine, ids, every=every))} lines dropped")
