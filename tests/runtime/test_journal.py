"""What the journal promises: durable before answered, in order, once, bounded."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from monitor.store.journal import Journal, JournalLimits
from monitor.store.journal_reader import DiskLowError, JournalBusyError, JournalError, Kind
from tests.waiting import PATIENCE_S, eventually

ROOMY = 1 << 40


class Clock:
    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def rows_of(path):
    with Journal(path, Clock()) as journal:
        reader = journal.reader()
        rows = list(reader.read())
        reader.close()
    return rows


def test_rows_come_back_as_given_in_the_order_of_their_positions(path):
    with Journal(path, Clock(5_000)) as journal:
        given = [journal.append("erp", b"packed %d" % n, n) for n in range(1, 4)]
        tick, plan = journal.tick({"erp": 4_900}), journal.plan("abc123")
        assert [f.result(PATIENCE_S) for f in [*given, tick, plan]] == [(n, 5_000) for n in range(1, 6)]
    *events, ticked, planned = rows_of(path)
    assert [(r.kind, r.source, r.events, r.body) for r in events] == [
        (Kind.EVENTS, "erp", n, b"packed %d" % n) for n in range(1, 4)
    ]
    assert (ticked.kind, ticked.heard) == (Kind.TICK, {"erp": 4_900})
    assert (planned.kind, planned.plan) == (Kind.PLAN, "abc123")


def test_arrival_never_goes_back_even_when_the_clock_does_and_the_process_restarts(path):
    clock = Clock(9_000)
    with Journal(path, clock) as journal:
        assert journal.append("s", b"x", 1).result(PATIENCE_S).arrival_ms == 9_000
        clock.now_ms = 2_000
        assert journal.append("s", b"x", 1).result(PATIENCE_S) == (2, 9_000)
    with Journal(path, Clock(3_000)) as journal:
        assert journal.append("s", b"x", 1).result(PATIENCE_S) == (3, 9_000)


def test_a_batch_reads_about_so_many_events_and_at_least_one_row(path):
    with Journal(path, Clock()) as journal:
        for events in (400, 400, 400):
            journal.append("s", b"x", events)
        journal.tick({}).result(PATIENCE_S)
        reader = journal.reader()
        assert [r.position for r in reader.batch(1, 500)] == [1, 2]
        assert [r.position for r in reader.batch(3, 1)] == [3]
        assert reader.batch(5, 500) == []
        reader.close()


def test_the_first_position_of_a_time_is_found(path):
    clock = Clock()
    with Journal(path, clock) as journal:
        reader = journal.reader()
        assert reader.position_at(0) == 1
        for clock.now_ms in (10, 20, 20, 30):
            journal.append("s", b"x", 1).result(PATIENCE_S)
        assert [reader.position_at(ms) for ms in (0, 10, 11, 20, 21, 31)] == [1, 1, 2, 2, 4, 5]
        reader.close()


def test_under_the_low_water_mark_events_are_refused_while_ticks_go_on(path):
    free = [ROOMY]
    with Journal(path, Clock(), free_disk=lambda _: free[0]) as journal:
        journal.append("s", b"kept", 1).result(PATIENCE_S)
        free[0] = 100 << 20
        with pytest.raises(DiskLowError, match=r"less than 256 MB free beside .*journal.db; make room"):
            journal.append("s", b"refused", 1).result(PATIENCE_S)
        with pytest.raises(DiskLowError):
            journal.append("s", b"refused at once", 1)
        assert journal.tick({"s": 1}).result(PATIENCE_S).position == 2
        free[0] = ROOMY
        journal.tick({}).result(PATIENCE_S)  # the writer looks at the disk with each group
        assert journal.append("s", b"again", 1).result(PATIENCE_S).position == 4
    assert [r.body for r in rows_of(path) if r.kind is Kind.EVENTS] == [b"kept", b"again"]


def test_a_full_disk_refuses_the_group_and_loses_nothing_that_was_answered(path):
    with Journal(path, Clock()) as journal:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 20}")  # SQLITE_FULL, as ENOSPC gives
        bodies = [os.urandom(20_000) for _ in range(10)]
        outcomes = [journal.append("s", body, 1).exception(PATIENCE_S) for body in bodies]
        answered = [body for body, failure in zip(bodies, outcomes, strict=True) if failure is None]
        assert 0 < len(answered) < len(bodies)
        assert re.search("disk is full.*free some disk", str(outcomes[-1]))
        journal._db.execute("PRAGMA max_page_count = 1000000")
        assert journal.append("s", b"after", 1).result(PATIENCE_S).position == len(answered) + 1
    assert [r.body for r in rows_of(path)] == [*answered, b"after"]


def test_what_waits_is_bounded(path):
    with Journal(path, Clock(), limits=JournalLimits(pending_bytes_max=1_000)) as journal:
        with journal._wake:  # the writer cannot take anything meanwhile
            taken = [journal.append("s", bytes(900), 1), journal.append("s", bytes(900), 1)]
            with pytest.raises(JournalBusyError):
                journal.append("s", b"", 1)
        assert [f.result(PATIENCE_S).position for f in taken] == [1, 2]
        assert journal.append("s", b"", 1).result(PATIENCE_S).position == 3


@pytest.mark.parametrize(
    "kept", [JournalLimits(age_ms=1_000), JournalLimits(bytes_max=100_000)], ids=["by age", "by size"]
)
def test_retention_deletes_the_oldest_but_never_what_a_restore_needs(path, kept):
    clock = Clock(10_000)
    with Journal(path, clock, limits=kept) as journal:
        journal.keep_from = 700
        for _ in range(1_000):
            last = journal.append("s", os.urandom(500), 1)
        last.result(PATIENCE_S)
        clock.now_ms = 50_000
        reader = journal.reader()
        eventually(lambda: (journal.tick({}).result(PATIENCE_S), reader.ends()[0])[1] == 700)
        journal.tick({}).result(PATIENCE_S)
        assert reader.ends()[0] == 700
        journal.keep_from = 1 << 60
        eventually(lambda: (journal.tick({}).result(PATIENCE_S), reader.ends()[0])[1] >= 900)
        assert reader.batch(1, 1)[0].position == reader.ends()[0]
        reader.close()


def test_what_was_appended_before_closing_is_written_and_nothing_after(path):
    journal = Journal(path, Clock())
    waiting = [journal.append("s", b"x", 1) for _ in range(500)]
    journal.close()
    assert [f.result(0).position for f in waiting] == list(range(1, 501))
    with pytest.raises(JournalError, match="closed"):
        journal.append("s", b"x", 1)


def test_a_journal_of_a_newer_schema_is_refused_with_the_mend(path):
    Journal(path, Clock()).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match=r"newer slawatch \(schema 99, known 1\); upgrade"):
        Journal(path, Clock())


def test_a_reader_is_not_closed_under_a_thread_that_reads(path):
    """SQLite's connection would be freed while it is used, and the process end."""
    with Journal(path, Clock()) as journal:
        for _ in range(200):
            last = journal.append("s", os.urandom(2_000), 1)
        last.result(PATIENCE_S)
        for _ in range(100):
            reader, begun = journal.reader(), threading.Event()

            def read(reader=reader, begun=begun):
                with suppress(sqlite3.ProgrammingError):  # it is closed
                    while reader.batch(1, 200):
                        begun.set()

            reading = threading.Thread(target=read)
            reading.start()
            assert begun.wait(PATIENCE_S)
            reader.close()
            reading.join(PATIENCE_S)
            assert not reading.is_alive()


