"""A service manager is told that the daemon is ready, and that it lives."""

import gc
import os
import socket

import pytest

from monitor.commands.supervised import run_to_the_end
from monitor.runtime.supervisor import Supervisor
from tests.runtime.live import Live
from tests.waiting import PATIENCE_S


@pytest.fixture
def manager(tmp_path):
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.mark.live
def test_a_daemon_is_ready_once_it_answers_and_then_alive_each_second(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    (tmp_path / "daemon").mkdir()
    with Live(tmp_path / "daemon", wecom="http://127.0.0.1:1") as daemon:
        daemon.start()
        told = []
        while not {b"READY=1", b"WATCHDOG=1"} <= set(told):  # the watchdog is a thread of its own
            told.append(manager.recv(100))
        told += [manager.recv(100) for _ in range(2)]
    assert set(told) == {b"READY=1", b"WATCHDOG=1"}
    assert told.count(b"READY=1") == 1


def test_an_address_without_a_file_is_told_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"slawatch-test-{os.getpid()}"  # of the whole machine
        listener.bind(f"\0{name}")
        listener.settimeout(PATIENCE_S)
        Supervisor(f"@{name}").ready()
        assert listener.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_reason_to_end(tmp_path, capfd):
    Supervisor(str(tmp_path / "nobody")).alive()
    Supervisor("").alive()
    out, err = capfd.readouterr()
    assert "does not hear" in out + err


def test_at_its_end_nobody_looks_for_garbage_in_its_state():
    """Some 0.15 s for 200 MB, for which whoever starts it again would wait."""

    async def daemon():
        gc.unfreeze()

    run_to_the_end(daemon())
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
