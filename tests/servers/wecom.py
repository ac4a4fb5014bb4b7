"""The fake group of WeCom for tests that start processes."""

from __future__ import annotations

import asyncio
import threading
import time

from alerting.fakes.wecom import FakeWecom
from tests.waiting import PATIENCE_S


class Wecom:
    """The fake group in a thread of its own, so that it outlives every daemon."""

    def __init__(self) -> None:
        self.fake = FakeWecom(lambda: time.time_ns() // 1_000_000)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.url = self._do(self.fake.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self.fake.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_S)
