"""A WeCom group bot: ``POST {base}/cgi-bin/webhook/send?key=…`` (vendor documents 99110, 91770).

Every business answer is HTTP 200, so only ``errcode`` tells; ``errmsg`` may change and is never matched.
There is no message id and no idempotency: what may have been delivered is sent once more, marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.channels.codes import Codes, judge_errcode
from alerting.channels.http import post
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from alerting.channels.base import DeliveryResult, Markup, Message

BASE_URL = "https://qyapi.weixin.qq.com"

_CODES: Codes = {
    0: ("ok", "ok"),
    -1: ("transient", "the provider is busy"),
    40001: ("bad_credential", "invalid credential"),
    40008: ("bad_request", "invalid message type"),
    40058: ("bad_request", "too long or malformed"),
    44004: ("bad_request", "empty content"),
    45009: ("rate_limited", "more than 20 messages a minute"),
    45033: ("rate_limited", "too many calls at once"),
    60020: ("bad_credential", "this address may not call"),
    81013: ("no_recipient", "nobody to send to"),
    93000: ("bad_credential", "unknown or removed bot key"),
    93004: ("bad_credential", "the bot is disabled"),
    93008: ("bad_credential", "the bot is not in the group"),
}


class WecomBot:
    """One bot, which is one account: 20 messages in any minute."""

    allowance = Allowance()

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: SecretStr,
        *,
        markup: Markup = "markdown",
        base_url: str = BASE_URL,
        mention_mobiles: tuple[str, ...] = (),
    ) -> None:
        """``mention_mobiles`` (or ``@all``) exist for ``markup="text"`` only."""
        self.markup: Markup = markup
        self.limit_bytes = limits.WECOM_MARKDOWN_BYTES if markup == "markdown" else limits.WECOM_TEXT_BYTES
        self._client, self._key, self._mobiles = client, key, mention_mobiles
        self._url = f"{base_url.rstrip('/')}/cgi-bin/webhook/send"

    def payload(self, message: Message) -> bytes:
        """The JSON body; people are mentioned by id."""
        if self.markup == "markdown":  # mentions are in the text: <@userid>
            return msgspec.json.encode({"msgtype": "markdown", "markdown": {"content": message.body}})
        text: dict[str, object] = {"content": message.body}
        if message.mentions:
            text["mentioned_list"] = message.mentions
        if self._mobiles:
            text["mentioned_mobile_list"] = self._mobiles
        return msgspec.json.encode({"msgtype": "text", "text": text})

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send once, and judge by ``errcode``."""
        url = f"{self._url}?key={self._key.get_secret_value()}"
        answer = await post(self._client, url, payload, {"Content-Type": "application/json"})
        return judge_errcode(answer, _CODES, "WeCom")
