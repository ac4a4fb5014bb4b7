"""What is SQLite's own: its file, and how an older one is migrated."""

import sqlite3

import pytest

from alerting.errors import SchemaTooNew, StoreError
from alerting.policy.records import Tick
from monitor.store import database
from monitor.store.sqlite import SqliteStore


def test_a_newer_schema_is_refused_with_the_mend(tmp_path):
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("pragma user_version = 99")
    raw.close()
    with pytest.raises(SchemaTooNew, match=r"schema 99.*install the newer version again"):
        SqliteStore(path)


def test_an_older_schema_is_migrated_after_a_copy(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    old = SqliteStore(path)
    old.put_meta("k", b"kept")
    old.close()
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [*shipped, "create table later (x);"])
    new = SqliteStore(path)
    assert new.get_meta("k") == b"kept"
    assert new._db.connection.execute("select count(*) from later").fetchone() == (0,)
    new.close()
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    copy = SqliteStore(tmp_path / f"store.db.schema-{len(shipped)}")
    assert copy.get_meta("k") == b"kept"
    copy.close()


def test_what_the_first_schema_held_is_kept(tmp_path, monkeypatch):
    path, shipped = tmp_path / "store.db", database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: shipped[:1])
    old = SqliteStore(path)
    run = old._db.connection.execute
    run("insert into shard values (0, 1, 5, 3, 9)")
    run("insert into shard_state values (0, 'a', 'head', 4, x'78')")
    run("insert into desk_input (at_ms, body) values (1, x'00'), (2, x'00')")
    run("update desk set input = 2")
    run("delete from desk_input")  # all are folded and pruned: their numbers are not given again
    old.close()
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    new = SqliteStore(path)
    assert list(new.load_state(0)) == [("a", "head", 4, b"x")]
    assert new.add_input(Tick(0)) == 3
    new.close()


def test_a_failing_migration_leaves_the_old_schema(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    SqliteStore(path).close()
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [*shipped, "create table a (x); broken;"])
    with pytest.raises(StoreError, match="syntax error"):
        SqliteStore(path)
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    SqliteStore(path).close()


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"store\.db: file is not a database; check the file"):
        SqliteStore(path)


def test_a_backup_taken_in_use_holds_what_was_committed(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    store.put_meta("k", b"v")
    store.backup(tmp_path / "copy.db")
    copy = SqliteStore(tmp_path / "copy.db")
    assert copy.get_meta("k") == b"v"
    copy.close()
    store.close()
