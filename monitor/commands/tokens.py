"""``slawatch tokens``: who may send, read and act."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click
import msgspec

from monitor.commands.context import load_configuration
from monitor.commands.output import Group, format_option, note, print_json, print_table
from monitor.web.tokens import Tokens

FILE = "tokens.json"  # in the data directory


@click.group(cls=Group)
def command() -> None:
    """Give sources and scripts access, and take it back.

    Works on the data directory of the configuration; a running daemon sees the change at its next
    request. As soon as there is one token, every request needs one.
    """


def _tokens(ctx: click.Context) -> Tokens:
    configuration = load_configuration(ctx)
    return Tokens(configuration.place(configuration.settings.data) / FILE)


@command.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["source", "viewer", "lead", "admin"]),
    default="source",
    show_default=True,
    help="A source sends, a viewer reads, a lead also acknowledges and silences, an admin does all.",
)
@click.option("--source", default="", help="The source its events belong to.  [default: NAME]")
@click.option(
    "--shops",
    multiple=True,
    default=["*"],
    show_default=True,
    help="Shops it is for, as pinduoduo:* or taobao:s1; may be repeated.",
)
@click.pass_context
def add(ctx: click.Context, name: str, role: str, source: str, shops: tuple[str, ...]) -> None:
    """Make a token called NAME and print it: the only time it is seen."""
    tokens = _tokens(ctx)
    first = len(tokens) == 0
    token = tokens.add(
        name,
        role=role,  # type: ignore[arg-type]
        source=source,
        shops=shops,
        now_ms=time.time_ns() // 1_000_000,
    )
    note(f"{name}: keep it well, it is not shown again")
    if first:
        note("the first one: from now on pages and commands ask for a token, at this machine too")
    if first and role != "admin":
        note("next: slawatch tokens add --role admin NAME, for yourself")
    click.echo(token)


@command.command(name="list")
@format_option
@click.pass_context
def list_tokens(ctx: click.Context, form: str) -> None:
    """List tokens by name; never the tokens themselves."""
    grants = _tokens(ctx).list()
    if form == "json":
        print_json([{k: v for k, v in msgspec.to_builtins(grant).items() if k != "hash"} for grant in grants])
        return
    print_table(
        ("name", "role", "source", "shops", "since"),
        [
            (
                grant.name,
                grant.role,
                grant.source,
                " ".join(grant.shops),
                f"{datetime.fromtimestamp(grant.created_ms / 1000, UTC):%Y-%m-%d}",
            )
            for grant in grants
        ],
        empty="no tokens: who sits at this machine may do everything, nobody else anything",
    )


@command.command()
@click.argument("name")
@click.pass_context
def revoke(ctx: click.Context, name: str) -> None:
    """Make the token called NAME worthless at once."""
    _tokens(ctx).revoke(name)
    note(f"{name} revoked")
