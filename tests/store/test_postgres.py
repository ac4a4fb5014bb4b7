"""What is PostgreSQL's own: its schema, its sessions, and a server that goes away."""

import os
import signal
import threading

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from alerting.errors import Fenced, SchemaOld, SchemaTooNew, StoreBusy, StoreDown, StoreError
from alerting.policy.records import Changes, Cursor, Tick
from monitor.store import database, postgres_database
from monitor.store.postgres import PostgresStore
from monitor.store.postgres_look import look_at
from monitor.store.sqlite import SqliteStore
from rules.transition import Transition
from tests.waiting import PATIENCE_S, eventually

COLUMNS = (
    "select table_name, column_name from information_schema.columns"
    " where table_schema = 'public' and table_name != 'schema_version' order by 1, 2"
)
TYPES = {"bigint", "text", "bytea"}


@pytest.fixture
def address(postgres_server):
    return postgres_server.new_database()


@pytest.fixture
def store(address):
    opened = PostgresStore(address, "test")
    yield opened
    opened.close()


@pytest.fixture
def other(address):
    opened = PostgresStore(address, "other")
    yield opened
    opened.close()


# The schema


def test_both_databases_have_the_same_tables_columns_and_keys(store, tmp_path):
    lite = SqliteStore(tmp_path / "store.db")
    read = lite._db.read
    tables = [name for (name,) in read("select name from sqlite_master where type = 'table'")]
    columns = [
        (table, name)
        for table in tables
        if not table.startswith("sqlite_")
        for (name,) in read(f"select name from pragma_table_info('{table}')")
    ]
    assert store._db.read(COLUMNS) == sorted(columns)
    indexes = "select name from sqlite_master where type = 'index' and name not like 'sqlite_%' order by 1"
    ours = "select indexname from pg_indexes where schemaname = 'public' and strpos(indexname, '_pkey') = 0"
    assert sorted(store._db.read(ours)) == read(indexes)
    types = store._db.read(
        "select distinct data_type from information_schema.columns where table_schema = 'public'"
    )
    assert {name for (name,) in types} == TYPES
    lite.close()


def test_texts_are_ordered_by_code_point_as_in_sqlite(store):
    epoch = store.take(0).epoch
    keys = ["店", "a", "B", "é", "_"]
    store.save_state(0, epoch, [(key, "p", 1, b"1") for key in keys], 1, 0)
    assert [row[0] for row in store.load_state(0)] == sorted(keys)


def test_an_older_schema_is_refused_with_the_mend_until_told_to_migrate(address, monkeypatch):
    old = PostgresStore(address, "old")
    old.put_meta("k", b"kept")
    old.close()
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [*shipped, "create table later (x integer);"])
    needs = (
        rf"schema {len(shipped)}, this slawatch needs {len(shipped) + 1}.*pg_dump.*slawatch migrate --copied"
    )
    with pytest.raises(SchemaOld, match=needs):
        PostgresStore(address, "new")
    new = PostgresStore(address, "new", migrate=True)
    assert new.get_meta("k") == b"kept"
    assert new._db.read("select count(*) from later") == [(0,)]
    new.close()
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    with pytest.raises(
        SchemaTooNew, match=rf"schema {len(shipped) + 1}, .* knows up to {len(shipped)}; install"
    ):
        PostgresStore(address, "old")


def test_a_failing_migration_leaves_the_old_schema(address, monkeypatch):
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: [*shipped, "create table a (x integer); broken;"])
    with pytest.raises(StoreError, match="syntax error"):
        PostgresStore(address, "new")
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    store = PostgresStore(address, "test")
    assert store.get_meta("k") is None
    store.close()


def test_state_of_the_first_schema_is_kept(address, monkeypatch):
    shipped = database.migrations()
    monkeypatch.setattr(database, "migrations", lambda: shipped[:1])
    PostgresStore(address, "old").close()
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute("insert into shard values (0, 1, 5, 3, 9)")
        raw.execute("insert into shard_state values (0, 'a', 'head', 4, 'x')")
        raw.execute("insert into desk_input (at_ms, body) values (1, 'x'), (2, 'y')")
    monkeypatch.setattr(database, "migrations", lambda: shipped)
    store = PostgresStore(address, "new", migrate=True)
    assert list(store.load_state(0)) == [("a", "head", 4, b"x")]
    assert store.add_input(Tick(0)) == 3
    store.close()


