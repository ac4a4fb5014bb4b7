"""Who asks, and whether they may: tokens, same-origin forms, rate limits."""

from __future__ import annotations

import ipaddress
import math
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor import limits
from monitor.web.problems import ApiError
from monitor.web.tokens import Grant, Role, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

COOKIE = "slawatch_token"
# While there is no token, whoever sits at this machine may do everything.
_AT_THIS_MACHINE = Grant(name="local", role="admin", source="")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class RateLimit:
    """So many requests a minute for each name, refilled evenly; names are bounded."""

    NAMES_MAX = 10_000

    def __init__(self, per_minute: int, monotonic_s: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._monotonic_s = monotonic_s
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, name: str) -> int:
        """Spend one request; 0 when it may pass, else the seconds to wait."""
        now_s = self._monotonic_s()
        left, at_s = self._left.pop(name, (float(self._per_minute), now_s))
        left = min(float(self._per_minute), left + (now_s - at_s) * self._per_minute / 60)
        if len(self._left) >= self.NAMES_MAX:
            self._left.pop(next(iter(self._left)))  # the one not heard of for longest
        if left < 1:
            self._left[name] = (left, now_s)
            return math.ceil((1 - left) * 60 / self._per_minute)
        self._left[name] = (left - 1, now_s)
        return 0


class Access:
    """Finds the grant of a request, or refuses it."""

    def __init__(self, tokens: Tokens, requests_per_minute: int, monotonic_s: Callable[[], float]) -> None:
        self.tokens = tokens
        self._requests = RateLimit(requests_per_minute, monotonic_s)
        self._failures = RateLimit(limits.FAILED_LOGINS_PER_MINUTE, monotonic_s)

    def require(self, request: Request, role: Role) -> Grant:
        """The grant of a request that reaches a role.

        Raises:
            ApiError: 401 without a token of ours, 403 with too small a role or from another site's page,
                429 past the rate limit.
        """
        grant = self._identify(request)
        # Who sits at this machine has other means to overload it.
        if grant is not _AT_THIS_MACHINE and (wait_s := self._requests.spend(grant.name)):
            raise _too_many("requests of this token", wait_s)
        if not grant.may(role):
            raise ApiError(
                403, "forbidden", f"token {grant.name} has the role {grant.role}", f"use one of role {role}"
            )
        return grant

    def holds(self, grant: Grant) -> bool:
        """Whether a grant found before still stands."""
        return len(self.tokens) == 0 if grant is _AT_THIS_MACHINE else grant in self.tokens

    def _identify(self, request: Request) -> Grant:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return self._find(request, token.strip())
        # What follows is sent by browsers of their own accord, so the page that asks must be ours.
        require_own_page(request)
        if cookie := request.cookies.get(COOKIE):
            return self._find(request, cookie)
        if len(self.tokens) == 0 and _is_at_this_machine(request):
            return _AT_THIS_MACHINE
        raise _unauthorized("a token is needed here")

    def _find(self, request: Request, token: str) -> Grant:
        grant = self.tokens.find(token)
        if grant is not None:
            return grant
        address = request.client.host if request.client else ""
        if wait_s := self._failures.spend(address):
            raise _too_many("wrong tokens from this address", wait_s)
        raise _unauthorized("this token is unknown or was revoked")


def _unauthorized(what: str) -> ApiError:
    mend = "send `Authorization: Bearer …`; `slawatch tokens add` makes one"
    return ApiError(401, "unauthorized", what, mend, {"WWW-Authenticate": "Bearer"})


def _too_many(what: str, wait_s: int) -> ApiError:
    mend = f"wait {wait_s} s; send larger batches instead of more of them"
    return ApiError(429, "too_many_requests", f"too many {what}", mend, {"Retry-After": str(wait_s)})


def require_own_page(request: Request) -> None:
    """Refuse a change that a page of another site made a browser ask for."""
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("origin")
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
        raise ApiError(
            403, "foreign_page", "a page of another site asked for this", "use our own pages, or a token"
        )


def _is_at_this_machine(request: Request) -> bool:
    """Whether the request was made here: by address, not through a proxy, and to a name of this machine.

    The last keeps out a foreign page whose host name was made to point at 127.0.0.1.
    """
    proxied = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
    return (
        not proxied
        and _is_loopback(request.client.host if request.client else "")
        and _is_loopback(urlsplit(f"//{request.headers.get('host', '')}").hostname or "")
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
