"""``slawatch why``: why somebody was told of an alert, or was not; also of a rule that does not fire."""

from __future__ import annotations

import re

import click

from monitor.commands.context import Daemon, daemon_options
from monitor.commands.output import format_option, local_time, print_json, print_table, zoned
from rules.rule import OVER_SHOPS

EACH = ("shop", "source", *OVER_SHOPS)
_EPOCH_MS = re.compile(r"\b[12]\d{12}\b")


@click.command()
@click.argument("subject", metavar="SHOP|SOURCE|EACH=NAME")
@click.argument("rule")
@daemon_options
@format_option
@click.pass_context
def command(
    ctx: click.Context, subject: str, rule: str, url: str | None, token: str | None, form: str
) -> None:
    """Walk the steps from RULE on a shop (platform:shop_id) or a source to the phones it reached.

    A team, a platform or an agent over several shops is named as `team=NAME`; so can shops and sources be.

    First how it came so, as the daemon noted each step; then how it stands now. For a rule that does not
    fire: what would become of it if it did. Times are of this machine's zone, named above them.
    """
    each, _, name = subject.partition("=")
    kind = "shop" if ":" in subject else "source"
    asked = {each: name} if each in EACH and name else {kind: subject}
    steps = Daemon(ctx, url, token).get("/why", rule=rule, **asked)["steps"]
    if form == "json":
        print_json(steps)
        return
    print_table(
        (zoned("at"), "step", "verdict", "reason"),
        [
            (local_time(step["at_ms"]), step["step"], step["verdict"], _timed(step["reason"]))
            for step in steps
        ],
        empty="no step was noted yet",
    )


def _timed(reason: str) -> str:
    """A reason with its times, which are epoch ms for other programs, as the clock on the wall shows them."""
    return _EPOCH_MS.sub(lambda found: local_time(int(found[0])), reason)
