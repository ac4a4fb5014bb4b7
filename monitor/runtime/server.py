"""The HTTP server inside a process's event loop, and the signals that end it, which are not the server's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import uvicorn

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from fastapi import FastAPI

T = TypeVar("T")
GRACE_S = 5  # requests under way may take so long to end


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the daemon stops the server, then writes its state."""
        yield


def told_to_stop() -> asyncio.Event:
    """Set once the process is told to stop."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def unless_stopped(stop: asyncio.Event, start: Coroutine[Any, Any, T]) -> T | None:
    """What starts, once it has; None: the process was told to stop before, and what had begun is undone.

    Raises:
        Exception: What it failed with, also while it was undone.
    """
    starting, told = asyncio.create_task(start), asyncio.create_task(stop.wait())
    await asyncio.wait((starting, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if starting.done():
        return starting.result()
    starting.cancel()
    with suppress(asyncio.CancelledError):
        return await starting
    return None


async def until_ended(stop: asyncio.Event, *others: Coroutine[Any, Any, NoReturn]) -> None:
    """Return when the process is told to stop; what ends it otherwise is raised."""
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(one) for one in (stop.wait(), *others)]
    done, rest = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    for task in done:
        task.result()


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app``; gives the address, ``http://host:port`` with the port that was taken.

    Raises:
        MonitorError: The address cannot be listened on.
    """
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        bound = listener.getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        try:
            yield f"http://{shown}:{bound[1]}"
        finally:
            app.state.streams.stop()
            server.should_exit = True
            await task


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise MonitorError(
            f"listen: {host}:{port}: {os.strerror(error.errno or 0)}",
            mend="stop who listens there, or choose another port",
            code="address",
        ) from error
    # asyncio sets it only where a socket names its protocol; a body would wait 40 ms behind its head
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with listener:
        yield listener
