"""A writer that is killed at random leaves whole steps and nothing else."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from alerting.errors import Fenced, StoreBusy
from alerting.policy.records import Cursor
from tests.store.stores import open_store
from tests.waiting import PATIENCE_S, eventually, pass_real_time

WRITER = """
import sys
from rules.transition import Transition
from tests.store.stores import open_store

store = open_store(sys.argv[1], "writer")
lease = store.take(0)
for position in range(lease.position + 1, 10**9):
    transitions = [
        Transition(0, "r", {"shop": "p:s"}, "ok", "firing", "warn", "warn", "rose", position=position, n=n)
        for n in range(5)
    ]
    store.commit_step(0, lease.epoch, position, transitions)
    store.save_state(0, lease.epoch, [("p:s", "head", position, b"%d" % position)], position + 1, 0)
    print(position, flush=True)
"""


def test_killed_ten_times_every_answered_step_is_whole(address):
    answered = -1
    for round_ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, address], stdout=subprocess.PIPE, text=True)
        for _ in range(3 + round_ * 7):
            answered = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        answered = int(rest[-1]) if rest else answered

        store = open_store(address)
        found = []
        while more := store.transitions_after(Cursor({0: found[-1].position} if found else {})):
            found += more  # it goes on while this process waits for its turn, maybe for thousands of steps
        last = found[-1].position
        assert last in (answered, answered + 1)
        assert [(t.position, t.n) for t in found] == [(p, n) for p in range(last + 1) for n in range(5)]
        ((_, _, applied, data),) = store.load_state(0)
        assert (applied, data) in [(p, b"%d" % p) for p in (last - 1, last)]
        store.close()


def taken(store):
    """The shard; None where the file was never found unlocked in time, as it is by chance."""
    with suppress(StoreBusy):
        return store.take(0)


def test_a_writer_that_sleeps_through_a_takeover_is_refused(address):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    writer.stdout.readline()
    store = open_store(address)
    lease = eventually(lambda: taken(store), what="a gap between two steps")
    assert lease.epoch == 2
    _, errors = writer.communicate(timeout=PATIENCE_S)
    assert "Fenced: shard 0: epoch 1 was taken over" in errors
    with pytest.raises(Fenced):
        store.commit_step(0, 1, 10**6, [])
    assert store.commit_step(0, lease.epoch, 10**6, []) == 0
    store.close()


# What several processes on several machines do, and what only a server lets them do.

STOPPED = """
import sys
from monitor.store import postgres_database
from rules.transition import Transition
from tests.store.stores import open_store

postgres_database.SESSION["idle_in_transaction_session_timeout"] = 600_000
store = open_store(sys.argv[1], "stopped")
lease = store.take(0)
print("taken", flush=True)
many = [
    Transition(0, "r", {"shop": "p:s" * 400}, "ok", "firing", "warn", "warn", "rose", position=1, n=n)
    for n in range(20_000)
]
print("begins", flush=True)
store.commit_step(0, lease.epoch, 1, many)
print("stored", flush=True)
"""


@pytest.mark.live
@pytest.mark.parametrize("stopped_after_ms", [0, 30, 60, 90, 120, 180])
def test_an_owner_stopped_in_the_middle_of_a_step_holds_nobody_up_and_is_refused_after(
    postgres_server, stopped_after_ms
):
    """Wherever it stops, all of its one statement is stored or nothing, and it is fenced."""
    address = postgres_server.new_database()
    owner = subprocess.Popen(
        [sys.executable, "-c", STOPPED, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "taken\n"
    assert owner.stdout.readline() == "begins\n"
    pass_real_time(stopped_after_ms / 1_000)
    owner.send_signal(signal.SIGSTOP)
    store = open_store(address, "successor")
    lease = store.take(0)  # waits for a statement under way and not for the process, whose session is kept
    owner.send_signal(signal.SIGCONT)
    answer, errors = owner.communicate(timeout=PATIENCE_S)
    found = len(store.transitions_after(Cursor({})))
    assert (lease.epoch, lease.position, found) in [(2, -1, 0), (2, 1, 20_000)]
    if found:
        assert answer == "stored\n"
    else:
        assert "Fenced: shard 0: epoch 1 was taken over" in errors
    with pytest.raises(Fenced):
        store.commit_step(0, 1, 2, [])
    store.close()
