"""``slawatch desk``: tells people of what the workers of a cluster found."""

from __future__ import annotations

import click

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration
from monitor.commands.supervised import announce_watched, run_to_the_end


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Decide who is told of what the workers found, and tell them; prints its address once it answers.

    Of several desks one leads and the others wait to take over; all of them send. Alerts, acknowledgements
    and silences are at the leading desk's API. Ends on SIGTERM or Ctrl-C.
    """
    with needs("kafka", "postgres"):
        from monitor.app_desk import run_desk  # noqa: PLC0415 - the whole desk, and an extra
    configuration = load_configuration(ctx)
    run_to_the_end(run_desk(configuration.settings, configuration.base, announce=announce_watched))
