"""A copy of an embedded daemon's folder: whole, or not there; taken while it runs, or of one that is stopped.

The store is copied first and the journal after it, so that the journal always knows more than the store:
what it knows more is folded again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NEEDED = ("store.db", "journal.db")  # in this order
ALSO = ("dead_letters.db", "tokens.json")  # where they are there
_PAGES = 2_000  # copied between two calls of progress: 8 MB


def back_up(data: Path, target: Path, progress: Callable[[str, int, int], object]) -> None:
    """Copy a data folder to ``target``, which is a data folder itself once it is there.

    Until all is copied and on the disk it is called ``target`` + ``.part``. Each database is copied as of
    one moment, in a read transaction, which holds up nobody.

    Args:
        data: The folder of a daemon that runs or is stopped.
        target: Must not be there yet; its parent must.
        progress: Told a file, how much of it is copied, and of how much (pages, or bytes).

    Raises:
        MonitorError: Nothing was left at ``target``.
    """
    missing = [name for name in NEEDED if not (data / name).is_file()]
    if missing:
        raise MonitorError(
            f"{data}: no {' and no '.join(missing)}", mend="name the folder of an embedded daemon"
        )
    if target.exists():
        raise MonitorError(f"{target}: is there already", mend="name a folder that is not")
    try:
        with _part_of(target) as part:
            for name in (*NEEDED, *ALSO):
                if (data / name).is_file():
                    _copy(data / name, part / name, progress)
            _sync(part)
            part.rename(target)
            _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        detail = getattr(error, "strerror", None) or str(error)
        mend = "see that there is room, and that this user may read the one and write the other"
        raise MonitorError(f"{data} → {target}: {detail}", mend=mend) from error


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """The folder that becomes ``target``, for this process alone; an interrupted one is begun anew."""
    part = target.with_name(f"{target.name}.part")
    part.mkdir(mode=0o700, exist_ok=True)
    with _handle_of(part) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MonitorError(f"{part}: another backup writes it", mend="wait for it") from error
        for name in (*NEEDED, *ALSO):
            (part / name).unlink(missing_ok=True)
        try:
            yield part
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _copy(source: Path, target: Path, progress: Callable[[str, int, int], object]) -> None:
    if source.suffix == ".db":
        _copy_database(source, target, lambda done, of: progress(source.name, done, of))
    else:
        shutil.copyfile(source, target)
        progress(source.name, target.stat().st_size, target.stat().st_size)
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _copy_database(source: Path, target: Path, progress: Callable[[int, int], object]) -> None:
    with (
        closing(sqlite3.connect(f"file:{quote(str(source.absolute()))}?mode=ro", uri=True)) as of,
        closing(sqlite3.connect(target)) as to,
    ):
        # A read transaction across all steps: they copy one moment, and a writer does not start them over.
        of.execute("BEGIN")
        of.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        of.backup(to, pages=_PAGES, progress=lambda _, left, pages: progress(pages - left, pages))


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    with _handle_of(folder) as handle:
        os.fsync(handle)


@contextmanager
def _handle_of(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)
