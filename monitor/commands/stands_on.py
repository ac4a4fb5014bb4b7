"""What the doctor finds of the servers, files and clock that a daemon stands on. It changes none of them."""

from __future__ import annotations

import ctypes
import shutil
import sqlite3
import struct
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

from alerting.errors import StoreError
from monitor.commands.cluster import needs
from monitor.commands.output import Finding
from monitor.configured import configure
from monitor.errors import MonitorError
from monitor.store.database import migrations
from monitor.store.journal_file import SCHEMA_VERSION
from rules.problems import RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from monitor.commands.context import Configuration

SCANNED_BYTES = 256 << 20  # a larger file is looked at in its first and last rows only
APART_MS = 1_000  # clocks of machines that share a database may differ by so much
ANSWER_S = 5
_UNSYNCED, _STATUS_AT = 0x40, 40  # STA_UNSYNC; `status` in Linux' struct timex of 64 bits
_LOOKED_AT = "select arrival_ms from record order by position"


def look(configuration: Configuration) -> Iterator[Finding]:
    """Everything, from the nearest on."""
    data = configuration.place(configuration.settings.data)
    yield from _file("store", data / "store.db", len(migrations()))
    yield from _file("journal", data / "journal.db", SCHEMA_VERSION)
    yield from _room(configuration, data)
    yield from _clock(data)
    if configuration.settings.kafka.model_fields_set:
        yield from _kafka(configuration)
    if configuration.settings.postgres.url:
        yield from _postgres(configuration)


def _file(what: str, path: Path, known: int) -> Iterator[Finding]:
    """Whether a database of ours can be read, is whole, and is of this version."""
    if not path.exists():
        return
    mend = "put back a backup (docs/operations.md: Restore); figures are refolded from the journal"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=ANSWER_S)) as db:
            (version,) = db.execute("pragma user_version").fetchone()
            small = path.stat().st_size <= SCANNED_BYTES
            (verdict,) = db.execute(f"pragma {'quick_check(1)' if small else 'schema_version'}").fetchone()
            if not small and what == "journal":
                db.execute(f"{_LOOKED_AT} limit 1").fetchone()
                db.execute(f"{_LOOKED_AT} desc limit 1").fetchone()
    except (sqlite3.Error, OSError) as error:
        yield Finding("fail", f"{what} {path}: {error}", mend)
        return
    if version > known:
        upgrade = "install the newer slawatch again, or restore the copy made before it ran"
        yield Finding("fail", f"{what} {path}: schema {version}, this slawatch knows up to {known}", upgrade)
    elif small and verdict != "ok":
        yield Finding("fail", f"{what} {path} is damaged: {verdict}", mend)
    else:
        later = "" if version == known else f"; of schema {version}, it is migrated at the next start"
        yield Finding("ok", f"{what} {path}: {path.stat().st_size >> 20} MB{later}")


def _room(configuration: Configuration, data: Path) -> Iterator[Finding]:
    """Whether the journal may grow to what the configuration allows it."""
    settings, path = configuration.settings, data / "journal.db"
    there = next(p for p in (data.absolute(), *data.absolute().parents) if p.exists())
    has = path.stat().st_size if path.exists() else 0
    short = settings.journal.keep_size + settings.low_water - has - shutil.disk_usage(there).free
    if short > 0:
        what = (
            f"the journal may grow to {settings.journal.keep_size >> 20} MB: {short >> 20} MB more than fit"
        )
        yield Finding("warn", what, "lower `journal.keep_size`, or give it a larger disk")


def _clock(data: Path) -> Iterator[Finding]:
    now_ms, last_ms = time.time_ns() // 1_000_000, _last_arrival_ms(data / "journal.db")
    if last_ms - now_ms > APART_MS:
        what = f"the clock is {(last_ms - now_ms) // 1_000} s behind the last record of the journal"
        yield Finding("fail", what, "set it: until then every figure stands still")
    elif not synchronised():
        what = "no time service keeps the clock"
        yield Finding("warn", what, "run chrony or systemd-timesyncd: deadlines are seconds")
    else:
        yield Finding("ok", "clock")


def _last_arrival_ms(path: Path) -> int:
    """When the last record was written; 0: none is there, or it cannot be read, which is told elsewhere."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            found = db.execute(f"{_LOOKED_AT} desc limit 1").fetchone()
    except sqlite3.Error:
        return 0
    return int(found[0]) if found else 0


def synchronised() -> bool:
    """Whether the kernel says that its clock is kept; where it cannot be asked, it is taken to be."""
    if not sys.platform.startswith("linux"):
        return True
    asked = ctypes.create_string_buffer(256)  # modes 0: nothing is set
    if ctypes.CDLL(None).adjtimex(asked) < 0:
        return True
    (status,) = struct.unpack_from("i", asked, _STATUS_AT)
    return not status & _UNSYNCED


def _kafka(configuration: Configuration) -> Iterator[Finding]:
    settings = configuration.settings.kafka
    try:
        with needs("kafka"):
            from monitor.runtime.cluster import link, topics  # noqa: PLC0415 - an extra
        found = topics.check(link.link_of(settings, configuration.base), settings)
    except MonitorError as error:
        yield Finding("fail", f"Kafka at {settings.brokers}: {error}")
        return
    for one in found:
        yield Finding("fail" if one.fatal else "warn", f"Kafka: {one.what}", one.mend)
    if not found:
        yield Finding("ok", f"Kafka at {settings.brokers}: topic {settings.topic} is as it should be")


def _postgres(configuration: Configuration) -> Iterator[Finding]:
    try:
        with needs("postgres"):
            from monitor.store.postgres_look import look_at  # noqa: PLC0415 - an extra
        found = look_at(configuration.settings.postgres.address(configuration.base), ANSWER_S)
    except (MonitorError, StoreError) as error:
        mend = "start it, or mend `postgres.url` and its password; workers wait and lose nothing"
        yield Finding("fail", f"PostgreSQL: {error}", mend)
        return
    known = len(migrations())
    if found.version > known:
        mend = "install the newer slawatch here, too"
        yield Finding("fail", f"{found.where}: schema {found.version}, known is {known}", mend)
    elif 0 < found.version < known:
        mend = "stop all on it, copy it, then `slawatch migrate --copied`"
        yield Finding("fail", f"{found.where}: schema {found.version}, this slawatch needs {known}", mend)
    else:
        empty = "" if found.version else ", still empty: the first start makes its tables"
        yield Finding("ok", f"PostgreSQL {found.where} answers{empty}")
    if found.desk:
        yield from _desk_files(configuration, *found.desk)
    if found.apart_ms > APART_MS:
        what = f"this machine's clock and the database's are {found.apart_ms / 1_000:.1f} s apart"
        yield Finding("warn", what, "have a time service keep both: leases are told by the database's")


def _desk_files(configuration: Configuration, digest: str, owner: str) -> Iterator[Finding]:
    """Whether the files here are those by which the desk that leads decides who is told."""
    try:
        ours = configure(configuration.settings, configuration.base).desk_digest
    except (MonitorError, RulesError):
        return  # told elsewhere, each mistake at its place
    if ours != digest:
        what = f"alerting.yaml, people.yaml or shops.yaml here are not those of the {owner}, which leads"
        yield Finding("warn", what, "make them the same, and send SIGHUP to the desks")
