"""A service manager is told that the daemon is ready, and that it lives."""

import socket

import pytest

from monitor.runtime.supervisor import Supervisor
from tests.runtime.live import Live


@pytest.fixture
def manager(tmp_path):
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener


@pytest.mark.live
def test_a_daemon_is_ready_once_it_answers_and_then_alive_each_second(manager, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    (tmp_path / "daemon").mkdir()
    with Live(tmp_path / "daemon", wecom="http://127.0.0.1:1") as daemon:
        daemon.start()
        told = [manager.recv(100) for _ in range(3)]
    assert told[0] in {b"READY=1", b"WATCHDOG=1"}  # the watchdog is a thread of its own
    assert set(told) == {b"READY=1", b"WATCHDOG=1"}
    assert told.count(b"READY=1") == 1


def test_an_address_without_a_file_is_told_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0slawatch-test-notify")
        listener.settimeout(5)
        Supervisor("@slawatch-test-notify").ready()
        assert listener.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_reason_to_end(tmp_path, capfd):
    Supervisor(str(tmp_path / "nobody")).alive()
    Supervisor("").alive()
    out, err = capfd.readouterr()
    assert "does not hear" in out + err
