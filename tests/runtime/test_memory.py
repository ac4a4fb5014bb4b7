"""From where the process takes memory."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading
from monitor.runtime.memory import keep_one_heap

told = "one" in sys.argv and keep_one_heap()
kept = []
threads = [threading.Thread(target=lambda: kept.extend(bytes(4_000) for _ in range(1_000))) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
print(int(told), flush=True)
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


def heaps(*arguments: str) -> tuple[bool, int]:
    """Whether it could be told, and in how many heaps a process then has what three threads asked for."""
    command = [sys.executable, "-c", HEAPS, *arguments]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return said.startswith("1"), len(re.findall(r"<heap nr=", said))


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_info is of glibc")
def test_threads_share_the_heap_of_the_first_one():
    assert heaps("one") == (True, 1)
    told, found = heaps()
    assert not told
    assert found > 1
