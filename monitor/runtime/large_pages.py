"""Pages of 2 MB for the state, where the system has them (Linux from 6.1 on).

Events come for shops that lie far apart in memory, and for each the processor looks up where the page lies.
It remembers some 2,000 pages: 8 MB of usual ones, 4 GB of large ones. Of an event's time in a worker with
2,000 shops that is a tenth to a sixth (docs/benchmarks.md).

Only what is full is taken together, so that no memory is spent on it; and nothing where the operator's
system says that it wants none (``never``).
"""

from __future__ import annotations

import ctypes
import re
import time
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGE: Final = 2 << 20
FULL: Final = 0.95  # of it is in memory: the stack of a thread is not, nor a table that is to be filled
_COLLAPSE: Final = 25  # MADV_COLLAPSE of Linux's mman.h
_REGION: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0\s*")  # of no file, and no heap
_MAPS: Final = Path("/proc/self/smaps")
_SUMS: Final = Path("/proc/self/smaps_rollup")
_WANTED: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def full_regions(smaps: Iterable[str]) -> list[tuple[int, int]]:
    """From where to where memory is full, and not all of it in large pages.

    Args:
        smaps: The lines of Linux's ``/proc/PID/smaps``, which count in kB.
    """
    found: list[tuple[int, int]] = []
    begin = end = full = 0
    for line in smaps:
        if match := _REGION.fullmatch(line):
            first, last = (int(address, 16) for address in match.groups())
            begin, end = -(-first // LARGE) * LARGE, last // LARGE * LARGE
            full = int(FULL * (last - first))
        elif line.startswith("Rss:") and _bytes(line) < full:
            end = begin
        elif line.startswith("AnonHugePages:"):
            if _bytes(line) < end - begin:
                found.append((begin, end))
            begin = end = full = 0
    return found


def _bytes(line: str) -> int:
    return 1024 * int(line.split()[1])


class LargePages:
    """Puts this process's memory there, round after round; each begins where the last one ended."""

    def __init__(self) -> None:
        self._next = 0  # an address

    def take(self) -> int:
        """Have what is full in large pages, for half a second; returns how many bytes more are."""
        try:
            if not (pieces := self._pieces()):
                return 0
            before = _in_large_pages()
            self._collapse(pieces)
            return _in_large_pages() - before
        except OSError:  # another system, or one from before such pages
            return 0

    def _pieces(self) -> list[int]:
        if "[never]" in _WANTED.read_text():
            return []
        regions = full_regions(_lines(_MAPS))
        pieces = [at for begin, end in regions for at in range(begin, end, LARGE)]
        first = bisect_left(pieces, self._next)
        return pieces[first:] + pieces[:first]

    def _collapse(self, pieces: list[int]) -> None:
        """What cannot be done now, or never can, is left as it is, and tried last in the next round."""
        advise = ctypes.CDLL(None).madvise
        advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        until_s = time.monotonic() + limits.LARGE_PAGES_S
        for at in pieces:
            if time.monotonic() > until_s:
                break
            advise(at, LARGE, _COLLAPSE)
            self._next = at + LARGE


def _in_large_pages() -> int:
    return sum(_bytes(line) for line in _lines(_SUMS) if line.startswith("AnonHugePages:"))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
