"""What goes on beside a test, and ends with it."""

from __future__ import annotations

import threading
from typing import Self


class Beside(threading.Thread):
    """Runs while the test is in its context; ``run`` returns once ``over`` is set."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()
