"""How many random cases are played of what decides."""

from __future__ import annotations

import os

USUAL = 120


def seeds() -> int:
    """``TEST_SEEDS`` if that is said, else 120.

    CI plays them over machine code, all of them; the same as it is written, which is three times as slow and
    runs beside everything else, a third of them.
    """
    in_ci = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
    as_written = os.environ.get("TEST_COMPILED") != "1"
    return int(os.environ.get("TEST_SEEDS") or (USUAL // 3 if in_ci and as_written else USUAL))
