"""``slawatch replay``: figures, budgets and alerts of events from files, offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.commands.cluster import needs
from monitor.commands.offline import (
    at_option,
    configured_shard,
    pack_option,
    run_files,
    run_topic,
    since_option,
)
from monitor.commands.output import note, print_json, print_table
from monitor.workbench.report import report
from monitor.workbench.summary import AlertRow, FigureRow, alert_rows, events_line, figure_rows, page
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.runtime.cluster.tools import Span
    from rules.rule import Rule


@click.command(name="replay")
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--kafka", is_flag=True, help="In place of files the topic of the configuration, read only.")
@since_option
@click.option("--partition", type=click.IntRange(0), help="--kafka: only this one.")
@click.option("--offsets", "offsets", metavar="FROM:END", help="--kafka, --partition: only these; END not.")
@pack_option
@click.option(
    "--rules",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Rules, a file or a directory of them; may be repeated.  "
    "[default: those of the configuration, else those that ship]",
)
@at_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="A table for people, JSON for scripts, or a page.",
)
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    kafka: bool,
    since_ms: int | None,
    partition: int | None,
    offsets: str | None,
    pack: Path | None,
    rules: tuple[Path, ...],
    at_ms: int | None,
    form: str,
) -> None:
    """Figures and alerts of events from files, offline and at full speed.

    FILES hold one JSON event a line, packed by gzip or not; - is standard input. Lines with `received_at`
    arrive in the order of the file at those times, and lines after --at are not read. Without it lines are
    put in order of `at` first and arrive then. Bad lines are listed on stderr, and the others taken.

    With --kafka records of the topic are read, all partitions in order of arrival, with the ticks and gaps
    they have; nobody who works on the topic notices.

    Packs, shops and rules are those of the configuration (--config, or slawatch.yaml here); where it has
    no rules, and without a configuration ./rules has none, the rules that ship are judged.
    """
    if kafka == bool(files):
        raise click.UsageError("name files, or say --kafka", ctx)
    span = _span(ctx, kafka, since_ms, at_ms, partition, offsets)
    shard = configured_shard(ctx, pack, rules, quiet_gaps=not kafka)
    if partition is not None:
        _say_partial(partition, shard.plan.rules.rules.values())
    found = run_files(shard, files, at_ms) if span is None else run_topic(ctx, shard, span, at_ms)
    result = report(found)
    if form == "json":
        print_json(result)
        return
    lines = {
        line.id: (line.measure, line.period)
        for versions in shard.plan.packs.values()
        for one in versions
        for line in one.lines.values()
    }
    if form == "html":
        click.echo(page(result, lines))
        return
    print_table(
        FigureRow._fields, figure_rows(result, lines), empty="no measures" if result["shops"] else "no shops"
    )
    click.echo()
    print_table(AlertRow._fields, alert_rows(result), empty="no alerts")
    note(events_line(result))


def _say_partial(partition: int, rules: Iterable[Rule]) -> None:
    """Say which rules are on sums over shops: those of other partitions are not in them."""
    if names := [rule.id for rule in rules if rule.each in OVER_SHOPS]:
        note(f"only shops of partition {partition} are in the sums of: {', '.join(names)}")


def _span(
    ctx: click.Context,
    kafka: bool,
    since_ms: int | None,
    at_ms: int | None,
    partition: int | None,
    offsets: str | None,
) -> Span | None:
    """What of the topic is to be read; None: files are."""
    if not kafka:
        if since_ms is not None or partition is not None or offsets is not None:
            raise click.UsageError("--since, --partition and --offsets go with --kafka", ctx)
        return None
    with needs("kafka"):
        from monitor.runtime.cluster.tools import Span  # noqa: PLC0415 - an extra
    first = end = None
    if offsets is not None:
        begin, colon, stop = offsets.partition(":")
        if partition is None or not colon or not all(part.isdigit() for part in (begin, stop) if part):
            raise click.UsageError("--offsets is FROM:END, either may be missing, and wants --partition", ctx)
        first, end = int(begin) if begin else None, int(stop) if stop else None
    return Span(partition, since_ms, None if at_ms is None else at_ms + 1, first, end)
