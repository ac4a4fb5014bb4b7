"""A standby takes over for PostgreSQL, with or without what was written last."""

import pytest

from alerting.errors import StoreReplaced
from monitor.store import postgres_session
from monitor.store.postgres import PostgresStore
from monitor.store.postgres_session import place_of
from tests.servers.postgres import PostgresServer
from tests.waiting import eventually

BOTH = "127.0.0.1:{},127.0.0.1:{}/"


@pytest.fixture
def standby(own_postgres):
    """Of a database that a test may lose."""
    server = PostgresServer(follows=own_postgres)
    yield server
    server.close()


def test_who_wrote_to_the_server_before_writes_nothing_to_the_one_that_took_over(own_postgres, standby):
    """What it holds in memory may be ahead of it; who opens the store anew begins with what is there."""
    database = own_postgres.new_database()
    standby.start()
    either = database.replace(f"127.0.0.1:{own_postgres.port}/", BOTH.format(own_postgres.port, standby.port))
    before = PostgresStore(either, "before")
    lease = before.take(0)
    before.commit_step(0, lease.epoch, 6, [])
    ours = standby.url(database.rpartition("/")[2])
    eventually(lambda: standby.execute(ours, "select position from shard") == [(6,)], what="that it followed")
    standby.stop()
    before.commit_step(0, lease.epoch, 8, [])
    own_postgres.kill()
    standby.start()
    standby.take_over()
    for _ in range(2):
        with pytest.raises(StoreReplaced, match="another server takes writes now"):
            before.commit_step(0, lease.epoch, 9, [])
    before.close()
    anew = PostgresStore(either, "anew")
    assert anew.take(0).position == 6
    anew.close()


def test_a_server_that_was_restarted_is_the_same(own_postgres):
    store = PostgresStore(own_postgres.new_database(), "same")
    epoch = store.take(0).epoch
    own_postgres.kill()
    own_postgres.start()
    assert store.owned(0, epoch)
    store.close()


def test_no_connection_is_used_that_was_not_asked_which_server_it_is(postgres_server, monkeypatch):
    """The question may fail and leave the connection open, as where an administrator cancels it."""
    store, answers = PostgresStore(postgres_server.new_database(), "asks"), ["select 1/0"]

    def timeline_of(connection):
        if answers:
            connection.execute(answers.pop())
        return "another"

    monkeypatch.setattr(postgres_session, "_timeline_of", timeline_of)
    store._db.connection.close()
    for _ in range(2):
        with pytest.raises(StoreReplaced):
            store.take(0)
    store.close()


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "localhost:5432/"),
        ({"host": "a", "port": "1", "dbname": "d"}, "a:1/d"),
        ({"host": "a,b", "dbname": "d"}, "a:5432,b:5432/d"),
        ({"host": "a,b", "port": "1,2", "dbname": "d"}, "a:1,b:2/d"),
    ],
)
def test_every_server_is_named(given, place):
    assert place_of(given) == place
