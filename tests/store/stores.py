"""Both stores behind one door, for tests and for the processes they start."""

from __future__ import annotations

from monitor.store.postgres import PostgresStore
from monitor.store.sqlite import SqliteStore


def open_store(address: str, name: str = "test") -> SqliteStore | PostgresStore:
    """Open the store at an address or a path."""
    return PostgresStore(address, name) if address.startswith("postgresql:") else SqliteStore(address)
