"""``slawatch topics``: the topic of events, made and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitor.commands.cluster import needs
from monitor.commands.context import load_configuration
from monitor.commands.output import Group, note, unreached

if TYPE_CHECKING:
    from monitor.runtime.cluster.link import Link
    from monitor.settings_cluster import KafkaSettings


@click.group(cls=Group, name="topics")
def command() -> None:
    """Make the topic of events as slawatch needs it, and check one that is there."""


@command.command()
@click.pass_context
def create(ctx: click.Context) -> None:
    """Make the topic, or set of an existing one what can be set.

    Partitions, replication and retention are those of the configuration (kafka). The broker's time of
    arrival is set on each record (LogAppendTime), and nothing is compacted.
    """
    with needs("kafka"):
        from monitor.runtime.cluster import topics  # noqa: PLC0415 - an extra
    link, settings = _link(ctx)
    made = topics.create(link, settings)
    note(f"topic {settings.topic}: " + ("made" if made else "was there; its configuration is set"))
    _tell(ctx, link, settings)


@command.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say what is wrong with the topic and our rights on it, with the mend for each.

    Exit status 1 when something is: partitions, retention, compaction, time, replication, rights.
    """
    _tell(ctx, *_link(ctx))


@command.command()
@click.argument("partitions", type=click.IntRange(2, 100_000))
@click.option("--stopped", is_flag=True, help="Nothing sends events, and no worker and no desk runs.")
@click.pass_context
def split(ctx: click.Context, partitions: int, stopped: bool) -> None:
    """Give a topic in use more PARTITIONS, a multiple of what it has, and the database as many shards.

    Stop what sends events; once all workers have caught up (/readyz), stop them and the desks. Copy the
    database. Afterwards set kafka.partitions everywhere and start again: figures and alerts are as they
    were. Partitions are for good.
    """
    if not stopped:
        raise click.UsageError(
            "stop what sends, then workers and desks; copy the database; say --stopped", ctx
        )
    with needs("kafka", "postgres"):
        from monitor.app_cluster import split_topic  # noqa: PLC0415 - an extra
    found = load_configuration(ctx)
    moved = split_topic(found.settings, found.base, partitions)
    note(f"{partitions} partitions, {moved} shops moved; set kafka.partitions to {partitions} everywhere")


def _link(ctx: click.Context) -> tuple[Link, KafkaSettings]:
    from monitor.runtime.cluster.link import link_of  # noqa: PLC0415 - with the settings, which are slow

    found = load_configuration(ctx)
    return link_of(found.settings.kafka, found.base), found.settings.kafka


def _tell(ctx: click.Context, link: Link, settings: KafkaSettings) -> None:
    with needs("kafka"):
        from monitor.runtime.cluster import topics  # noqa: PLC0415 - an extra
    findings = topics.check(link, settings, unreached)
    for finding in findings:
        click.echo(str(finding))
    if findings:
        ctx.exit(1)
    click.echo(f"topic {settings.topic}: as it should be")
