"""The connection to PostgreSQL itself: it waits for no answer for ever, and takes any text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.types.string import StrBinaryDumper

from alerting.errors import StoreError

if TYPE_CHECKING:
    from psycopg.abc import PQGen

R = TypeVar("R")

ENCODING = "UTF8"  # whatever the environment says: ids of shops and customers are of every script


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
