"""``slawatch doctor``: check what the daemon needs, and say what to do."""

from __future__ import annotations

import fcntl
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from functools import partial
from typing import TYPE_CHECKING

import click

from alerting.errors import AlertingError
from monitor.commands.context import DEFAULT, Configuration, as_far_as_right, load_configuration
from monitor.commands.output import Finding, format_option, print_json
from monitor.engine import fold
from monitor.errors import MonitorError
from rules.problems import RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.settings import Settings

FOUND = 1
SQLITE = (3, 38, 0)  # STRICT tables and `returning`, with the upserts the store uses
MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.option("--setup", is_flag=True, help="Make the data directory, and InfluxDB's buckets and tasks.")
@format_option
@click.pass_context
def command(ctx: click.Context, setup: bool, form: str) -> None:
    """Check every dependency of the daemon, and say what to do about each.

    Exit status 1 when something keeps the daemon from its work.
    """
    findings = list(_examine(ctx, setup=setup))
    if form == "json":
        print_json(findings)
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.state]}  {finding.what}{'; ' if finding.mend else ''}{finding.mend}")
    if any(finding.state == "fail" for finding in findings):
        raise click.exceptions.Exit(FOUND)


def _engine() -> Finding:
    if str(fold.__file__).endswith(".py"):
        mend = "a busy server is better served by the compiled one, see docs/operations.md"
        return Finding("ok", "engine as it is written", mend)
    return Finding("ok", "engine compiled")


def _examine(ctx: click.Context, *, setup: bool) -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]}")
    yield _engine()
    yield _sqlite()
    try:
        configuration = load_configuration(ctx)
    except MonitorError as error:
        yield from (Finding("fail", line) for line in str(error).splitlines())
        if (usable := as_far_as_right(ctx)) is not None:
            yield from _beside(usable, setup=setup)
        return
    if configuration.path is None:
        yield Finding("warn", f"no {DEFAULT} here: the defaults hold", "`slawatch init DIR` writes one")
    else:
        yield Finding("ok", f"configuration {configuration.path}")
    yield from _beside(configuration, setup=setup)


def _beside(configuration: Configuration, *, setup: bool) -> Iterator[Finding]:
    """Everything that the configuration names."""
    told, receivers = _alerting(configuration)
    yield from told
    yield from _rules(configuration, receivers)
    yield from _names(configuration)
    yield _data(configuration, setup=setup)
    yield _disk(configuration)
    yield from _stands_on(configuration)
    yield from _charts(configuration, setup=setup)
    yield from _door(configuration)


def _sqlite() -> Finding:
    found = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info >= SQLITE:
        return Finding("ok", found)
    return Finding("fail", f"{found} is too old", f"use a Python with {'.'.join(map(str, SQLITE))} or newer")


def _alerting(configuration: Configuration) -> tuple[list[Finding], frozenset[str] | None]:
    """The channels with their secrets; and the names rules may give, None where the file is wrong."""
    import httpx  # noqa: PLC0415

    from monitor.configured import load_alerting, read_secret  # noqa: PLC0415
    from monitor.directory import load_people  # noqa: PLC0415
    from monitor.on_call import on_call_notices  # noqa: PLC0415
    from monitor.runtime.clock import SystemClock  # noqa: PLC0415

    settings, path = configuration.settings, configuration.place(configuration.settings.alerting)
    try:
        people = load_people(configuration.place(settings.people))
    except MonitorError:
        people = None  # told among the names
    try:
        alerting = load_alerting(path, settings.language, people)
    except MonitorError as error:
        return [Finding("fail", line) for line in str(error).splitlines()], None
    found = []
    if not path.exists():
        found.append(
            Finding("warn", f"no {path}: alerts go to the terminal only", "`slawatch init DIR` writes one")
        )
    try:
        read = partial(read_secret, configuration.base)
        channels = alerting.channels(httpx.AsyncClient(), SystemClock(), read)
        alerting.callbacks(httpx.AsyncClient(), SystemClock(), read)
        alerting.receipt_readers(SystemClock(), read)
    except AlertingError as error:
        found += [Finding("fail", f"{path}: {line}") for line in str(error).splitlines()]
    else:
        found.append(Finding("ok", f"channels: {', '.join(channels)}; `slawatch notify-test` proves them"))
        real = [one for one in alerting.accounts.values() if one.type != "console"]
        if real and not settings.public_url and not any(one.buttons for one in real):
            what = "nobody can acknowledge from the phone: messages carry no link, and no account has buttons"
            found.append(Finding("warn", what, "set `public_url`, or add a `wecom_smart_bot`"))
        found += _unheard(len(real), alerting.heartbeat is not None)
    if people is not None:
        now_ms = time.time_ns() // 1_000_000
        found += [Finding("warn", one) for one in on_call_notices(alerting, people, path, now_ms)]
    return found, alerting.names()


def _unheard(accounts: int, heartbeat: bool) -> Iterator[Finding]:
    """Ways in which nobody would learn that nothing is told any more."""
    if accounts == 1:
        what = "there is one account: when it stops working, nobody can be told so"
        yield Finding("warn", what, "give `self_alerts` a second one, of another provider")
    if accounts and not heartbeat:
        what = "no heartbeat: nobody would notice the end of this machine"
        yield Finding("warn", what, "name an address as `heartbeat` in alerting.yaml (docs/watching.md)")


