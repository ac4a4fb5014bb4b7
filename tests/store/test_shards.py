"""The runtime's part of the store: epochs, positions, transitions, state, plans."""

import sqlite3

import pytest

from alerting.errors import Fenced, SchemaTooNew, StoreError, StoreFull
from alerting.policy.records import Cursor
from monitor.store import database
from monitor.store.port import ShardLease
from monitor.store.sqlite import SqliteStore
from rules.transition import Transition


@pytest.fixture
def store(tmp_path):
    opened = SqliteStore(tmp_path / "store.db")
    yield opened
    opened.close()


def transition(position, n=0, **fields):
    given = {
        "at_ms": position * 1000,
        "rule": "r",
        "subject": {"shop": f"pinduoduo:s{position}"},
        "from_state": "ok",
        "to_state": "firing",
        "severity": "crit",
        "verdict": "crit",
        "reason": "rose",
    }
    return Transition(**(given | fields), shard=0, position=position, n=n)


def stored(store):
    return [(t.position, t.n) for t in store.transitions_after(Cursor({}))]


def test_each_taking_raises_the_epoch_and_fences_the_owner_before(store):
    first = store.take(0)
    assert first == ShardLease(epoch=1, position=-1, floor=0, floor_clock_ms=0)
    assert store.take(0).epoch == 2
    assert not store.owned(0, 1)
    assert store.owned(0, 2)
    with pytest.raises(Fenced, match="shard 0: epoch 1 was taken over"):
        store.commit_step(0, 1, 5, [transition(5)])
    with pytest.raises(Fenced):
        store.save_state(0, 1, [("s", "head", 5, b"x")], 5, 0)
    assert stored(store) == []
    assert list(store.load_state(0)) == []


def test_a_step_is_its_own_retry(store):
    epoch = store.take(0).epoch
    assert store.commit_step(0, epoch, 7, [transition(6), transition(7, 0), transition(7, 1)]) == 3
    assert store.commit_step(0, epoch, 7, [transition(6), transition(7, 0), transition(7, 1)]) == 0
    assert store.commit_step(0, epoch, 8, [transition(7, 0), transition(8)]) == 1
    assert stored(store) == [(6, 0), (7, 0), (7, 1), (8, 0)]
    assert store.take(0).position == 8


def test_a_position_never_goes_back(store):
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 9, [])
    store.commit_step(0, epoch, 4, [])
    assert store.take(0).position == 9


def test_transitions_come_back_as_they_were(store):
    given = transition(3, items=(), notify="managers", after_the_fact=True)
    store.commit_step(0, store.take(0).epoch, 3, [given])
    assert store.transitions_after(Cursor({})) == [given]
    assert store.transitions_after(Cursor({0: 3})) == []


def test_the_transitions_of_one_record_are_read_together_however_many(store, monkeypatch):
    monkeypatch.setattr("alerting.limits.READ_ROWS", 4)
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 2, [transition(1), *(transition(2, n) for n in range(9))])
    store.commit_step(0, epoch, 3, [transition(3)])
    read = store.transitions_after(Cursor({}))
    assert [t.position for t in read] == [1] + [2] * 9
    assert [t.position for t in store.transitions_after(Cursor({0: 2}))] == [3]


def test_state_rows_are_replaced_and_deleted_and_carry_the_floor(store):
    epoch = store.take(0).epoch
    rows = [("b", "head", 4, b"1"), ("a", "day", 4, b"2"), ("a", "c1", 4, b"3")]
    store.save_state(0, epoch, rows, 3, 9_000)
    store.save_state(0, epoch, [("a", "day", 6, b"4"), ("b", "head", 6, None)], 5, 11_000)
    assert list(store.load_state(0)) == [("a", "c1", 4, b"3"), ("a", "day", 6, b"4")]
    assert store.take(0) == ShardLease(epoch=2, position=-1, floor=5, floor_clock_ms=11_000)


def test_shards_do_not_see_each_other(store):
    store.save_state(0, store.take(0).epoch, [("a", "head", 1, b"0")], 1, 0)
    store.save_state(1, store.take(1).epoch, [("a", "head", 1, b"1")], 1, 0)
    assert [row[3] for row in store.load_state(1)] == [b"1"]


def test_plans_and_meta(store):
    store.put_plan("h", b"plan")
    store.put_plan("h", b"other")
    assert store.get_plan("h") == b"plan"
    assert store.get_plan("unknown") is None
    store.put_meta("k", b"1")
    store.put_meta("k", b"2")
    assert store.get_meta("k") == b"2"


def test_a_full_disk_is_named_and_nothing_is_half_written(store):
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 1, [transition(1)])
    (pages,) = store._db.connection.execute("pragma page_count").fetchone()
    store._db.connection.execute(f"pragma max_page_count = {pages}")
    many = [transition(2, n, notify="x" * 3000) for n in range(50)]
    with pytest.raises(StoreFull, match="the disk is full, nothing was written; free some space"):
        store.commit_step(0, epoch, 2, many)
    assert stored(store) == [(1, 0)]
    store._db.connection.execute("pragma max_page_count = 1000000")
    assert store.commit_step(0, epoch, 2, many) == 50


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


def test_a_backup_taken_in_use_holds_what_was_committed(store, tmp_path):
    store.put_meta("k", b"v")
    store.backup(tmp_path / "copy.db")
    copy = SqliteStore(tmp_path / "copy.db")
    assert copy.get_meta("k") == b"v"
    copy.close()
