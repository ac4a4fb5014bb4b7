"""Several desks, of which one leads: killed and stopped at random, they decide as one undisturbed."""

import os
import subprocess
import sys
import threading

import pytest

from alerting.desk import Desk
from alerting.policy.records import Cursor
from monitor.store.postgres import PostgresStore
from rules.transition import Transition
from tests.store.desk_race import POLICY
from tests.waiting import eventually

KILLS = int(os.environ.get("TEST_KILLS", "100"))
AHEAD = 100  # records the desks are given beyond what they have folded, so that each kill meets work


def transition(position):
    """One of three shops, whose alerts fire and end again and again."""
    round_, shop = divmod(position, 3)
    states = ("firing", "ok") if round_ % 2 else ("ok", "firing")
    return Transition(
        position, "r", {"shop": f"p:{shop}"}, *states, "crit", "crit", "reached", position=position
    )


def folded(store):
    """The last record whose decisions are stored."""
    return store._db.read("select coalesce(max(position), -1) from desk_position")[0][0]


def feed(address, enough, log):
    store = PostgresStore(address, "shard")
    epoch = store.take(0).epoch
    while not enough.is_set():
        some = [transition(position) for position in range(len(log), len(log) + 20)]
        store.commit_step(0, epoch, some[-1].position, some)
        log += some
        least = len(log) - AHEAD
        eventually(lambda least=least: folded(store) > least, what="some desk's folding")
    store.close()


@pytest.mark.live
@pytest.mark.slow
def test_desks_killed_at_random_decide_as_one(postgres_server):
    address, enough, log = postgres_server.new_database(), threading.Event(), []
    PostgresStore(address, "first").close()
    feeding = threading.Thread(target=feed, args=(address, enough, log))
    command = [sys.executable, "-m", "tests.store.desk_race", address]
    race = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    feeding.start()
    store = PostgresStore(address, "looks")
    for _ in range(KILLS):  # each once there is work done since the one before, however slow the machine is
        before = folded(store)
        eventually(lambda before=before: folded(store) > before, what="some desk's folding")
        race.stdin.write("kill\n")
        race.stdin.flush()
        assert race.stdout.readline() == "killed\n"
    enough.set()
    feeding.join()
    eventually(lambda: folded(store) == log[-1].position, what="all being folded")
    race.communicate()
    assert race.returncode == 0

    alone, wanted, rows = Desk(POLICY, (), Cursor({}, 0)), set(), {}
    for one in log:
        changes = alone.fold([one])
        wanted |= {intent.id for intent in changes.intents}
        rows |= changes.rows
    assert len(wanted) > KILLS
    assert {intent for (intent,) in store._db.read("select id from intent")} == wanted
    kept = {(kind, key): body for kind, key, body in store.desk_rows()}
    assert kept == {key: body for key, body in rows.items() if body is not None}
    told = store._db.read("select count(*) from trace where step = 'rule'")
    assert told == [(len(log),)]  # each was decided once
    ((epochs,),) = store._db.read("select epoch from desk")
    assert epochs > KILLS / 5  # the lead changed hands again and again
    store.close()
