"""Keeps libraries from filling the log while a broker is away: they say the same ten times a second."""

from __future__ import annotations

import logging
import time

SAME_S = 10.0  # the same message of the same logger is logged so often
KNOWN_MAX = 1_000


class OncePerWhile(logging.Filter):
    """Lets a message pass when it did not pass within ``SAME_S``."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_s: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it; what differs is where it is said, not what is filled in."""
        now_s, place = time.monotonic(), (record.pathname, record.lineno)
        if now_s - self._passed_s.get(place, -SAME_S) < SAME_S:
            return False
        if len(self._passed_s) >= KNOWN_MAX:
            self._passed_s.clear()
        self._passed_s[place] = now_s
        return True


def rate_limit(*libraries: str) -> None:
    """Log of these libraries warnings only, each now and then.

    On the handlers, since the filter of a logger passes over what its children log.
    """
    same = OncePerWhile()
    for library in libraries:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("kafka.admin").setLevel(logging.ERROR)  # Faust's members speak in their own way
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: record.name.split(".")[0] not in libraries or same.filter(record))
