"""What is new in a file that is followed, batch by batch; sync, for a thread."""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import contextmanager
from fnmatch import fnmatch
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, NamedTuple, cast

import msgspec

from monitor.limits import LINE_BYTES
from monitor.runtime import limits
from monitor.sources.follow import TAIL_BYTES, Place, Stamp, after, candidates, cut, hash_of
from monitor.sources.framing import BOM

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_CHUNK_BYTES = 1 << 18
_PACKED = b"\x1f\x8b"


class Batch(NamedTuple):
    """Lines that are new, and the place of the file once they are taken."""

    lines: list[bytes]
    first_line: int  # counted from 1
    place: Place
    damage: str = ""  # why nothing more can be read of it as it is


def listed(folder: Path, patterns: Sequence[str]) -> dict[str, Stamp]:
    """The files of a folder that fit a pattern, those changed longest ago first.

    Hidden ones, directories and links are passed over: who may write here may not name other files.

    Raises:
        OSError: The folder cannot be read.
    """
    found: list[tuple[str, Stamp]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not any(fnmatch(entry.name, one) for one in patterns):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    found.append((entry.name, _stamp(entry.stat(follow_symlinks=False))))
            except FileNotFoundError:  # moved away since it was listed
                continue
    return dict(sorted(found, key=lambda one: (one[1].changed_ns, one[0])))


def news(folder: Path, name: str, known: Collection[Place]) -> Iterator[Batch]:
    """Read what was not yet taken of a file; the last batch's place carries its stamp.

    Args:
        folder: Where it is.
        name: Its name there.
        known: Places of all files of the folder, this one's among them.

    Raises:
        OSError: It cannot be read.
    """
    with _opened(folder / name) as (stream, stamp, packed):
        place, whole = None, True
        try:
            place = _begin(folder, name, stream, stamp, known, packed=packed)
            if place is not None:
                for batch in _read(stream, place, whole=packed):
                    place = batch.place
                    yield batch
        except EOFError:  # packed, and its end is not here yet
            whole = False
        except (gzip.BadGzipFile, zlib.error) as error:
            place = place or Place(name, 0)
            yield Batch([], place.lines + 1, _seen(place, stamp), f"damaged from here on ({error})")
            return
        place = place or Place(name, 0)
        waits = not whole or (not packed and place.offset < stamp.size)
        seen = _seen(place, stamp, waits=waits)
        if seen != place:
            yield Batch([], place.lines + 1, seen)


def _read(stream: IO[bytes], place: Place, *, whole: bool) -> Iterator[Batch]:
    stream.seek(place.offset - place.tail_bytes)
    before = stream.read(place.tail_bytes)
    data, ended = b"", False
    while not ended:
        block = stream.read(_CHUNK_BYTES)
        data, ended = data + block, not block
        while data:
            part = cut(data, limits.STEP_EVENTS, inside=place.inside, whole=whole and ended)
            if not part.taken:
                break
            before = (before + data[: part.taken])[-TAIL_BYTES:]
            first_line, at_start = place.lines + 1, place.offset == 0
            place, data = after(place, part, before), data[part.taken :]
            lines = part.lines
            if at_start and lines:
                lines[0] = lines[0].removeprefix(BOM)
            yield Batch(lines, first_line, place)


def _begin(
    folder: Path, name: str, stream: IO[bytes], stamp: Stamp, known: Collection[Place], *, packed: bool
) -> Place | None:
    """Where to go on: at the furthest place that this content was taken to under any name.

    None: its first line is not whole yet, so that it cannot be told from others.
    """
    first = stream.readline(LINE_BYTES + 1)
    if not first.endswith(b"\n") and len(first) <= LINE_BYTES and not packed:
        return None
    head = hash_of(first)
    places = candidates(known, head)
    longer = [place for place in places if place.offset > stamp.size and place.name != name and not packed]
    if any(_begins_with(folder / place.name, stream) for place in longer):
        return _end_of_lines(name, head, stream)
    for place in places:
        stream.seek(place.offset - place.tail_bytes)
        if place.fits(stream.read(place.tail_bytes)):
            return msgspec.structs.replace(place, name=name)
    return Place(name, head)


def _begins_with(other: Path, stream: IO[bytes]) -> bool:
    """Whether another file begins with this one: then this is a copy of it, old or not yet whole."""
    try:
        with _opened(other) as (longer, _, _):
            stream.seek(0)
            while block := stream.read(_CHUNK_BYTES):
                if longer.read(len(block)) != block:
                    return False
    except (OSError, EOFError, zlib.error):
        return False
    return True


def _end_of_lines(name: str, head: int, stream: IO[bytes]) -> Place:
    """The place after the last whole line."""
    stream.seek(0)
    place = Place(name, head)
    for batch in _read(stream, place, whole=False):
        place = batch.place
    return place


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Stamp, bool]]:
    """The content of a file, unpacked; and whether it is packed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # neither link nor pipe
    with open(handle, "rb") as file:  # noqa: PTH123 - of a handle
        status = os.fstat(handle)
        if not S_ISREG(status.st_mode):
            raise FileNotFoundError(f"{path}: no file")
        packed = file.peek(2)[:2] == _PACKED
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else cast("IO[bytes]", file)
        yield stream, _stamp(status), packed


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _seen(place: Place, stamp: Stamp, *, waits: bool = False) -> Place:
    return msgspec.structs.replace(place, stamp=stamp, waits=waits)
