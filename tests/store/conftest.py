"""Every test of a store runs on both databases."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.store.sqlite import SqliteStore
from tests.store.stores import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path):
    """Where an empty store is."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    return request.getfixturevalue("postgres_server").new_database()


@pytest.fixture
def store(address):
    """An open store."""
    opened = open_store(address)
    yield opened
    opened.close()


@dataclass
class SmallDisk:
    """A store on a disk that can be full."""

    store: object
    ballast: Path | None  # a file beside PostgreSQL's; SQLite has a maximum instead

    def fill(self):
        """Leave no room."""
        if self.ballast is not None:
            subprocess.run(["dd", "if=/dev/zero", f"of={self.ballast}"], check=False, capture_output=True)
            return
        (pages,) = self.store._db.connection.execute("pragma page_count").fetchone()
        self.store._db.connection.execute(f"pragma max_page_count = {pages}")

    def make_room(self):
        """Leave room again."""
        if self.ballast is not None:
            self.ballast.unlink()
        else:
            self.store._db.connection.execute("pragma max_page_count = 1000000")


@pytest.fixture(params=["sqlite", "postgres"])
def small_disk(request, tmp_path):
    """A store on a disk of its own."""
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "store.db")
        yield SmallDisk(store, None)
        store.close()
        return
    server = request.getfixturevalue("own_postgres")
    disk = server.new_disk(32 << 20)
    store = open_store(server.new_database(disk))
    yield SmallDisk(store, disk / "ballast")
    store.close()
