"""``slawatch backup``: a copy of the data folder, also while the daemon runs."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands.context import load_configuration
from monitor.commands.output import note


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The data folder to copy.  [default: the configuration's]",
)
@click.pass_context
def command(ctx: click.Context, folder: Path, data: Path | None) -> None:
    """Copy everything that is kept to FOLDER, which must not be there yet; the daemon may run meanwhile.

    The copy is a data folder itself: to restore it, stop the daemon and put it in the place of the other.
    While it is made it is called FOLDER.part; an interrupted one never gets its name. Run this on
    the daemon's machine, as its user.
    """
    from monitor.store.backup import back_up  # noqa: PLC0415 - not every command copies

    found = load_configuration(ctx)
    sizes: dict[str, int] = {}

    def progress(name: str, done: int, of: int) -> None:
        """Say each file once it is copied."""
        if done == of:
            sizes[name] = (folder.with_name(f"{folder.name}.part") / name).stat().st_size
            note(f"{name}: {sizes[name] >> 10:,} KB")

    back_up(data or found.place(found.settings.data), folder, progress)
    click.echo(folder)
