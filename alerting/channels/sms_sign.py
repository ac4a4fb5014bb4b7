"""How Aliyun (ACS3) and Tencent Cloud (TC3) want a request signed; both HMAC-SHA256 over its parts."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping


def canonical_query(query: Mapping[str, str]) -> str:
    """A query in order and escaped as RFC 3986 says; what is signed and what is sent."""
    return "&".join(f"{quote(name, safe='~')}={quote(query[name], safe='~')}" for name in sorted(query))


def acs3(query: Mapping[str, str], headers: Mapping[str, str], access_id: str, secret: str) -> str:
    """The ``Authorization`` of a POST to ``/`` with an empty body.

    Args:
        query: The parameters.
        headers: Those to sign, by name in lower case; ``host`` and each ``x-acs-…`` must be among them.
        access_id: The access key's id.
        secret: The access key's secret.
    """
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    parts = ("POST", "/", canonical_query(query), lines, signed, headers["x-acs-content-sha256"])
    wanted = f"ACS3-HMAC-SHA256\n{_digest(chr(10).join(parts).encode())}"
    signature = _mac(secret.encode(), wanted).hex()
    return f"ACS3-HMAC-SHA256 Credential={access_id},SignedHeaders={signed},Signature={signature}"


def tc3(body: bytes, host: str, content_type: str, timestamp_s: int, access_id: str, secret: str) -> str:
    """The ``Authorization`` of a POST to ``/`` of the SMS service; a key of its own each day (UTC)."""
    day = datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%d")
    scope, signed = f"{day}/sms/tc3_request", "content-type;host"
    lines = f"content-type:{content_type}\nhost:{host}\n"
    request = "\n".join(("POST", "/", "", lines, signed, _digest(body)))
    wanted = "\n".join(("TC3-HMAC-SHA256", str(timestamp_s), scope, _digest(request.encode())))
    key = f"TC3{secret}".encode()
    for part in (day, "sms", "tc3_request"):
        key = _mac(key, part)
    signature = _mac(key, wanted).hex()
    return f"TC3-HMAC-SHA256 Credential={access_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


def _digest(of: bytes) -> str:
    return hashlib.sha256(of).hexdigest()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
