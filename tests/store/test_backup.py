"""A backup is whole or not there, is of one moment, and is a data folder that a daemon starts on."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from monitor.errors import MonitorError
from monitor.store.backup import ALSO, NEEDED, back_up
from monitor.store.journal import Journal
from monitor.store.journal_reader import JournalReader
from monitor.store.sqlite import SqliteStore
from tests.waiting import PATIENCE_S


def quiet(*_):
    """Tell nobody."""


def folder(place, records=10):
    """A data folder with something in each of its files."""
    place.mkdir()
    store = SqliteStore(place / "store.db")
    store.put_meta("known", b"value")
    store.close()
    with Journal(place / "journal.db", lambda: 1_000) as journal:
        for n in range(records):
            journal.append("erp", b"%d" % n, 1).result(PATIENCE_S)
    sqlite3.connect(place / "dead_letters.db").close()
    (place / "tokens.json").write_text("[]")
    return place


def positions(path):
    reader = JournalReader(path)
    found = [row.position for row in reader.read()]
    reader.close()
    return found


def test_a_backup_has_everything_and_nothing_else(tmp_path):
    data, target = folder(tmp_path / "data"), tmp_path / "copy"
    told = []
    back_up(data, target, lambda name, done, of: told.append(name) if done == of else None)
    assert [name for name in told if name in NEEDED] == ["store.db", "journal.db"]
    assert sorted(path.name for path in target.iterdir()) == sorted((*NEEDED, *ALSO))
    assert positions(target / "journal.db") == list(range(1, 11))
    store = SqliteStore(target / "store.db")
    assert store.get_meta("known") == b"value"
    store.close()
    assert target.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_journal_that_is_written_meanwhile_is_copied_as_of_one_moment(tmp_path, monkeypatch):
    """In steps of one page and with a writer beside it: no gap, and an end that does not run away."""
    monkeypatch.setattr("monitor.store.backup._PAGES", 1)
    data = folder(tmp_path / "data", records=2_000)
    over = threading.Event()
    with Journal(data / "journal.db", lambda: 1_000) as journal:

        def write():
            while not over.is_set():
                journal.append("erp", b"x" * 5_000, 1).result(PATIENCE_S)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            back_up(data, tmp_path / "copy", quiet)
        finally:
            over.set()
            writer.join()
        copied = positions(tmp_path / "copy" / "journal.db")
        assert copied == list(range(1, len(copied) + 1))
        assert 2_000 <= len(copied) < journal.last.position


def test_a_backup_that_is_killed_never_looks_whole_and_the_next_one_is(tmp_path):
    data, target = folder(tmp_path / "data"), tmp_path / "copy"
    script = (
        "import sys, time; from pathlib import Path; from monitor.store.backup import back_up\n"
        "def stay(name, done, of):\n"
        "    if name == 'journal.db': print(name, flush=True); time.sleep(60)\n"
        "back_up(Path(sys.argv[1]), Path(sys.argv[2]), stay)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(data), str(target)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "journal.db\n"
        with pytest.raises(MonitorError, match=r"copy\.part: another backup writes it"):
            back_up(data, target, quiet)
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert (tmp_path / "copy.part" / "store.db").exists()
    back_up(data, target, quiet)
    assert positions(target / "journal.db") == list(range(1, 11))
    assert not (tmp_path / "copy.part").exists()


def test_what_is_there_is_not_touched_and_what_is_not_is_named(tmp_path):
    data = folder(tmp_path / "data")
    (tmp_path / "copy").mkdir()
    with pytest.raises(MonitorError, match=r"copy: is there already; name a folder that is not"):
        back_up(data, tmp_path / "copy", quiet)
    assert list((tmp_path / "copy").iterdir()) == []
    (data / "journal.db").unlink()
    with pytest.raises(MonitorError, match=r"data: no journal\.db; name the folder of an embedded daemon"):
        back_up(data, tmp_path / "other", quiet)


def test_a_backup_that_fails_leaves_nothing(tmp_path):
    data = folder(tmp_path / "data")
    (data / "journal.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(MonitorError, match=r"data → .*copy: file is not a database; see that"):
        back_up(data, tmp_path / "copy", quiet)
    with pytest.raises(MonitorError, match=r"nowhere/copy: No such file or directory"):
        back_up(data, tmp_path / "nowhere" / "copy", quiet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
