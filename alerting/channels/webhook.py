"""A signed webhook: the alerts as JSON, to any address that is not private.

Headers: ``X-Slawatch-Timestamp`` (seconds since 1970) and ``X-Slawatch-Signature``,
``sha256=`` and the hex HMAC-SHA256 of ``timestamp + "." + body`` under the shared secret. A receiver
compares in constant time, refuses a timestamp more than five minutes off, and may drop a repeated ``id``.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import httpx
import msgspec

from alerting import limits
from alerting.channels.addresses import public_address
from alerting.channels.base import DeliveryResult, Markup, Message
from alerting.channels.http import judge_status, post
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    from pydantic import SecretStr

    from alerting.ports import Clock


class Webhook:
    """One address; 2xx means taken."""

    limit_bytes = limits.WEBHOOK_BYTES // 16  # a row takes about 45 bytes as text and 700 as data
    markup: Markup = "text"

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: SecretStr,
        secret: SecretStr,
        clock: Clock,
        *,
        allow_private: bool = False,
        allowance: Allowance | None = None,
    ) -> None:
        """``url`` is kept secret, since many carry a token."""
        self.allowance = allowance or Allowance(messages=60, reserve=20)
        self._client, self._clock, self._allow_private = client, clock, allow_private
        self._url, self._secret = httpx.URL(url.get_secret_value()), secret.get_secret_value().encode()

    def payload(self, message: Message) -> bytes:
        """``{"id", "again", "text", "alerts": […]}``."""
        return msgspec.json.encode(
            {"id": message.key, "again": message.again, "text": message.body, "alerts": message.alerts}
        )

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Sign and send once."""
        headers = {"Content-Type": "application/json", **sign(payload, self._secret, self._clock.now_ms())}
        url, extensions = self._url, {}
        if not self._allow_private:
            port = self._url.port or (443 if self._url.scheme == "https" else 80)
            address = await public_address(self._url.host, port)
            if isinstance(address, DeliveryResult):
                return address
            # The address that was judged is the one that is called, whatever the name resolves to next.
            headers["Host"] = self._url.netloc.decode("ascii")
            extensions = {"sni_hostname": self._url.host}
            url = self._url.copy_with(host=address)
        answer = await post(self._client, url, payload, headers, extensions)
        if isinstance(answer, DeliveryResult):
            return answer
        code = str(answer.status_code)
        return judge_status(answer) or DeliveryResult("ok", code, detail=f"HTTP {code}")


def sign(body: bytes, secret: bytes, now_ms: int) -> dict[str, str]:
    """The headers that prove who sent ``body`` and when."""
    timestamp = str(now_ms // 1000)
    mac = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Slawatch-Timestamp": timestamp, "X-Slawatch-Signature": f"sha256={mac}"}
