"""A machine without the servers: tests that need them are skipped, and say what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT = {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": "/nonexistent"}
NEEDS_KAFKA = "tests/cluster/test_topics.py"


def run(env):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", "--tb=line", NEEDS_KAFKA]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_without_java_it_says_what_was_skipped_and_what_to_install():
    done = run(WITHOUT)
    assert done.returncode == 0, done.stdout
    assert "no java: install a Java runtime of version 17 or newer" in done.stdout
    assert "passed" not in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.slow
def test_in_ci_the_same_is_a_failure():
    done = run(WITHOUT | {"CI": "true"})
    assert done.returncode == 1
    assert "nothing may be skipped in CI" in done.stdout
