"""``slawatch migrate``: bring the database of a cluster up to date."""

from __future__ import annotations

import click

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration
from monitor.commands.output import note


@click.command()
@click.option("--copied", is_flag=True, help="There is a copy of the database, and nothing runs on it.")
@click.pass_context
def command(ctx: click.Context, copied: bool) -> None:
    """Give the database of a cluster (postgres.url) the schema of this version.

    Stop workers and desks first, and copy it: pg_dump --format=custom --file=COPY DATABASE. A database
    that is up to date is left as it is. On one machine `slawatch run` does this itself, after a copy.
    """
    if not copied:
        raise click.UsageError("stop workers and desks, copy the database, then say --copied", ctx)
    with needs("kafka", "postgres"):
        from monitor.app_cluster import migrate  # noqa: PLC0415 - an extra
    configuration = load_configuration(ctx)
    migrate(configuration.settings, configuration.base)
    note("the database is up to date")
