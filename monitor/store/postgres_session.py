"""The connection to PostgreSQL itself: it waits for no answer for ever, and takes any text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.types.string import StrBinaryDumper

from alerting.errors import StoreError, StoreReplaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.abc import PQGen

R = TypeVar("R")
log = structlog.get_logger(__name__)

_TIMELINE = (
    b"select system_identifier::text || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)"
    b" from pg_control_system() where not pg_is_in_recovery()"
)
_NOT_SAID = (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported)
ENCODING = "UTF8"  # whatever the environment says: ids of shops and customers are of every script


def place_of(given: Mapping[str, Any]) -> str:
    """A database as messages name it, ``host:port/name``; of several servers each."""
    hosts = str(given.get("host") or "localhost").split(",")
    ports = str(given.get("port") or 5432).split(",")
    servers = zip(hosts, ports * len(hosts), strict=False)  # one port stands for all of them
    return ",".join(f"{host}:{port}" for host, port in servers) + f"/{given.get('dbname') or ''}"


def require_encoding(where: str, found: str) -> None:
    """Refuse a database of another encoding.

    Raises:
        StoreError: With the mend.
    """
    if found != ENCODING:
        raise StoreError(
            f"{where}: its encoding is {found}, which cannot hold every shop's id; make another"
            f" (createdb --encoding={ENCODING} --locale=C --template=template0 NAME)"
        )


class History:
    """The history of writes that a process goes on in: it is another one once a standby took over.

    A promoted standby, and a copy rolled forward to a moment, begin a timeline of their own; a server that
    was only restarted goes on in the same.
    """

    def __init__(self) -> None:
        self._known = ""

    def require_same(self, connection: psycopg.Connection[tuple[Any, ...]], where: str) -> None:
        """Refuse a server that may lack what this process wrote, on which what it holds in memory builds.

        Raises:
            StoreReplaced: At this call and at every later one; the connection is closed.
        """
        found = _timeline_of(connection)
        if found and self._known not in {"", found}:
            connection.close()
            raise StoreReplaced(
                f"{where}: another server takes writes now, and it may lack what was written last; "
                "start again, to begin with what it has"
            )
        self._known = found or self._known


def _timeline_of(connection: psycopg.Connection[tuple[Any, ...]]) -> str:
    """With the cluster's name; empty: it is a standby, which takes no writes, or it does not say."""
    try:
        rows = connection.execute(_TIMELINE).fetchall()
    except _NOT_SAID as error:
        log.warning("no look at the timeline: a standby that takes over goes unnoticed", error=str(error))
        return ""
    return str(rows[0][0]) if rows else ""


class Text(StrBinaryDumper):
    """A text without NUL, which PostgreSQL does not take: what a provider answers may hold one."""

    def dump(self, obj: str) -> Any:
        """The text as bytes."""
        return super().dump(obj.replace("\0", "\ufffd"))


class Patient(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever: for a stopped server, or one whose disk hangs."""

    silent_s: float | None = None

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Wait for the server's part, and no longer than ``silent_s``."""
        try:
            return super().wait(gen, interval, timeout or self.silent_s)
        except psycopg.OperationalError as error:
            if error.sqlstate is None:  # it did not answer; what it answers now would be taken for another's
                self.close()
            raise
