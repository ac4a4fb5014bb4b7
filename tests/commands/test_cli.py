"""The command line as a user meets it: real processes, their output and their status."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import pytest

from monitor.cli import COMMANDS
from tests.waiting import PATIENCE_S


def slawatch(*args, cwd=None, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "monitor", *args],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def test_help_lists_every_command_and_imports_none():
    done = slawatch("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "monitor", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    heavy = ("fastapi", "pydantic", "httpx", "rich", "yaml", "msgspec", "sqlite3", "monitor.commands")
    assert [name for name in heavy if f"| {name}" in imported or f" {name}\n" in imported] == []


@pytest.mark.parametrize("args", [(), ("rules",), ("tokens",)])
def test_without_a_command_the_help_is_shown_line_by_line_with_status_two(args):
    done = slawatch(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == slawatch(*args, "--help").stdout


def test_the_commands_of_a_group_are_told_in_whole_sentences():
    shown = slawatch("alerts", "--help").stdout
    assert "..." not in shown.partition("Commands:")[2]
    assert "nobody is told again unless it gets worse." in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    done = slawatch(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: slawatch {name}")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["simulat"], "no command 'simulat'; did you mean simulate?"),
        (["xyzzy"], "no command 'xyzzy'; `slawatch --help` lists them"),
        (["rules", "chek"], "no command 'chek'; did you mean check? (see slawatch rules --help)"),
        (["tokens", "xyzzy"], "no command 'xyzzy'; `slawatch tokens --help` lists them"),
        (["demo", "--data", "/dev/null/x"], "/dev/null/x: Not a directory; name another --data"),
        (["simulate", "--to", "http://127.0.0.1:9"], "start the daemon, or name its address"),
        (["simulate", "--shops", "0"], "0 is not in the range 1<=x<=100000 (see slawatch simulate --help)"),
        (["simulate", "--shops", "x"], "'x' is not a whole number (see slawatch simulate --help)"),
        (["simulate", "--from", "25:00"], "'25:00' is not a time of day such as 10:00"),
        (["silence", "list"], "'list' is not NAME=VALUE; did you mean --list? (see slawatch silence --help)"),
        (["run", "--testing"], "--testing and --clock go together (see slawatch run --help)"),
        (["--config", "nowhere.yaml", "run"], "nowhere.yaml: No such file or directory"),
        (["--config", "nowhere.yaml", "doctor"], "nowhere.yaml: No such file or directory"),
        (["--config", "nowhere.yaml", "rules", "check"], "nowhere.yaml: No such file or directory"),
        (["rules", "check", "nowhere"], "Path 'nowhere' does not exist (see slawatch rules check --help)"),
        (["rules", "check", "--packs", "nowhere"], "Directory 'nowhere' does not exist"),
        (["simulate", "--to", "/nowhere/at/all.ndjson"], "/nowhere/at/all.ndjson: No such file or directory"),
        (
            ["simulate", "--to", "http://127.0.0.1:9", "--speed", "20"],
            "events of now come no faster than time;",
        ),
        (["simulate", "--to", "http://[::1"], "http://[::1: Invalid port: ':1'; name a daemon as http://"),
        (["simulate", "--truth", "/nowhere/it.json"], "'/nowhere/it.json': No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_with_status_two(args, says):
    done = slawatch(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("slawatch: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_simulate_writes_what_it_knows(tmp_path):
    """A packed file of events with arrivals, and the truth about each shop and day."""
    done = slawatch(
        *("simulate", "--shops", "3", "--seed", "5", "--day", "2026-11-11", "--from", "10:00"),
        *("--hours", "1", "--to", "day.ndjson.gz", "--truth", "truth.json"),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "")
    with gzip.open(tmp_path / "day.ndjson.gz") as file:
        events = [json.loads(line) for line in file]
    assert [event["received_at"] for event in events] == sorted(event["received_at"] for event in events)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert {row["day"] for row in truth} == {"2026-11-11"}
    assert {row["shop"] for row in truth} == {"pinduoduo:s1", "pinduoduo:s2", "taobao:s3"}
    assert sum(row["rounds"]["asked"] for row in truth) > 20


def test_output_may_be_cut_short():
    """``slawatch simulate | head -1`` ends quietly."""
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "simulate", "--shops", "20", "--day", "2026-11-11"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert json.loads(process.stdout.readline())["type"]
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=PATIENCE_S) == 0
