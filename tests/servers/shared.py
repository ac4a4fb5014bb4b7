"""One server for all processes of a test run: who needs it first starts it, and ends it after all others."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

Where = dict[str, str]


def run_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run have in common, and no other run has."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def shared(folder: Path, start: Callable[[], AbstractContextManager[Where]]) -> Iterator[Where]:
    """Say where the server of this folder is, while it is needed.

    Each process that needs it holds ``users`` in common. Who started it waits at its end for that file alone,
    so nobody's server goes away under him; a process that dies lets go of it by itself.

    Args:
        folder: Of this server in this run.
        start: Starts it and says where it is; at its end nothing is left.
    """
    folder.mkdir(exist_ok=True)
    where = folder / "where.json"
    with (folder / "first").open("w") as first, (folder / "users").open("w") as users:
        fcntl.flock(first, fcntl.LOCK_EX)  # one at a time finds out whether there is one
        fcntl.flock(users, fcntl.LOCK_SH)
        if where.exists():
            fcntl.flock(first, fcntl.LOCK_UN)
            yield json.loads(where.read_text())
            return
        with start() as found:
            where.write_text(json.dumps(found))
            fcntl.flock(first, fcntl.LOCK_UN)
            yield found
            fcntl.flock(users, fcntl.LOCK_EX)
            where.unlink()
