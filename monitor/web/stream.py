"""Server-sent events: each part is sent when it has changed, and the clock every second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from monitor import limits
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from prometheus_client import Gauge

    Parts = Callable[[], dict[str, str]]  # name of a part → its text; ``clock`` comes every second


class Streams:
    """Open streams, bounded; all end when the daemon stops."""

    def __init__(self, gauge: Gauge, interval_s: float = limits.STREAM_INTERVAL_S) -> None:
        self._gauge = gauge
        self._interval_s = interval_s
        self._open = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End all streams, so that the server can."""
        self._stopping.set()

    def answer(self, parts: Parts, allowed: Callable[[], bool]) -> StreamingResponse:
        """A response that goes on until the client leaves or is no longer allowed.

        Raises:
            ApiError: 503 when too many are open.
        """
        if self._open >= limits.STREAMS:
            raise ApiError(
                503,
                "streams",
                f"{limits.STREAMS} live pages are open already",
                "close some",
                {"Retry-After": "30"},
            )
        return StreamingResponse(
            self._events(parts, allowed),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _events(self, parts: Parts, allowed: Callable[[], bool]) -> AsyncIterator[str]:
        self._open += 1
        self._gauge.set(self._open)
        sent: dict[str, str] = {}
        try:
            yield "retry: 2000\n\n"
            while not self._stopping.is_set() and allowed():
                for name, text in parts().items():
                    if sent.get(name) != text or name == "clock":
                        sent[name] = text
                        data = "".join(f"data: {line}\n" for line in text.splitlines())
                        yield f"event: {name}\n{data}\n"
                try:
                    await asyncio.wait_for(self._stopping.wait(), self._interval_s)
                except TimeoutError:
                    continue
        finally:
            self._open -= 1
            self._gauge.set(self._open)
