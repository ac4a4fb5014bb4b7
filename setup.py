"""Compiles the modules through which every event goes, where ``SLAWATCH_COMPILE=1`` says so (decision 16).

All else of the build is in pyproject.toml. Without it the same modules are installed as they are written.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import setup

# Records of msgspec and specs that are stored are made from their annotations at run time: left as they are,
# like what a shard does seldom.
AS_WRITTEN = {"__init__", "events", "rows", "spec", "marks", "restore", "turnover"}
COMPILED = [
    *sorted(
        str(path)
        for room in ("monitor/engine", "monitor/shard")
        for path in Path(room).glob("*.py")
        if path.stem not in AS_WRITTEN
    ),
    "monitor/aggregate/readings.py",  # extends a class that is compiled
    "monitor/runtime/cluster/records.py",
    "monitor/sources/checks.py",
    "monitor/sources/times.py",
    "monitor/sources/wire.py",
    "rules/budget.py",
    "rules/conditions.py",
    "rules/figures.py",
    "rules/judge.py",
    "rules/machine.py",
    "rules/reading.py",
]


def extensions() -> list[object]:
    """The extension modules to build."""
    if os.environ.get("SLAWATCH_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 - a plain install has no compiler

    found = mypycify(COMPILED, opt_level="3", debug_level="0")
    # Nobody may put a function of his own in a module's place: so they can be inlined. And what is called in
    # Python is called at its address, not by way of a table of jumps: 2 % of an event's time.
    inlined = ["-fvisibility=hidden", "-fno-semantic-interposition", "-fno-plt"]
    for extension in found:
        extension.extra_compile_args = [*extension.extra_compile_args, *inlined]  # theirs is one list for all
    return list(found)


setup(ext_modules=extensions())