def _rules(configuration: Configuration, receivers: frozenset[str] | None) -> Iterator[Finding]:
    from rules.load import load_both  # noqa: PLC0415 - beside its only use

    settings = configuration.settings
    directory = configuration.place(settings.rules)
    try:
        of_packs = configuration.place(settings.packs) if settings.packs else None
        packs, found = load_both(of_packs, [directory], receivers)
    except RulesError as error:
        yield from (Finding("fail", str(problem)) for problem in error.problems)
        return
    yield Finding("ok", f"packs: {', '.join(packs)}")
    if found.rules:
        yield Finding("ok", f"rules: {len(found.rules)} in {directory}")
    else:
        yield Finding("fail", f"no rules in {directory}", "`slawatch init DIR` writes some to start from")
    yield from (Finding("warn", str(problem)) for problem in found.warnings)


def _stands_on(configuration: Configuration) -> Iterator[Finding]:
    from monitor.commands.stands_on import look  # noqa: PLC0415 - beside its only use

    return look(configuration)


def _charts(configuration: Configuration, *, setup: bool) -> Iterator[Finding]:
    from monitor.commands.charts import look  # noqa: PLC0415 - beside its only use

    return look(configuration, setup=setup)


def _names(configuration: Configuration) -> Iterator[Finding]:
    """Shops, compared with the packs where those can be read, and people."""
    from monitor.directory import load_people, load_shops  # noqa: PLC0415
    from monitor.shop_fits import packless, refuse_misfits  # noqa: PLC0415
    from rules.load import load_packs  # noqa: PLC0415

    shops_path = configuration.place(configuration.settings.shops)
    people_path = configuration.place(configuration.settings.people)
    of_packs = configuration.settings.packs
    try:
        packs = load_packs(configuration.place(of_packs) if of_packs else None)
    except RulesError:  # told among the rules
        packs = {}
    try:
        shops = load_shops(shops_path)
        if packs:
            refuse_misfits(shops_path, shops, packs)
    except MonitorError as error:
        yield from (Finding("fail", line) for line in str(error).splitlines())
    else:
        yield Finding("ok", f"shops: {len(shops)} named in {shops_path}")
        for platform, count in packless(shops, packs).items() if packs else ():
            what = f"shops of platform {platform!r}: no pack counts them, {count} named in {shops_path}"
            yield Finding("warn", what, f"platforms with a pack are {', '.join(packs)}")
    try:
        yield Finding("ok", f"people: {len(load_people(people_path))} named in {people_path}")
    except MonitorError as error:
        yield from (Finding("fail", line) for line in str(error).splitlines())


def _data(configuration: Configuration, *, setup: bool) -> Finding:
    path = configuration.place(configuration.settings.data)
    try:
        if setup:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            parent = next(p for p in path.absolute().parents if p.exists())
            return Finding("ok", f"data directory {path}: not there yet, will be made in {parent}")
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        mend = "make it writable, or name another as `data`"
        return Finding("fail", f"data directory {path}: {error.strerror}", mend)
    return Finding("ok", f"data directory {path} is writable")


def _disk(configuration: Configuration) -> Finding:
    path = configuration.place(configuration.settings.data).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    free, low = shutil.disk_usage(there).free, configuration.settings.low_water
    found = f"free disk {free >> 20} MB"
    if free > low:
        return Finding("ok", f"{found}, events are refused below {low >> 20} MB")
    return Finding(
        "fail", f"{found}: events are refused below {low >> 20} MB", "make room, or lower `low_water`"
    )


def _door(configuration: Configuration) -> Iterator[Finding]:
    """The address: free, or a slawatch that answers there; and who may come in."""
    from monitor.commands.tokens import FILE  # noqa: PLC0415
    from monitor.web.tokens import Tokens  # noqa: PLC0415

    settings = configuration.settings
    try:
        tokens = len(Tokens(configuration.place(settings.data) / FILE))
        settings.require_safe(tokens=tokens)
    except MonitorError as error:
        yield Finding("fail", str(error))
    else:
        yield Finding("ok", f"tokens: {tokens}")
    yield _address(settings, configuration.place(settings.data))


def _holds(data: Path) -> bool:
    """Whether a daemon has a folder for itself, as far as can be told; workers and desks share one."""
    try:
        with (data / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return False


def _address(settings: Settings, data: Path) -> Finding:
    import httpx  # noqa: PLC0415

    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((settings.host, settings.port))
        except OSError as error:
            taken = f"{settings.listen}: {error.strerror}"
        else:
            return Finding("ok", f"{settings.listen} is free; no daemon runs there")
    try:
        answer = httpx.get(f"http://{settings.listen}/readyz", timeout=2)
        problems = answer.json()["problems"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return Finding("fail", taken, "stop what listens there, or name another address as `listen`")
    clustered = settings.kafka.model_fields_set or settings.postgres.url
    if not clustered and not _holds(data):  # workers and desks share theirs
        what = f"a daemon answers at {settings.listen}, and none runs on {data}: it is another one's"
        return Finding("fail", what, "name another address as `listen`")
    if answer.is_success:
        return Finding("ok", f"a daemon answers at {settings.listen} and is ready")
    return Finding("warn", f"the daemon at {settings.listen} is not ready: {'; '.join(problems)}")
