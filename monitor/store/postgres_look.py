"""How a PostgreSQL server is, asked without changing anything."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from alerting.errors import StoreDown, StoreError
from monitor.store.database import DESK_FILES
from monitor.store.postgres_database import LINK
from monitor.store.postgres_session import ENCODING, place_of, require_encoding


class Look(NamedTuple):
    """What a database says of itself."""

    where: str
    version: int  # of its schema; 0: there is none yet
    apart_ms: int  # its clock and ours
    desk: tuple[str, str] | None = None  # the digest of the leading desk's files, and its name


def look_at(address: str, answer_s: int) -> Look:
    """Ask a database how it is, and change nothing.

    Raises:
        StoreDown: It does not answer, or does not let us in.
        StoreError: The address is none, or the database cannot hold every shop's id.
    """
    try:
        given: dict[str, Any] = {
            **LINK,
            **conninfo_to_dict(address),
            "connect_timeout": answer_s,
            "client_encoding": ENCODING,
        }
    except psycopg.ProgrammingError as error:
        raise StoreError("the store's address is none: postgresql://USER@HOST/DATABASE") from error
    where = place_of(given)
    try:
        with psycopg.connect(make_conninfo(**given), autocommit=True) as link:
            require_encoding(where, link.info.parameter_status("server_encoding") or "")
            there = link.execute("select to_regclass('schema_version')").fetchone() != (None,)
            asked = link.execute("select version from schema_version").fetchone() if there else None
            metas = link.execute("select to_regclass('meta')").fetchone() != (None,)
            query = "select value from meta where key = %s"
            noted = link.execute(query, (DESK_FILES,)).fetchone() if metas else None
            (theirs,) = link.execute("select extract(epoch from clock_timestamp()) * 1000").fetchone() or (0,)
    except psycopg.Error as error:
        raise StoreDown(f"{where}: {str(error).splitlines()[0]}") from error
    apart_ms = abs(int(theirs) - time.time_ns() // 1_000_000)
    desk = msgspec.msgpack.decode(noted[0], type=tuple[str, str]) if noted else None
    return Look(where, asked[0] if asked else 0, apart_ms, desk)
