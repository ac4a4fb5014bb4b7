"""``slawatch worker``: one of the processes that share the shards of a topic."""

from __future__ import annotations

import click

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration
from monitor.commands.supervised import announce, run_to_the_end


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Take shards of the topic, keep their figures; prints the address of its probes once they answer.

    Any number of workers of the same group share the partitions of the topic. State and alerts are in the
    database that all share (postgres.url); `slawatch desk` tells people. Ends on SIGTERM or Ctrl-C, with
    the state of its shards written.
    """
    with needs("kafka", "postgres"):
        from monitor.app_cluster import work  # noqa: PLC0415 - the whole worker, and an extra
    configuration = load_configuration(ctx)
    run_to_the_end(work(configuration.settings, configuration.base, announce=announce))
