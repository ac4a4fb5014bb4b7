"""One exchange, and what can be said of it when there was no answer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import httpx

from alerting import limits
from alerting.channels.base import DeliveryResult

if TYPE_CHECKING:
    from collections.abc import Mapping

# Both write whole addresses, and with them keys, at INFO and DEBUG.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

TIMEOUT = httpx.Timeout(limits.ANSWER_S, connect=limits.CONNECT_S)
# Nothing of the request had left: the provider cannot have it.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


async def post(
    client: httpx.AsyncClient,
    url: httpx.URL | str,
    content: bytes,
    headers: Mapping[str, str],
    extensions: Mapping[str, str] | None = None,
) -> httpx.Response | DeliveryResult:
    """POST once; without an answer, say whether the provider may have it.

    The detail names the kind of error only: its text may hold the address, and with it the key.
    """
    return await _exchange(client, "POST", url, content, headers, extensions)


async def get(client: httpx.AsyncClient, url: httpx.URL | str) -> httpx.Response | DeliveryResult:
    """GET once; the same about what is not answered."""
    return await _exchange(client, "GET", url, b"", {}, None)


async def _exchange(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL | str,
    content: bytes,
    headers: Mapping[str, str],
    extensions: Mapping[str, str] | None,
) -> httpx.Response | DeliveryResult:
    request = client.build_request(
        method,
        url,
        content=content,
        headers=dict(headers),
        timeout=TIMEOUT,
        extensions=dict(extensions or {}),
    )
    try:
        # Beside httpx's time for each byte one for all of them: an answer that only drips ends, too.
        async with asyncio.timeout(limits.ANSWER_S + limits.CONNECT_S):
            return await _answer(client, request)
    except _NOT_SENT as error:
        return DeliveryResult("transient", detail=f"no connection ({type(error).__name__})")
    except (httpx.HTTPError, TimeoutError) as error:
        return DeliveryResult("ambiguous", detail=f"no answer ({type(error).__name__})")


async def _answer(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The answer, of a longer one what ``limits.ANSWER_BYTES_MAX`` holds."""
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk[: limits.ANSWER_BYTES_MAX - len(body)]
            if len(body) >= limits.ANSWER_BYTES_MAX:
                break
    finally:
        await response.aclose()
    kept = {name: value for name, value in response.headers.items() if name == "retry-after"}
    return httpx.Response(response.status_code, headers=kept, content=body, request=request)


def judge_status(response: httpx.Response) -> DeliveryResult | None:
    """Judge by the HTTP status; None for 2xx, whose body decides."""
    if 200 <= response.status_code < 300:
        return None
    return judge_status_code(response.status_code, _retry_after_ms(response))


def judge_status_code(status: int, retry_after_ms: int | None = None) -> DeliveryResult:
    """Judge by an HTTP status that is no success."""
    code, detail = str(status), f"HTTP {status}"
    if status == 429:
        return DeliveryResult("rate_limited", code, retry_after_ms=retry_after_ms, detail=detail)
    if status == 504:  # the gateway gave up waiting for a provider that may have it
        return DeliveryResult("ambiguous", code, detail=detail)
    if status >= 500:
        return DeliveryResult("transient", code, detail=detail)
    if status in (401, 403, 404, 410):
        return DeliveryResult("bad_credential", code, detail=detail)
    return DeliveryResult("bad_request", code, detail=detail)


def _retry_after_ms(response: httpx.Response) -> int | None:
    given = response.headers.get("Retry-After", "")
    return min(int(given), 3_600) * 1_000 if given.isascii() and given.isdigit() else None
