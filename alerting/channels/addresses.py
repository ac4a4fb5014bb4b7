"""Which addresses a receiver may have: none that is private, unless that is allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from alerting import limits
from alerting.channels.base import DeliveryResult


async def public_address(host: str, port: int) -> str | DeliveryResult:
    """An address of the host, unless one of its addresses is not public."""
    try:
        async with asyncio.timeout(limits.CONNECT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:  # a time-out is one, too
        return DeliveryResult("transient", detail=f"name not found ({type(error).__name__})")
    addresses = [str(address[4][0]).partition("%")[0] for address in found]
    if not all(ipaddress.ip_address(address).is_global for address in addresses):
        detail = "a private address; set allow_private: true if it is meant"
        return DeliveryResult("bad_credential", detail=detail)
    return addresses[0]
