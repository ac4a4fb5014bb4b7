"""A server in InfluxDB's place that answers as it is told: what no real one can be brought to at will."""

from __future__ import annotations

import gzip
import http.server
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass(frozen=True)
class Reply:
    """An answer. ``drips``: its body comes for ever, a byte at a time.

    ``status`` 0: none comes, and the connection stays; below 0: the connection ends.
    """

    status: int = 204
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    drips: bool = False


STORED, NONE, LOST, DRIPS = Reply(), Reply(0), Reply(-1), Reply(400, "x", drips=True)
WRONG = Reply(400, '{"code":"invalid","message":"something is wrong"}')  # as of a mistake it does not place


class Standin:
    """A server until the end of its block.

    Args:
        answer: Of the lines of a request.
        tls: With its certificate.
    """

    def __init__(self, answer: Callable[[list[str]], Reply], tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []  # the lines of each request
        self.times: list[float] = []
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                outer.times.append(time.monotonic())
                outer.asked.append(lines := body.decode().splitlines())
                outer.reply(self, outer.answer(lines))

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """The other side breaks off when it has had enough."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://localhost:{self._server.server_address[1]}"

    @property
    def stored(self) -> list[str]:
        """Lines that came more than once stand here as often."""
        return [line for lines in self.asked for line in lines]

    def reply(self, handler: http.server.BaseHTTPRequestHandler, reply: Reply) -> None:
        """Give an answer, or what is less."""
        if reply.status <= 0:
            if not reply.status:
                self.over.wait()
            handler.close_connection = True
            return
        body = reply.body.encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(1 << 20 if reply.drips else len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        while reply.drips and not self.over.wait(0.02):
            handler.wfile.write(body)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        with suppress(OSError):
            self._server.server_close()
