"""What keeps ``slawatch run`` from starting is one line with its mend, never a traceback."""

from __future__ import annotations

import pytest

from tests.commands.test_cli import slawatch


@pytest.fixture
def conf(tmp_path):
    assert slawatch("init", "conf", cwd=tmp_path).returncode == 0
    path = tmp_path / "conf" / "slawatch.yaml"
    path.write_text("listen: 127.0.0.1:0\n")
    (tmp_path / "conf" / "data").mkdir()
    return path


def refused(conf):
    done = slawatch("--config", str(conf), "run")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    return line.replace(f"{conf.parent}/", "")


@pytest.mark.parametrize("name", ["journal.db", "store.db", "dead_letters.db"])
def test_a_file_that_is_no_database(conf, name):
    (conf.parent / "data" / name).write_text("these are not the bytes of a database " * 9)
    line = refused(conf)
    assert f"data/{name}: file is not a database; " in line


def test_data_that_is_no_directory(conf):
    (conf.parent / "data").rmdir()
    (conf.parent / "data").write_text("")
    assert refused(conf) == (
        "slawatch: data/tokens.json: Not a directory; make `data` a directory that can be written"
    )
    found = slawatch("--config", str(conf), "doctor")
    assert found.returncode == 1
    assert "data: Not a directory; make it writable, or name another as `data`" in found.stdout


def test_data_that_cannot_be_written(conf):
    (conf.parent / "data" / "lock").mkdir()  # what no right to write looks like, also to root
    assert refused(conf) == (
        "slawatch: data: Is a directory; make it writable, or name another folder as `data`"
    )


def test_the_directory_that_is_made_is_for_its_owner_alone(conf):
    """Journal and state hold customers' ids in clear."""
    (conf.parent / "data").rmdir()
    assert slawatch("--config", str(conf), "doctor", "--setup").returncode == 0
    assert (conf.parent / "data").stat().st_mode & 0o777 == 0o700
