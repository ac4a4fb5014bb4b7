"""A writer that is killed at random leaves whole steps and nothing else."""

import signal
import subprocess
import sys

import pytest

from alerting.errors import Fenced
from alerting.policy.records import Cursor
from monitor.store.sqlite import SqliteStore

WRITER = """
import sys
from monitor.store.sqlite import SqliteStore
from rules.transition import Transition

store = SqliteStore(sys.argv[1])
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


def test_killed_ten_times_every_answered_step_is_whole(tmp_path):
    path = tmp_path / "store.db"
    answered = -1
    for round_ in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3 + round_ * 7):
            answered = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        answered = int(rest[-1]) if rest else answered

        store = SqliteStore(path)
        found = store.transitions_after(Cursor({}))
        last = found[-1].position
        assert last in (answered, answered + 1)
        assert [(t.position, t.n) for t in found] == [(p, n) for p in range(last + 1) for n in range(5)]
        ((_, _, applied, data),) = store.load_state(0)
        assert (applied, data) in [(p, b"%d" % p) for p in (last - 1, last)]
        store.close()


def test_a_writer_that_sleeps_through_a_takeover_is_refused(tmp_path):
    path = tmp_path / "store.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    writer.stdout.readline()
    store = SqliteStore(path)
    lease = store.take(0)
    assert lease.epoch == 2
    _, errors = writer.communicate(timeout=20)
    assert "Fenced: shard 0: epoch 1 was taken over" in errors
    with pytest.raises(Fenced):
        store.commit_step(0, 1, 10**6, [])
    assert store.commit_step(0, lease.epoch, 10**6, []) == 0
    store.close()
