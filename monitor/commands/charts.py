"""What the doctor finds of InfluxDB, and makes there with ``--setup``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from monitor.commands.output import Finding
from monitor.errors import MonitorError
from monitor.settings import SECRET_PREFIX, secret_variable
from monitor.sinks import influx_setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.commands.context import Configuration

SETUP_TOKEN = f"{SECRET_PREFIX}INFLUX_SETUP"  # a token that may make buckets and tasks; the daemon's need not


def look(configuration: Configuration, *, setup: bool) -> Iterator[Finding]:
    """Whether InfluxDB is ready for figures; what is missing is made, or shown as its command."""
    settings = configuration.settings.influx
    if not settings.url:
        return
    try:
        token = secret_variable(SETUP_TOKEN)
    except KeyError:
        try:
            token = settings.read_token(configuration.base)
        except (OSError, ValueError) as error:
            yield Finding("fail", f"influx: {error}", "figures wait on disk until there is a token")
            return
    try:
        for step in influx_setup.set_up(settings, token, configuration.base, make=setup):
            made = ", made now" if step.state == "made" else ""
            ours = "`slawatch doctor --setup` makes it, or: " if step.state == "missing" else ""
            state: Literal["ok", "warn"] = "warn" if step.command else "ok"
            yield Finding(state, f"influx: {step.what}{made}", ours + step.command)
    except MonitorError as error:
        yield Finding("fail", f"influx: {error.what}", error.mend)
        if error.code == "refused":
            yield from _by_hand(configuration)


def _by_hand(configuration: Configuration) -> Iterator[Finding]:
    """The commands for somebody who may, where our token may not."""
    settings = configuration.settings.influx
    said = f"with a token that may, as {SETUP_TOKEN} and --setup; or by hand: "
    for thing in (*influx_setup.buckets(settings), *influx_setup.tasks(settings)):
        by_hand = influx_setup.command(settings, thing)
        yield Finding("warn", f"influx: {thing.name} not looked at", said + by_hand)
