"""``slawatch init``: a commented starter configuration."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.commands.output import note
from monitor.errors import MonitorError
from rules.load import starter_rules

STARTER = Path(__file__).parent.parent / "starter"


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Write a commented starter configuration into DIRECTORY.

    slawatch.yaml, alerting.yaml, shops.yaml, people.yaml and rules/; nothing that is there is touched.
    """
    files = {path.name: path for path in sorted(STARTER.glob("*.yaml"))}
    files |= {f"rules/{path.name}": path for path in starter_rules()}
    there = [name for name in files if (directory / name).exists()]
    if there:
        raise MonitorError(f"{directory} already has {', '.join(there)}", mend="name another directory")
    try:
        for name, source in files.items():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise MonitorError(
            f"{directory}: {error.strerror}", mend="name a directory you may write to"
        ) from error
    for name in files:  # once all is there: whoever reads this may stop when they have seen enough
        click.echo(directory / name)
    note(f"next: slawatch --config {directory}/slawatch.yaml doctor")
