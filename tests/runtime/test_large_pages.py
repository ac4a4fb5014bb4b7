"""Which memory is put into pages of 2 MB."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.runtime.large_pages import LARGE, full_regions

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
from monitor.runtime.large_pages import take_large_pages

kept = [b"%100d" % number for number in range(600_000)]
print("taken", take_large_pages(), take_large_pages())
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
