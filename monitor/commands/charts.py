"""What the doctor finds of InfluxDB, and makes there with ``--setup``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from monitor.commands.output import Finding, plain
from monitor.errors import MonitorError
from monitor.settings import SECRET_PREFIX, secret_variable
from monitor.sinks import influx_setup
from monitor.sinks.influx_link import Answer, Link, Verdict
from monitor.sinks.influx_refused import packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.commands.context import Configuration

SETUP_TOKEN = f"{SECRET_PREFIX}INFLUX_SETUP"  # a token that may make buckets and tasks; the daemon's need not


def look(configuration: Configuration, *, setup: bool) -> Iterator[Finding]:
    """Whether InfluxDB takes figures and is set up; what is missing is made, or shown as its command."""
    settings = configuration.settings.influx
    if not settings.url:
        return
    try:
        token = settings.read_token(configuration.base)
    except (OSError, ValueError) as error:
        yield Finding("fail", f"influx: {error}", "figures wait on disk until there is a token")
        token = ""
    answer = _tried(configuration, token)
    if answer is not None:
        yield from _said(configuration, answer)
        if answer.verdict is not Verdict.STORED and not answer.own:
            return  # nobody is there who could be asked for more
    try:
        token = secret_variable(SETUP_TOKEN)
    except KeyError:
        if not token:
            return
    try:
        for step in influx_setup.set_up(settings, token, configuration.base, make=setup):
            made = ", made now" if step.state == "made" else ""
            ours = "`slawatch doctor --setup` makes it, or: " if step.state == "missing" else ""
            state: Literal["ok", "warn"] = "warn" if step.command else "ok"
            yield Finding(state, plain(f"influx: {step.what}{made}"), ours + step.command)
    except MonitorError as error:
        writes = answer is not None and answer.verdict is Verdict.STORED
        if error.code == "refused" and writes and not setup:
            mend = f"a token that may, as {SETUP_TOKEN}, has them looked at"
            yield Finding("ok", "influx: the token writes, buckets and tasks are not looked at", mend)
            return
        yield Finding("fail", plain(f"influx: {error.what}"), error.mend)
        if error.code == "refused":
            yield from _by_hand(configuration)


def _tried(configuration: Configuration, token: str) -> Answer | None:
    """What InfluxDB says to no points at all, sent as the daemon sends its; None: there is no token."""
    settings = configuration.settings.influx
    if not token:
        return None
    authority = configuration.place(settings.ca_file) if settings.ca_file else None
    link = Link(settings.url, settings.org, settings.bucket, lambda: token, authority)
    try:
        return link.post(packed(b""))
    finally:
        link.close()


def _said(configuration: Configuration, answer: Answer) -> Iterator[Finding]:
    settings = configuration.settings.influx
    words = plain(f"{answer.status or ''} {answer.words}".strip()[:200])
    if answer.verdict is Verdict.STORED:
        yield Finding("ok", f"influx: {settings.url} takes figures for bucket {settings.bucket}")
    elif answer.status in (401, 403):
        mend = f"name a token that may write to bucket {settings.bucket} in `influx.token_file`"
        yield Finding("fail", f"influx: {settings.url}: {words}", mend)
    elif not answer.own:
        mend = (
            "see that InfluxDB runs, and that `influx.url` (and `ca_file`) lead to it; figures wait on disk"
        )
        yield Finding("fail", f"influx: {settings.url}: {words}", mend)


def _by_hand(configuration: Configuration) -> Iterator[Finding]:
    """The commands for somebody who may, where our token may not."""
    settings = configuration.settings.influx
    said = f"with a token that may, as {SETUP_TOKEN} and --setup; or by hand: "
    for thing in (*influx_setup.buckets(settings), *influx_setup.tasks(settings)):
        by_hand = influx_setup.command(settings, thing)
        yield Finding("warn", f"influx: {thing.name} not looked at", said + by_hand)
