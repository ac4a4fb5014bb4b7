"""Request bodies within bounds, packed or not: nothing a client sends can fill the memory."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect

from monitor import limits
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from fastapi import Request

    from monitor.sinks.metrics import Metrics

_GZIP_BITS = 31
_GZIP = b"\x1f\x8b"  # how it begins, as no JSON does
_TIMEOUT_S = 60
# What is too large is still read to its end, so that the client hears our answer instead of a broken
# connection, but no further than this.
_DRAINED_BYTES = 64 << 20
_INLINE_BYTES = 1 << 16  # more is unpacked in a thread
_MEMBERS_MAX = 100  # of one gzip; each costs a copy of what follows it


class Bodies:
    """Reads bodies; all that are being read at once are bounded too."""

    def __init__(self, metrics: Metrics) -> None:
        self._in_flight_bytes = 0
        self._gauge = metrics.bodies_bytes

    async def read(self, request: Request, limit_bytes: int) -> bytes:
        """The body, unpacked.

        Raises:
            ApiError: 400 when it is not the gzip it says it is, or is without saying so, 408 when it comes
                too slowly, 413 when it is too large packed or unpacked, 415 when it is packed otherwise,
                503 when too many are being read.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", ""):
            raise ApiError(
                415, "encoding", f"content-encoding {encoding[:40]!r} is not taken", "use gzip or none"
            )
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                packed = await self._receive(request, limit_bytes)
        except TimeoutError:
            raise ApiError(
                408, "slow", f"the body took over {_TIMEOUT_S} s", "send smaller batches"
            ) from None
        except ClientDisconnect:
            raise ApiError(400, "disconnected", "the client went away", "send it again") from None
        if encoding in ("identity", ""):
            if packed.startswith(_GZIP):
                what = "the body is gzip and no header says so"
                raise ApiError(400, "unframed", what, "send `Content-Encoding: gzip` with it")
            return packed
        if len(packed) > _INLINE_BYTES:
            return await asyncio.to_thread(unpack, packed, limit_bytes)
        return unpack(packed, limit_bytes)

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form, the first of each name.

        Raises:
            ApiError: As ``read``.
        """
        body = await self.read(request, limits.FORM_BYTES)
        return {name: given[0] for name, given in parse_qs(body.decode("utf-8", "replace")).items()}

    async def _receive(self, request: Request, limit_bytes: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        held = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit_bytes:
                    held += len(chunk)
                    self._hold(len(chunk))
                    chunks.append(chunk)
                elif size > limit_bytes + _DRAINED_BYTES:
                    break
        finally:
            self._hold(-held)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        return b"".join(chunks)

    def _hold(self, size: int) -> None:
        self._in_flight_bytes += size
        self._gauge.set(self._in_flight_bytes)
        if self._in_flight_bytes > limits.BODIES_IN_FLIGHT_BYTES and size > 0:
            raise ApiError(
                503, "busy", "too many large bodies at once", "send again in a moment", {"Retry-After": "1"}
            )


def unpack(packed: bytes, limit_bytes: int) -> bytes:
    """Unpack gzip, all its members, never beyond the limit.

    Raises:
        ApiError: 400 when it is damaged or cut short, 413 when it unpacks to more.
    """
    parts: list[bytes] = []
    left = limit_bytes
    rest = packed
    try:
        for _ in range(_MEMBERS_MAX):
            if not rest:
                return b"".join(parts)
            member = zlib.decompressobj(_GZIP_BITS)
            # One byte more than allowed tells that there is more, without unpacking it.
            part = member.decompress(rest, left + 1)
            left -= len(part)
            if left < 0:
                raise _too_large(limit_bytes)
            if not member.eof:
                raise _not_gzip("it ends too soon")
            parts.append(part)
            rest = member.unused_data
    except zlib.error as error:
        raise ApiError(
            400, "unframed", f"the body is not gzip: {error}", "send whole gzip, or none"
        ) from error
    raise ApiError(400, "unframed", f"the gzip has over {_MEMBERS_MAX} members", "pack the body as one")


def _not_gzip(why: str) -> ApiError:
    return ApiError(400, "unframed", f"the body is not gzip that we take: {why}", "send whole gzip, or none")


def _too_large(limit_bytes: int) -> ApiError:
    what = f"the body is larger than {limit_bytes} bytes unpacked"
    return ApiError(413, "too_large", what, "send smaller batches")
