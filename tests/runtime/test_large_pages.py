"""Which memory is put into pages of 2 MB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.runtime import large_pages, limits
from monitor.runtime.large_pages import LARGE, LargePages, full_regions

MB = 1 << 20


def region(begin: int, end: int, rss: int, large: int = 0, name: str = "", mode: str = "rw-p") -> list[str]:
    """As Linux writes it; sizes in bytes."""
    return [
        f"{begin:x}-{end:x} {mode} 00000000 00:00 0 {name}",
        f"Size:           {(end - begin) // 1024:8} kB",
        f"Rss:            {rss // 1024:8} kB",
        f"AnonHugePages:  {large // 1024:8} kB",
        "ProtectionKey:         0",
    ]


def test_what_is_full_is_taken_from_one_large_page_to_the_other():
    assert full_regions(region(MB, 20 * MB, 19 * MB)) == [(2 * MB, 20 * MB)]
    assert full_regions(region(2 * MB, 7 * MB, 5 * MB)) == [(2 * MB, 6 * MB)]


@pytest.mark.parametrize(
    "left",
    [
        region(2 * MB, 10 * MB, MB),  # the stack of a thread: nearly nothing of it is there
        region(2 * MB, 10 * MB, 8 * MB, large=8 * MB),
        region(3 * MB, 5 * MB, 2 * MB),  # no large page lies in it
        region(2 * MB, 10 * MB, 8 * MB, name="[heap]"),  # what is empty in it is given back
        region(2 * MB, 10 * MB, 8 * MB, name="/usr/lib/libc.so.6"),
        region(2 * MB, 10 * MB, 8 * MB, mode="r-xp"),
    ],
)
def test_all_else_is_left_and_what_comes_after_it_is_not(left):
    assert full_regions(left) == []
    assert full_regions([*left, *region(20 * MB, 30 * MB, 10 * MB)]) == [(20 * MB, 30 * MB)]


GROWN = """
from monitor.runtime.large_pages import LargePages

pages = LargePages()
kept = [b"%100d" % number for number in range(600_000)]
print("taken", pages.take(), pages.take())
print(open("/proc/self/smaps_rollup").read())
assert all(int(text) == number for number, text in enumerate(kept))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's memory")
def test_what_a_process_holds_is_put_there_once_and_stays_what_it_is():
    said = subprocess.run([sys.executable, "-c", GROWN], stdout=subprocess.PIPE, text=True, check=True).stdout
    first, again, large = (
        int(number)
        for number in re.findall(r"taken (\d+) (-?\d+)\n(?:.*\n)+AnonHugePages: +(\d+) kB", said)[0]
    )
    assert first + again == 1024 * large
    assert first == 0 if _refused() else first > 30 * MB
    assert again <= LARGE


def _refused() -> bool:
    """Whether this system has no such pages to give on demand."""
    wanted = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    major, minor = (int(part) for part in Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2])
    return (major, minor) < (6, 1) or not wanted.exists() or "[never]" in wanted.read_text()


def test_a_round_begins_where_the_last_one_ended_and_no_system_is_refused(monkeypatch, tmp_path):
    maps, tried = tmp_path / "smaps", list[int]()
    maps.write_text("\n".join(region(2 * MB, 10 * MB, 8 * MB)))
    monkeypatch.setattr(large_pages, "_MAPS", maps)
    monkeypatch.setattr(large_pages, "_WANTED", maps)
    monkeypatch.setattr(large_pages, "_SUMS", maps)
    monkeypatch.setattr(large_pages.ctypes, "CDLL", lambda _: Refusing(tried))
    monkeypatch.setattr(large_pages.time, "monotonic", lambda: len(tried))
    monkeypatch.setattr(limits, "LARGE_PAGES_S", 1.5)
    pages = LargePages()
    assert [pages.take(), pages.take(), pages.take()] == [0, 0, 0]
    assert [at // MB for at in tried] == [2, 4, 6, 8, 2, 4]
    monkeypatch.setattr(large_pages, "_SUMS", tmp_path / "none")
    assert pages.take() == 0


class Refusing:
    """A C library of a system that has no large pages to give."""

    def __init__(self, tried: list[int]) -> None:
        self._tried = tried

    @property
    def madvise(self) -> Refusing:
        return self

    def __call__(self, at: int, _size: int, _advice: int) -> int:
        self._tried.append(at)
        return -1
