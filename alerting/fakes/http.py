"""A small HTTP/1.1 server that can also misbehave: be silent, be slow, break off, refuse."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request.

    ``bad_gateway``: 502 with HTML, not taken. ``silent``: taken, never answered. ``slow``: taken, answered
    after ``seconds``. ``reset``: not taken, connection reset. ``lost``: taken, then reset. ``html``: 200
    from something in between, not taken. ``busy``: whatever the provider says when it is busy.
    ``drip``: taken, answered byte by byte, each after ``seconds``, without end. ``flood``: the same at once.
    """

    kind: Literal["bad_gateway", "silent", "slow", "reset", "lost", "html", "busy", "drip", "flood"]
    seconds: float = 6.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=UTF-8"


_HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(slots=True)
class FakeServer:
    """Serves ``handle`` on 127.0.0.1; ``faults`` befall the next requests that ``befalls`` says, one each."""

    handle: Callable[[Request], Answer]
    befalls: Callable[[Request], bool] = lambda _: True
    faults: deque[Fault] = field(default_factory=deque)
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen, on a free port the first time and on the same one later."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and break off every connection; connecting is refused from now on."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            while (request := await _read(reader)) is not None and await self._answer(request, writer):
                pass
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer, or suffer the next fault; whether the connection goes on."""
        fault = self.faults.popleft() if self.faults and self.befalls(request) else None
        kind = fault.kind if fault else ""
        if kind == "reset":
            writer.transport.abort()
            return False
        if kind in ("bad_gateway", "html"):
            answer = Answer(_HTML, 502 if kind == "bad_gateway" else 200, "text/html")
        else:
            if kind == "busy":
                request = Request(**{name: getattr(request, name) for name in _FIELDS}, busy=True)
            answer = self.handle(request)
        if kind == "lost":
            writer.transport.abort()
            return False
        if kind == "silent":
            await asyncio.Event().wait()
        if fault and kind in ("drip", "flood"):
            await _pour(writer, fault)
        if fault and kind == "slow":
            await asyncio.sleep(fault.seconds)
        head = (
            f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n\r\n"
        )
        writer.write(head.encode() + answer.body)
        await writer.drain()
        return True


async def _pour(writer: asyncio.StreamWriter, fault: Fault) -> None:
    """An answer that has no end, until the other side has enough."""
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        writer.write(b" " if fault.kind == "drip" else b" " * 65_536)
        await writer.drain()
        await asyncio.sleep(fault.seconds if fault.kind == "drip" else 0)


_FIELDS = ("method", "path", "query", "headers", "body")


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None at the end of the connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *rest = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest) if name
    }
    size = min(int(headers.get("content-length", "0")), BODY_BYTES_MAX)
    body = await reader.readexactly(size)
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
