"""The root of what the daemon raises for a person to read."""

from __future__ import annotations


class MonitorError(Exception):
    """What is wrong and where, and how to mend it; one line together.

    Args:
        what: The thing and its place, without a full stop.
        mend: What the reader can do about it; empty when ``what`` says it.
        code: A word for programs, as in ``{"error": {"code", "what", "mend"}}``.
    """

    def __init__(self, what: str, *, mend: str = "", code: str = "error") -> None:
        super().__init__(f"{what}; {mend}" if mend else what)
        self.what = what
        self.mend = mend
        self.code = code
