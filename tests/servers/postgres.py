"""A PostgreSQL server of the test's own: real, durable, on loopback, killed and started again at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.waiting import PATIENCE_S, end_of, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PASSWORD = "not-a-secret"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "on",  # what is answered survives: the point of every test with a kill
    "logging_collector": "off",
}

MEMORY_BYTES = 4 << 30  # some 120 databases of 8 MB in all of a run's processes, and as much again to spare


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL here; Debian keeps it out of the path."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None) or shutil.which("initdb")
    return Path(newest).resolve().parent if newest else None


def memory() -> Path | None:
    """A folder in memory with room for the databases of a run; None: there is none, and a disk must do.

    Making a database writes and syncs some 300 files, at which a disk is slow. What a test asserts of a
    server that is not killed is the same on both.
    """
    folder = Path("/dev/shm")
    return folder if folder.is_dir() and shutil.disk_usage(folder).free > MEMORY_BYTES else None


def missing() -> str:
    """Why no server can be started here; empty: one can."""
    return "" if binaries() else "no PostgreSQL server: install one (Debian: postgresql)"


class PostgresServer:
    """One server on a folder and a port of its own; the port stays the same when it starts again.

    Args:
        settings: Beside, or in place of, those of tests.
        folder: Below which it keeps all of its own; None: where temporary files are.
        follows: The server that it is a standby of, from a copy of now on.
    """

    def __init__(
        self,
        settings: Mapping[str, str] = MappingProxyType({}),
        folder: Path | None = None,
        follows: PostgresServer | None = None,
    ) -> None:
        self._settings = SETTINGS | dict(settings)
        bin_folder = binaries()
        assert bin_folder is not None, missing()
        self.bin = bin_folder
        # It refuses to run as root, and its folder must be its own: not below a folder of pytest's.
        self.user = "postgres" if os.getuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="slawatch-postgres-", dir=folder))
        if self.user:
            owner = pwd.getpwnam(self.user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._disk: Path | None = None
        if follows is None:
            password = self.folder / "password"
            password.write_text(PASSWORD)
            password.chmod(0o644)
            options = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
            self._run("initdb", f"--pgdata={self.folder / 'data'}", "--encoding=UTF8", "--locale=C", *options)
        else:
            options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--dbname={follows.url()}"]
            self._run("pg_basebackup", f"--pgdata={self.folder / 'data'}", *options)

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(
            command, user=self.user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Start it and return when it takes connections."""
        settings = [
            f"--{name}={value}" for name, value in (self._settings | {"port": str(self.port)}).items()
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.folder / "data"), *settings],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._ready, what=f"PostgreSQL in {self.folder}", log=self.folder / "log")

    @property
    def pid(self) -> int:
        """Of its first process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, end_of(self.folder / "log")
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions first (fast), SIGQUIT leaves at once as a crash does (immediate)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE_S)
            self._process = None

    def take_over(self) -> None:
        """Have a standby be the primary from now on; returns when it takes writes."""
        assert self.execute(self.url(), "select pg_promote()") == [(True,)]

    def kill(self) -> None:
        """Kill -9 of the server and every process of it, as when the machine loses its power."""
        if self._process is not None:
            self._signal_all(signal.SIGKILL)
            self._process.wait(PATIENCE_S)
            self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It is there and says nothing, as when its disk hangs."""
        self._signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_all(signal.SIGCONT)

    def _signal_all(self, how: signal.Signals) -> None:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        for process in (self.pid, *map(int, children.split())):
            os.kill(process, how)

    def url(self, database: str = "postgres") -> str:
        """Where a database of it is."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self, disk: Path | None = None, encoding: str = "UTF8") -> str:
        """The address of a new, empty database, on a disk of its own if one is given."""
        self._databases += 1
        name, where = f"test_{self._databases}", ""
        if disk is not None:
            self.execute(self.url(), f"create tablespace {name} location '{disk}'")
            where = f" tablespace {name}"
        if encoding != "UTF8":
            where = f" encoding '{encoding}' template template0"
        self.execute(self.url(), f"create database {name}{where}")
        return self.url(name)

    def new_disk(self, size_bytes: int) -> Path:
        """A small disk that can be full; needs root."""
        self._disk = self.folder / "disk"
        self._disk.mkdir()
        uid = pwd.getpwnam(self.user).pw_uid if self.user else os.getuid()
        options = f"size={size_bytes},uid={uid},mode=700"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._disk)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk: {done.stderr.strip()}")
        return self._disk

    def execute(self, url: str, query: str) -> list[tuple]:
        """What a statement gives, on a connection of its own."""
        with psycopg.connect(url, autocommit=True) as connection:
            done = connection.execute(query.encode())
            return done.fetchall() if done.description else []

    def close(self) -> None:
        """Stop it and leave nothing behind."""
        self.stop(signal.SIGQUIT)
        if self._disk is not None:
            subprocess.run(["umount", str(self._disk)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
