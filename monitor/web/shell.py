"""Around every request: its address, security headers, metrics, and an answer to what nobody expected."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from monitor.lines import tell_request
from monitor.web.problems import answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from monitor.sinks.metrics import Metrics

log = structlog.get_logger(__name__)

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# No script, style or connection but our own, no frame around us; nothing of a page rests in a cache. Of a
# referrer only we learn: with none at all browsers name no origin either, and our own forms look foreign.
HEADERS = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class OneAddress:
    """Takes an address with a slash at its end for the one without.

    A redirect would lose the events of a client that does not follow it, or not with its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a slash that was sent as ``%2F`` belongs to a name and stays."""
        if scope["type"] == "http" and scope["raw_path"].endswith(b"/"):
            scope["path"] = scope["path"].removesuffix("/") or "/"
        await self._app(scope, receive, send)


class Shell:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what is raised becomes a 500 that tells nothing, and a log line that does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 0

        async def send_shelled(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                headers += HEADERS
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            await self._app(scope, receive, send_shelled)
        except Exception:
            log.exception("request failed", method=scope["method"], route=_route(scope))
            if status:
                raise
            mend = "try again; the daemon's log says more"
            response = answer(500, "internal", "something went wrong here", mend)
            await response(scope, receive, send_shelled)
        finally:
            route, took_s = _route(scope), time.perf_counter() - began_s
            self._metrics.requests.labels(route=route, status=str(status)).inc()
            self._metrics.request_seconds.labels(route=route).observe(took_s)
            tell_request(scope["method"], route, int(status), took_s)


def _route(scope: Scope) -> str:
    """The route's pattern, never the path: it may be a link that acts, and labels must not grow with it."""
    return getattr(scope.get("route"), "path", "none")
