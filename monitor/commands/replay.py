"""``slawatch replay``: figures, budgets and alerts of events from files, offline."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands.offline import at_option, configured_shard, pack_option, run_files
from monitor.commands.output import note, print_json, print_table
from monitor.workbench.report import report
from monitor.workbench.summary import AlertRow, FigureRow, alert_rows, events_line, figure_rows, page


@click.command(name="replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@pack_option
@click.option(
    "--rules",
    type=click.Path(path_type=Path),
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
    pack: Path | None,
    rules: tuple[Path, ...],
    at_ms: int | None,
    form: str,
) -> None:
    """Figures and alerts of events from files, offline and at full speed.

    FILES hold one JSON event a line, packed by gzip or not; - is standard input. Lines with `received_at`
    arrive in the order of the file at those times, and lines after --at are not read. Without it lines are
    put in order of `at` first and arrive then. Bad lines are listed on stderr, and the others taken.

    Packs, shops and rules are those of the configuration (--config, or slawatch.yaml here); where it has
    no rules, and without a configuration ./rules has none, the rules that ship are judged.
    """
    shard = configured_shard(ctx, pack, rules)
    result = report(run_files(shard, files, at_ms))
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
    print_table(FigureRow._fields, figure_rows(result, lines), empty="no shops")
    click.echo()
    print_table(AlertRow._fields, alert_rows(result), empty="no alerts")
    note(events_line(result))