def test_many_threads_share_commits(path):
    commits = []
    with Journal(path, Clock()) as journal:
        journal.on_commit = lambda position, _: commits.append(position)

        def client():
            for _ in range(50):
                journal.append("s", b"x", 1).result(PATIENCE_S)

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.last.position == 400
    assert commits[-1] == 400
    assert len(commits) < 400


WRITER = """
import sys, threading, time
from pathlib import Path
from monitor.store.journal import Journal
journal = Journal(Path(sys.argv[1]), lambda: time.time_ns() // 1_000_000)
lock = threading.Lock()
def client(name):
    for n in range(10**9):
        at = journal.append(name, f"{name}:{n}".encode() * 20, 1).result()
        with lock:
            print(name, n, *at, flush=True)
for name in sys.argv[2:]:
    threading.Thread(target=client, args=(name,), daemon=True).start()
time.sleep(60)
"""


@pytest.mark.live
def test_killed_amid_group_commits_every_answered_append_is_there_exactly_once(path):
    """Ten kill -9 with four writers each; what was answered is in the file, where it was said to be."""
    answered = {}
    for turn in range(10):
        names = [f"w{turn}.{n}" for n in range(4)]
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), *names], stdout=subprocess.PIPE, text=True
        ) as process:
            lines = [process.stdout.readline() for _ in range(12 + 7 * turn)]
            process.send_signal(signal.SIGKILL)
            lines += process.stdout
        for line in lines:
            if line.endswith("\n"):
                name, n, position, arrival_ms = line.split()
                answered[int(position)] = (name, f"{name}:{n}".encode() * 20, int(arrival_ms))
    rows = rows_of(path)
    found = {r.position: (r.source, r.body, r.arrival_ms) for r in rows}
    assert len(answered) > 100
    assert {p: found[p] for p in answered} == answered
    assert len({r.body for r in rows}) == len(rows)
    assert [r.arrival_ms for r in rows] == sorted(r.arrival_ms for r in rows)
    assert [r.position for r in rows] == list(range(1, len(rows) + 1))