def test_processes_that_start_together_make_the_schema_once(address):
    opened = []
    threads = [
        threading.Thread(target=lambda n=n: opened.append(PostgresStore(address, f"w{n}"))) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for store in opened:
        store.close()


# The session


def test_a_session_says_who_it_is_and_how_long_it_may_hold_others_up(store):
    names = ("application_name", *postgres_database.SESSION)
    query = "select " + ", ".join(f"current_setting('{name}')" for name in names)
    assert store._db.read(query) == [("slawatch test", "5s", "8s", "30s", "on")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("not-a-secret", "wrong"), "password authentication failed"),
        (("/test_", "/none_"), "does not exist"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_named_without_the_password(address, change, said, monkeypatch):
    monkeypatch.setattr(postgres_database, "DOWN_MS", 100)
    where = r"127\.0\.0\.1:\d+/"
    with pytest.raises(
        StoreDown, match=rf"{where}.* does not let us in .*{said}.*; see postgres.url"
    ) as caught:
        PostgresStore(address.replace(*change), "test")
    assert "not-a-secret" not in str(caught.value)
    assert "wrong" not in str(caught.value)


def test_a_server_that_has_no_connection_left_for_us_is_not_called_down(
    postgres_server, address, monkeypatch
):
    monkeypatch.setattr(postgres_database, "DOWN_MS", 100)
    postgres_server.execute(address, "create role crowd login password 'not-a-secret' connection limit 0")
    crowded = make_conninfo(address, user="crowd")
    with pytest.raises(StoreDown, match=r"all connections are taken \(.*role.*\); see who holds .*_activity"):
        PostgresStore(crowded, "test")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(StoreError, match="the store's address is none: postgresql://USER@HOST/DATABASE"):
        PostgresStore("postgres at home", "test")


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_CN"])
def test_a_database_that_cannot_hold_ids_of_every_script_is_refused_with_the_mend(postgres_server, encoding):
    """SQL_ASCII is what a server has that was made where LANG says nothing."""
    address = postgres_server.new_database(encoding=encoding)
    with pytest.raises(StoreError, match=f"its encoding is {encoding}, .*createdb --encoding=UTF8"):
        PostgresStore(address, "test")
    with pytest.raises(StoreError, match=f"its encoding is {encoding}"):
        look_at(address, 5)  # which the doctor tells


def test_ids_of_every_script_are_kept_whatever_the_environment_says(address, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "GBK")
    store, shop = PostgresStore(address, "test"), "mall:旗舰店 €🛒"
    store.save_state(0, store.take(0).epoch, [(shop, "shop", 1, b"x")], 1, 1)
    assert list(store.load_state(0)) == [(shop, "shop", 1, b"x")]
    store.close()


def test_it_is_copied_with_its_own_tools(store):
    with pytest.raises(StoreError, match="not copied to copy; use pg_dump, which copies while it is in use"):
        store.backup("copy")


# Two at once

WAITS = (
    "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
)


def test_inputs_of_several_senders_are_numbered_in_the_order_they_become_visible(store, other):
    """A desk that has read up to 7 must never find a 6 later."""
    with store._db.transaction() as run:
        seq = run.execute("update desk_number set input = input + 1 returning input").fetchone()[0]
        late = threading.Thread(target=other.add_input, args=(Tick(2),))
        late.start()
        eventually(lambda: run.execute(WAITS).fetchone() == (1,), what="the second sender's waiting")
        run.execute("insert into desk_input values (?, ?, ?)", (seq, 1, b"\x93\xa4tick"))
    late.join()
    assert [row[0] for row in store._db.read("select seq from desk_input order by seq")] == [1, 2]


def test_a_step_that_waits_for_its_own_first_try_adds_nothing(store, other):
    """The connection was lost, the statement goes on at the server, and the repeat meets it there."""
    epoch = store.take(0).epoch
    step = [
        Transition(0, "r", {"shop": "p:s"}, "ok", "firing", "warn", "warn", "rose", position=7, n=n)
        for n in range(3)
    ]
    with store._db.transaction() as run:
        run.execute("update shard set position = 7 where shard = 0")
        rows = [(0, 7, n, 0, msgspec.msgpack.encode(step[n])) for n in range(3)]
        run.executemany("insert into transition values (?, ?, ?, ?, ?)", rows)
        new = []
        repeat = threading.Thread(target=lambda: new.append(other.commit_step(0, epoch, 7, step)))
        repeat.start()
        eventually(lambda: run.execute(WAITS).fetchone() == (1,), what="the repeat's waiting")
    repeat.join()
    assert new == [0]
    assert store.transitions_after(Cursor({})) == step


def test_a_slice_far_larger_than_usual_is_stored_and_read_back(store):
    data = bytes(range(256)) * 4 * 1024
    rows = [(f"s{n}", "head", 1, data + b"%d" % n) for n in range(32)]
    store.save_state(0, store.take(0).epoch, rows, 1, 0)
    assert list(store.load_state(0)) == sorted(rows)


def test_of_two_senders_one_has_the_account(store, other):
    """Both ask at once, many times: never do both have it, and who has lost it cannot begin."""
    for round_ in range(30):
        now_ms, got = round_ * 100, {}
        barrier = threading.Barrier(2)

        def ask(name, opened, got=got, now_ms=now_ms, barrier=barrier):
            barrier.wait()
            got[name] = opened.lease("bot", name, now_ms, now_ms + 100)

        threads = [threading.Thread(target=ask, args=pair) for pair in (("one", store), ("two", other))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got.values()) == [False, True]


def test_two_that_wait_for_one_another_are_parted_and_one_is_told_to_try_again(store, other):
    store.put_meta("a", b"")
    store.put_meta("b", b"")
    busy = []

    def write(opened, names, barrier):
        try:
            with opened._db.transaction() as run:
                for name in names:
                    run.execute("update meta set value = ? where key = ?", (b"x", name))
                    if name == names[0]:
                        barrier.wait()
        except StoreBusy as error:
            busy.append(str(error))

    barrier = threading.Barrier(2)
    threads = [
        threading.Thread(target=write, args=(opened, names, barrier))
        for opened, names in ((store, "ab"), (other, "ba"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(busy) == 1
    assert "deadlock detected" in busy[0]
    assert "nothing was written, try again" in busy[0]


# A connection that goes


def end_sessions(address):
    """What a network, a proxy or an administrator does."""
    with psycopg.connect(address, autocommit=True) as raw:
        raw.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'slawatch %' and datname = current_database()"
        )


def test_a_lost_connection_is_taken_up_again_by_reads_steps_and_transactions(store, address):
    epoch = store.take(0).epoch
    for write in (
        lambda: store.commit_step(0, epoch, 1, []),
        lambda: store.save_state(0, epoch, [("a", "head", 1, b"1")], 1, 0),
        lambda: store.add_input(Tick(1)),
        lambda: store.get_meta("k"),
    ):
        end_sessions(address)
        write()
    assert store.take(0) == type(store.take(0))(epoch + 1, 1, 1, 0)
    assert len(store.inputs_after(0)) == 1


def test_a_connection_lost_in_the_middle_of_a_transaction_leaves_nothing(store, address):
    desk, cursor = store.take_desk()

    def write_in_two_parts():
        with store._db.transaction() as run:
            run.execute("insert into meta values (?, ?)", ("k", b"half"))
            end_sessions(address)
            run.execute("insert into meta values (?, ?)", ("l", b"half"))

    with pytest.raises(StoreDown, match="see that PostgreSQL runs"):
        write_in_two_parts()
    assert store.get_meta("k") is None
    store.commit_desk(desk, Changes({("alert", "a"): b"1"}), cursor)
    assert len(list(store.desk_rows())) == 1


class Cut:
    """A connection whose answer to a commit is lost, after the server had the commit or before."""

    def __init__(self, connection, address, *, arrives):
        self._connection, self._address, self._arrives = connection, address, arrives

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, query, *values):
        if query == "commit":
            if self._arrives:
                self._connection.execute(query)
            end_sessions(self._address)
            return self._connection.execute("select 1")
        return self._connection.execute(query, *values)


@pytest.mark.parametrize("arrives", [True, False])
def test_of_a_commit_that_was_not_answered_the_server_is_asked(store, address, arrives):
    begin = postgres_database._begin

    def begin_cut(connection):
        connection, number = begin(connection)
        return Cut(connection, address, arrives=arrives), number

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres_database, "_begin", begin_cut)
        if arrives:
            assert store.add_input(Tick(1)) == 1
        else:
            with pytest.raises(StoreDown, match="lost before a commit; nothing was written"):
                store.add_input(Tick(1))
    assert len(store.inputs_after(0)) == arrives
    assert store.add_input(Tick(2)) == 1 + arrives


# A server that goes


@pytest.mark.live
@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_a_server_that_goes_and_comes_back_under_writes_loses_and_repeats_nothing(own_postgres, how):
    address = own_postgres.new_database()
    answered, done, wrong = [], threading.Event(), []

    def write():
        store = PostgresStore(address, "writer")
        epoch, number = store.take(0).epoch, 0
        while not done.is_set():
            try:
                number = store.add_input(Tick(len(answered)))
                store.commit_step(0, epoch, number, [])
                store.save_state(0, epoch, [("a", "head", number, b"%d" % number)], number, 0)
            except StoreDown:
                continue
            except BaseException as error:
                wrong.append(error)
                raise
            answered.append(number)
        store.close()

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(3):
        before = len(answered)
        eventually(lambda before=before: len(answered) > before + 20 or wrong)
        if how == "kill":
            own_postgres.kill()
        else:
            own_postgres.stop(signal.SIGINT if how == "fast" else signal.SIGQUIT)
        own_postgres.start()
    before = len(answered)
    eventually(lambda: len(answered) > before + 20 or wrong)
    done.set()
    writer.join()
    assert wrong == []
    store = PostgresStore(address, "reader")
    inputs = [item.at_ms for _, item in store.inputs_after(0)]
    assert [number for number, _ in store.inputs_after(0)] == list(range(1, len(inputs) + 1))
    assert sorted(set(inputs)) == list(range(len(answered)))
    lease = store.take(0)
    assert (lease.position, lease.floor) == (answered[-1], answered[-1])
    store.close()


@pytest.mark.live
def test_a_server_that_stays_away_is_told_of_within_seconds(own_postgres, monkeypatch):
    store = PostgresStore(own_postgres.new_database(), "test")
    epoch = store.take(0).epoch
    own_postgres.stop()
    monkeypatch.setattr(postgres_database, "DOWN_MS", 300)
    for call in (lambda: store.get_meta("k"), lambda: store.commit_step(0, epoch, 1, []), store.take_desk):
        with pytest.raises(StoreDown, match="see that PostgreSQL runs"):
            call()
    own_postgres.start()
    monkeypatch.setattr(postgres_database, "DOWN_MS", 1_000 * PATIENCE_S)
    assert store.commit_step(0, epoch, 1, []) == 0
    store.close()


def test_a_stopped_owner_in_a_transaction_holds_up_his_successor_no_longer_than_his_session(store, other):
    """What several statements need (the desk's commit) is ended by the server when its process is stopped."""
    epoch, _ = store.take_desk()
    store._db.connection.execute("set idle_in_transaction_session_timeout = '300ms'")

    def commit_too_slowly():
        with store._db.transaction() as run:
            run.execute("update desk set input = 9 where epoch = ?", (epoch,))
            assert other.take_desk() == (epoch + 1, Cursor({}, 0))  # waits for the session's end
            run.execute("update desk set input = 10 where epoch = ?", (epoch,))

    with pytest.raises(StoreDown):
        commit_too_slowly()
    with pytest.raises(Fenced):
        store.commit_desk(epoch, Changes(), Cursor({}, 10))


def test_the_databases_clock_can_be_read(store):
    assert abs(store.now_ms() - store._db.read("select extract(epoch from now()) * 1000")[0][0]) < 60_000


def test_a_server_that_says_nothing_is_given_up_and_asked_anew(store):
    """What serves this connection stops, as on a machine that hangs; another process answers."""
    pid = store._db.connection.info.backend_pid
    store._db.connection.silent_s = 0.3
    os.kill(pid, signal.SIGSTOP)
    try:
        assert store.get_meta("k") is None
        assert store._db.connection.info.backend_pid != pid
    finally:
        os.kill(pid, signal.SIGCONT)
