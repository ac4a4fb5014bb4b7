"""``slawatch routes``: where alerts go, before one fires."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from monitor.commands.context import load_configuration
from monitor.commands.offline import read_time
from monitor.commands.output import Group, format_option, local_time, note, print_json, print_table, zoned

if TYPE_CHECKING:
    from alerting.policy.trial import TriedWay
    from monitor.commands.context import Configuration

FOUND = 1


@click.group(cls=Group)
def command() -> None:
    """Try where alerts go."""


@command.command()
@click.argument("labels", nargs=-1, required=True, metavar="LABEL=VALUE...")
@click.option(
    "--at", "at_ms", metavar="TIME", callback=read_time, help="When it fires, for mute times.  [default: now]"
)
@click.option("--expect", metavar="NAME,...", help="Exit with 1 unless just these receivers are told first.")
@format_option
@click.pass_context
def test(
    ctx: click.Context, labels: tuple[str, ...], at_ms: int | None, expect: str | None, form: str
) -> None:
    """Say who would be told of an alert with these labels, in what order and when.

    Labels are rule, severity, shop, platform, team, tier, labels.NAME, source, agent, notify, each and
    verdict; those of a shop are looked up in shops.yaml unless given, and whom a rule notifies in its
    file. The desk itself is asked, on the files as they are; silences and other alerts are not in it
    (`slawatch why` has those).
    """
    from alerting.policy.trial import trial  # noqa: PLC0415 - the desk is not needed to start
    from monitor.commands.silence import matcher  # noqa: PLC0415
    from monitor.configured import routing  # noqa: PLC0415

    found = load_configuration(ctx)
    wanted = dict(matcher(label) for label in labels)
    if wanted.get("severity", "warn") not in ("warn", "crit"):
        raise click.BadParameter("severity is warn or crit")
    at_ms = at_ms if at_ms is not None else time.time_ns() // 1_000_000
    wanted.setdefault("notify", _notify(found, wanted.get("rule", "")))
    tried = trial(routing(found.settings, found.base, at_ms), wanted, at_ms)
    if form == "json":
        print_json({"routes": tried.routes, "ways": tried.ways})
    else:
        print_table(
            ("turn", "receiver", "account", "people", zoned("at"), "route", "group", "held by"),
            [_row(way) for way in tried.ways],
            empty="nobody would be told",
        )
    told = {way.receiver for way in tried.ways if not way.stage}
    if expect is not None and told != set(expect.split(",")):
        note(f"expected {expect}, but it is {', '.join(sorted(told)) or 'nobody'}")
        raise click.exceptions.Exit(FOUND)


def _notify(found: Configuration, rule: str) -> str:
    """Whom a rule names; empty where there is no such rule."""
    from rules.load import load_packs, load_rules  # noqa: PLC0415 - only where a rule is named

    directory = found.place(found.settings.rules)
    if not rule or not directory.exists():
        return ""
    packs = load_packs(found.place(found.settings.packs) if found.settings.packs else None)
    known = load_rules([directory], packs).rules.get(rule)
    return known.notify if known else ""


def _row(way: TriedWay) -> tuple[object, ...]:
    people = ", ".join(way.people) or "all"
    turn = f"step {way.stage}" if way.stage else "first"
    return (
        turn,
        way.receiver,
        way.account,
        people,
        local_time(way.at_ms),
        way.route or "the first",
        way.group,
        way.held_by,
    )
