"""The doctor on what a daemon stands on: each broken dependency is named, with the mend."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
import time

import msgspec
import psycopg
import pytest

from monitor.commands import stands_on
from monitor.configured import configure
from monitor.settings import Settings
from monitor.store.database import DESK_FILES
from monitor.store.journal_file import open_journal
from monitor.store.postgres import PostgresStore
from monitor.store.sqlite import SqliteStore
from tests.commands.test_cli import slawatch
from tests.servers.postgres import PASSWORD


def doctor(folder):
    done = slawatch("--config", "slawatch.yaml", "doctor", "--format", "json", cwd=folder)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def about(findings, word):
    return [(one["state"], one["what"], one["mend"]) for one in findings if word in one["what"]]


@pytest.fixture
def folder(tmp_path):
    conf = tmp_path / "conf"
    assert slawatch("init", str(conf)).returncode == 0
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{door.getsockname()[1]}"
    path = conf / "slawatch.yaml"
    path.write_text(path.read_text().replace("127.0.0.1:8700", listen))
    (conf / "data").mkdir()
    SqliteStore(conf / "data" / "store.db").close()
    open_journal(conf / "data" / "journal.db", synced=False).close()
    return conf


def add(folder, text):
    with (folder / "slawatch.yaml").open("a") as file:
        file.write(text)


def test_files_that_are_whole_are_said_to_be(folder):
    status, findings = doctor(folder)
    assert status == 0
    assert [one[0] for one in about(findings, "store.db") + about(findings, "journal.db")] == ["ok", "ok"]


def test_a_damaged_store_and_a_journal_of_a_newer_slawatch_are_named_with_the_way_back(folder):
    store = folder / "data" / "store.db"
    store.write_bytes(b"SQLite format 3\0" + b"\7" * 8192)
    db = sqlite3.connect(folder / "data" / "journal.db")
    db.execute("pragma user_version = 99")
    db.close()
    status, findings = doctor(folder)
    assert status == 1
    ((state, what, mend),) = about(findings, "store.db")
    assert (state, "backup" in mend) == ("fail", True), what
    ((state, what, mend),) = about(findings, "journal.db")
    assert (state, "schema 99" in what, "newer" in mend) == ("fail", True, True)


def test_a_clock_that_was_moved_back_is_told_from_the_last_record(folder):
    db = open_journal(folder / "data" / "journal.db", synced=False)
    began_ms = time.time_ns() // 1_000_000
    ahead_ms = began_ms + 3_600_000
    db.execute("insert into record values (1, ?, 0, 'erp', 0, x'')", (ahead_ms,))
    db.close()
    status, findings = doctor(folder)
    ((state, what, mend),) = about(findings, "behind the last record")
    assert (status, state) == (1, "fail")
    behind = re.search(r"is (\d+) s behind", what)
    took_s = (time.time_ns() // 1_000_000 - began_ms) // 1000 + 1
    assert behind, what
    assert 3_600 - took_s <= int(behind[1]) <= 3_600
    assert "stands still" in mend


def test_a_clock_that_nobody_keeps_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stands_on, "synchronised", lambda: False)
    ((finding),) = stands_on._clock(tmp_path)
    assert (finding.state, finding.what) == ("warn", "no time service keeps the clock")
    monkeypatch.undo()
    assert stands_on.synchronised() in (True, False), "the kernel was asked"


def test_a_journal_that_may_outgrow_its_disk_is_told_before_it_does(folder):
    whole = shutil.disk_usage(folder).total  # what is free changes while others work here
    add(folder, f"\njournal: {{keep_size: {(whole >> 20) + 1000}MB}}\n")
    _, findings = doctor(folder)
    ((state, _, mend),) = about(findings, "more than fit")
    assert (state, "journal.keep_size" in mend) == ("warn", True)


def test_servers_that_do_not_answer_are_named(folder):
    with socket.socket() as door:  # bound, and nobody listens
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        add(folder, f"\npostgres: {{url: 'postgresql://slawatch@127.0.0.1:{port}/slawatch'}}\n")
        status, findings = doctor(folder)
    assert status == 1
    ((state, what, mend),) = about(findings, "PostgreSQL")
    assert (state, f"127.0.0.1:{port}/slawatch" in what, "postgres.url" in mend) == ("fail", True, True)
    assert about(findings, "Kafka") == [], "what is not set up is not asked"


@pytest.mark.live
def test_a_database_is_looked_at_and_left_as_it_is(folder, postgres_server):
    address = postgres_server.new_database()
    (folder / "password").write_text(PASSWORD)
    add(folder, f"\npostgres: {{url: '{address.replace(f':{PASSWORD}', '')}', password_file: password}}\n")
    _, findings = doctor(folder)
    ((state, what, _),) = about(findings, "PostgreSQL")
    assert (state, "still empty" in what) == ("ok", True), what
    with psycopg.connect(address) as link:
        assert link.execute("select to_regclass('schema_version')").fetchone() == (None,)
        link.execute("create table schema_version (version bigint)")
        link.execute("insert into schema_version values (99)")
    status, findings = doctor(folder)
    ((state, what, mend),) = about(findings, "schema 99")
    assert (status, state, "newer slawatch" in mend) == (1, "fail", True)


@pytest.mark.live
def test_files_that_are_not_those_of_the_leading_desk_are_named(folder, postgres_server):
    address = postgres_server.new_database()
    (folder / "password").write_text(PASSWORD)
    add(folder, f"\npostgres: {{url: '{address.replace(f':{PASSWORD}', '')}', password_file: password}}\n")
    store = PostgresStore(address, "desk")
    found = []
    for digest in (configure(Settings(), folder).desk_digest, "another"):
        store.put_meta(DESK_FILES, msgspec.msgpack.encode((digest, "desk a")))
        found.append(about(doctor(folder)[1], "those of the desk a, which leads"))
    store.close()
    assert found[0] == []
    (((state, _, mend),),) = found[1:]
    assert (state, "SIGHUP" in mend) == ("warn", True)
