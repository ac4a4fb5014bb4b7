"""Compiles the modules through which every event goes, where ``SLAWATCH_COMPILE=1`` asks for it (decision 16).

Everything else of the build is in pyproject.toml. Without it the same modules are installed as they are.
"""

from __future__ import annotations

import os
from glob import glob

from setuptools import setup

# Records of msgspec are made from their annotations at run time, so they stay as they are.
RECORDS = {"__init__", "events", "limits", "records", "rows", "spec"}
COMPILED = [
    *sorted(path for path in glob("monitor/engine/*.py") if path[15:-3] not in RECORDS),
    "monitor/lookout.py",
    "monitor/shard.py",
    "monitor/readings.py",
    "monitor/watch.py",
    "monitor/source_watch.py",
    "monitor/sources/checks.py",
    "monitor/sources/times.py",
    "rules/budget.py",
    "rules/conditions.py",
    "rules/figures.py",
    "rules/judge.py",
    "rules/machine.py",
]


def extensions() -> list[object]:
    """The extension modules to build."""
    if os.environ.get("SLAWATCH_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # only here: nothing else needs a compiler

    return list(mypycify(COMPILED, opt_level="3", debug_level="0"))


setup(ext_modules=extensions())
