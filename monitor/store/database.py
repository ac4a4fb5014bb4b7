"""What the tables need of a database, and the schema it is given.

The SQL of the tables is written once, in what SQLite and PostgreSQL both understand: ``?`` or ``:name`` for
values, integers for truth and time, ``on conflict`` for what may be there already. Where the two differ,
``monitor.store.sqlite`` and ``monitor.store.postgres`` say how.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

Values: TypeAlias = "Sequence[Any] | Mapping[str, Any]"  # by place or by name

STATE_ROW_BYTES = 1 << 20  # of a shop's part in one row; a larger part is cut into rows of this size
DESK_FILES = "desk files"  # in `meta`: the digest of the leading desk's files, and its name
PAGE_ROWS = 1_000  # rows read at once where all of a table is wanted, so that no read is long


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it touched."""

    def fetchone(self) -> Any:
        """The next row; None: there is none."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""


class Transaction(Protocol):
    """Statements that become durable together."""

    def execute(self, query: str, values: Values = (), /) -> Rows:
        """Do one statement."""

    def executemany(self, query: str, values: Iterable[Values], /) -> object:
        """Do one statement for each of ``values``."""


class Database(Protocol):
    """One connection, used by the thread that opened it; each thread opens its own."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """All that is written inside is durable at its end, or nothing is."""

    def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""

    def close(self) -> None:
        """Let go of it."""


def migrations() -> list[str]:
    """The schema's migrations in order; the version of a database is how many it has had."""
    folder = resources.files("monitor.store") / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in files]
