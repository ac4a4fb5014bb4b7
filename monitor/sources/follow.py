"""A file that is followed: its lines as they come, and the place up to which they were taken. Pure.

A file is known by what is in it and not by its name: by the hash of its first line, and by that of the last
bytes before the place. So one that was renamed, copied or packed goes on where it was, and one that was
truncated or replaced begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import xxhash

from monitor.limits import LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TAIL_BYTES = 4_096  # two files that agree in their first line, in length and in so much are one


def hash_of(data: bytes) -> int:
    """64 bits that tell data apart."""
    return xxhash.xxh3_64_intdigest(data)


@dataclass(frozen=True, slots=True)
class FollowedDirectory:
    """A directory as it is configured; its name is the source of what is in it."""

    name: str
    path: Path
    files: tuple[str, ...]  # patterns


class Stamp(NamedTuple):
    """A file from outside; while this stays, nothing in it has changed."""

    inode: int = 0
    size: int = 0
    changed_ns: int = 0


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Up to where a file was taken. Bytes are counted as unpacked."""

    name: str
    head: int  # hash of its first line
    offset: int = 0  # bytes taken
    lines: int = 0  # lines taken
    tail: int = hash_of(b"")  # of the last TAIL_BYTES taken
    inside: bool = False  # within a line that is too long, whose start was refused
    stamp: Stamp = Stamp()  # the file when there was nothing more to take; zeros: there was
    waits: bool = False  # what then followed was no whole line, or the file was not whole

    @property
    def tail_bytes(self) -> int:
        """How many bytes before the place ``tail`` is of."""
        return min(self.offset, TAIL_BYTES)

    def fits(self, before: bytes) -> bool:
        """Whether the bytes before the place, as they are in some file now, are those that were taken."""
        return len(before) == self.tail_bytes and hash_of(before) == self.tail


class Cut(NamedTuple):
    """Whole lines from the start of some data."""

    lines: list[bytes]  # without their newlines; of one that is too long, its start
    taken: int  # bytes, newlines included
    inside: bool  # the data ended within a line that is too long


def cut(data: bytes, lines_max: int, *, inside: bool = False, whole: bool = False) -> Cut:
    """Cut whole lines off the start of ``data``; what has no newline yet is left.

    Args:
        data: From the place on.
        lines_max: No more than so many.
        inside: The place is within a line that is too long: the rest of it is dropped.
        whole: Nothing will follow, so the last line needs no newline.
    """
    start = 0
    if inside:
        start = data.find(b"\n") + 1
        if start == 0:
            return Cut([], len(data), not whole)
    lines: list[bytes] = []
    while len(lines) < lines_max and (end := data.find(b"\n", start)) >= 0:
        lines.append(data[start:end])
        start = end + 1
    if len(lines) == lines_max or start == len(data):
        return Cut(lines, start, inside=False)
    too_long = len(data) - start > LINE_BYTES and b"\n" not in data[start:]
    if whole or too_long:
        return Cut([*lines, data[start:]], len(data), inside=too_long and not whole)
    return Cut(lines, start, inside=False)


def after(place: Place, part: Cut, before: bytes) -> Place:
    """The place once a cut is taken; ``before`` are the bytes that then lie before it."""
    return msgspec.structs.replace(
        place,
        offset=place.offset + part.taken,
        lines=place.lines + len(part.lines),
        tail=hash_of(before),
        inside=part.inside,
        stamp=Stamp(),
        waits=False,
    )


def candidates(places: Iterable[Place], head: int) -> list[Place]:
    """The places that a file with this first line may be at, the furthest first."""
    return sorted((place for place in places if place.head == head), key=lambda place: -place.offset)
