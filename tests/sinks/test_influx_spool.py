"""The spool when its process or machine dies within a write, its folder goes, or the clock is set back."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from monitor.sinks.influx_spool import Spool, opened

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000


def lines(count: int, first: int = 0) -> list[str]:
    return [f"sla_line,shop=s1 asked={n}i {n}" for n in range(first, first + count)]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "influx.db"


@pytest.fixture
def spool(path):
    made = Spool(path, 1 << 30, 7 * DAY_MS)
    yield made
    made.close()


def again(path):
    """The points that the next process finds, and whether it had to begin anew."""
    spool = opened(path, 1 << 30, 1 << 50)
    found = spool.points
    batch = spool.take(1 << 30)
    assert (batch.points if batch else 0) == found, "all of them can be read"
    spool.close()
    return found, path.with_name("influx.db.set-aside").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from monitor.sinks.influx_spool import Spool
spool = Spool(Path(sys.argv[1]), 1 << 30, 1 << 50)
for n in range(20):
    spool.put([f"sla_line,shop=s{n} asked=1i {m}" for m in range(1_000)], 1)
spool._make_room = lambda now_ms: os.kill(os.getpid(), signal.SIGKILL)  # its rows are written, not committed
spool.put([f"sla_shop,shop=s1 waiting=1i {m}" for m in range(200_000)], 1)
"""


def test_kill_9_within_a_write_costs_that_write_and_nothing_before_it(path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert again(path) == (20_000, False)


@pytest.mark.parametrize("torn", ["cut", "zeros", "noise"])
def test_a_tail_that_a_power_cut_tore_is_left_out_and_all_before_it_is_there(path, spool, torn):
    """The system had written a part of the newest write: what came before it stands, what follows is gone."""
    spool.put(lines(5_000), NOW_MS)
    spool.put(lines(5_000, 5_000), NOW_MS)
    log = path.with_name("influx.db-wal")
    whole = log.stat().st_size
    spool.put(lines(5_000, 10_000), NOW_MS)
    found = path.with_name("found")
    found.mkdir()
    for file in (path, log):
        shutil.copy(file, found)
    tail = {"cut": b"", "zeros": b"\0" * 9_000, "noise": b"\xa5" * 9_000}[torn]
    with (found / log.name).open("r+b") as file:
        file.seek(whole + 6_000)  # within its second page
        file.truncate()
        file.write(tail)
    assert again(found / path.name) == (10_000, False)


def test_a_folder_that_is_removed_while_it_runs_is_told_and_nothing_that_waits_is_lost(path, spool):
    spool.put(lines(100), NOW_MS)
    batch = spool.take(1)
    shutil.rmtree(path.parent)
    spool.put(lines(10, 100), NOW_MS)
    assert spool.dropped == {"disk": 10}
    path.parent.mkdir()
    spool.put(lines(7, 200), NOW_MS)
    assert spool.points == 107
    spool.put(lines(1, 300), NOW_MS)
    spool.done(batch, NOW_MS)
    assert spool.points == 8
    spool.close()
    assert again(path) == (8, False)
    assert spool.dropped == {"disk": 10}


def test_what_another_process_has_sent_already_takes_nothing_new_with_it(path, spool):
    """Both took the same rows; one is done, and something new is put before the other is."""
    spool.put(lines(10), NOW_MS)
    other = Spool(path, 1 << 30, 7 * DAY_MS)
    both = spool.take(), other.take()
    other.done(both[1], NOW_MS)
    spool.put(lines(5, 10), NOW_MS)
    spool.done(both[0], NOW_MS)
    assert spool.points == 5
    other.close()


def test_a_clock_that_is_set_back_makes_nothing_old_and_gives_no_negative_age(spool):
    spool.put(lines(10), NOW_MS)
    spool.put(lines(10, 10), NOW_MS - 30 * DAY_MS)
    assert spool.points == 20
    assert spool.oldest_ms == NOW_MS - 30 * DAY_MS
    assert not spool.dropped


def test_what_was_put_while_the_clock_was_ahead_waits_no_longer_than_all_else(spool):
    """A year ahead, and back: it goes when its time in the spool is over by the right clock too."""
    spool.put(lines(10), NOW_MS + 365 * DAY_MS)
    spool.put(lines(10, 10), NOW_MS)
    assert spool.points == 20
    spool.put(lines(10, 20), NOW_MS + 8 * DAY_MS)
    assert spool.points == 10
    assert spool.dropped == {"old": 20}


def test_nobody_who_counts_what_was_lost_waits_for_the_disk(spool):
    """The event loop asks for it at each sample, and counts what finds the queue full: alerts hang on it."""
    spool.lose(3, "busy")
    counted: list[int] = []

    def count() -> None:
        spool.lose(4, "busy")
        counted.append(spool.dropped["busy"])

    with spool._lock:  # as long as another process or the disk lets a write wait
        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        thread.join(20)
        assert counted == [7]


def test_a_sender_that_comes_after_the_end_leaves_the_spool_where_it_is(path):
    spool = Spool(path, 1 << 30, 7 * DAY_MS)
    spool.put(lines(5), NOW_MS)
    spool.close()
    with pytest.raises(sqlite3.ProgrammingError):
        spool.take()
    assert again(path) == (5, False)
