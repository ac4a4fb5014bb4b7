"""A day of 1,000,000 events through ``slawatch replay``, with the starter rules and with none.

The command as a user calls it, with its start: wall and processor time, and the most memory it held.
``python -m benchmarks.replay [--events N]``
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import Row, measure_and_print
from benchmarks.traffic import traffic

EVENTS = 1_000_000
BAR_S = 15


class Took(NamedTuple):
    """What one command used."""

    wall_s: float
    cpu_s: float
    most_mb: int


def replay(folder: Path, events: int, *options: str) -> Took:
    """Run the command on the day; it must have read all of it and refused nothing."""
    command = [sys.executable, "-m", "monitor", "replay", "day.ndjson", "--format", "json", *options]
    with (folder / "out.json").open("wb") as out:
        began_s = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.PIPE)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said.decode()
    counted = json.loads((folder / "out.json").read_bytes())["events"]
    assert (counted["read"], counted["rejected"]) == (events, 0), counted
    return Took(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)


def rows(events: int = EVENTS) -> list[Row]:
    """One run of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "day.ndjson").open("wb") as file:
            file.writelines(line + b"\n" for _, line in traffic(events))
        (folder / "none.yaml").write_text("rules: []\n")
        found = {
            "replay, starter rules": replay(folder, events),
            "replay, no rules": replay(folder, events, "--rules", "none.yaml"),
        }
    return [
        Row(
            f"{what}, {events:,} events",
            f"{took.wall_s:.1f} s, {took.cpu_s:.1f} s of processor, {took.most_mb} MB at most",
            "",
            f"≤ {BAR_S} s" if events == EVENTS else "",
            took.wall_s <= BAR_S if events == EVENTS else None,
        )
        for what, took in found.items()
    ]


if __name__ == "__main__":
    measure_and_print(__doc__, rows, events=EVENTS)
