"""``slawatch run``: the daemon on one machine."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands.context import load_configuration
from monitor.commands.supervised import announce, run_to_the_end


@click.command()
@click.option("--testing", is_flag=True, help="Allow what only tests may do; refused with real channels.")
@click.option(
    "--clock",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --testing: a file that says what time it is.",
)
@click.pass_context
def command(ctx: click.Context, testing: bool, clock: Path | None) -> None:
    """Take events, keep figures, send alerts; prints its address once it answers.

    Ends on SIGTERM or Ctrl-C, with its state written.
    """
    if testing != (clock is not None):
        raise click.UsageError("--testing and --clock go together", ctx)
    from monitor.app import run  # noqa: PLC0415 - the whole daemon

    configuration = load_configuration(ctx)
    run_to_the_end(run(configuration.settings, configuration.base, clock_file=clock, announce=announce))
