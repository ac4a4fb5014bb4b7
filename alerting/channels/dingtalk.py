r"""A DingTalk group bot: ``POST {base}/robot/send?access_token=…``, signed when the bot wants it.

The signature is the Base64 HMAC-SHA256, under the secret, of ``timestamp + "\n" + secret``; it and the
timestamp (milliseconds, at most an hour off) stand in the query. Every business answer is HTTP 200 with an
``errcode``. 20 messages a minute; a bot that sends more is closed for ten minutes. A request holds at
most 20,000 bytes. There is no message id and no idempotency.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from alerting import limits
from alerting.channels.codes import Codes, judge_errcode
from alerting.channels.http import post
from alerting.channels.markup import plain_mentions, recolour, title_of
from alerting.channels.signed_bot import SignedBot
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from alerting.channels.base import DeliveryResult, Markup, Message
    from alerting.ports import Clock

BASE_URL = "https://oapi.dingtalk.com"

_CODES: Codes = {
    0: ("ok", "ok"),
    -1: ("transient", "the provider is busy"),
    40035: ("bad_request", "not the JSON it wants"),
    43004: ("bad_request", "wrong content type"),
    130101: ("rate_limited", "more than 20 messages a minute"),
    300001: ("bad_credential", "unknown token"),
    310000: ("bad_credential", "the bot's security settings refuse it: sign, keyword or address"),
    400013: ("bad_credential", "the group is gone"),
    400101: ("bad_credential", "unknown token"),
    400102: ("bad_credential", "the bot is disabled"),
    400105: ("bad_request", "unsupported message type"),
    400106: ("bad_credential", "the bot is gone"),
    410100: ("rate_limited", "too many messages"),
    430101: ("bad_request", "a link it holds for unsafe"),
    430102: ("bad_request", "a text it does not let through"),
    430104: ("bad_request", "content it does not let through"),
    460101: ("bad_request", "longer than 20000 bytes"),
}
_COLOURS = {"warning": "#FF7D00", "comment": "#808080", "info": "#00A870"}


class DingtalkBot(SignedBot):
    """One bot, which is one account: 20 messages in any minute, or closed for ten."""

    allowance = Allowance(closed_ms=limits.DINGTALK_CLOSED_MS)
    limit_bytes = limits.DINGTALK_BYTES
    path = "/robot/send"

    def __init__(
        self,
        client: httpx.AsyncClient,
        key: SecretStr,
        clock: Clock,
        *,
        base_url: str,
        secret: SecretStr | None = None,
        markup: Markup = "markdown",
        mention_mobiles: tuple[str, ...] = (),
    ) -> None:
        super().__init__(client, key, clock, base_url=base_url, secret=secret, markup=markup)
        self._mobiles = mention_mobiles

    def payload(self, message: Message) -> bytes:
        """The JSON body. In markdown one line end is none, and who is mentioned must stand in the text."""
        people = [m for m in dict.fromkeys((*self._mobiles, *message.mentions)) if m != "@all"]
        everybody = "@all" in self._mobiles
        body: dict[str, object] = {
            "at": {"atMobiles": people, "isAtAll": everybody} if people or everybody else {}
        }
        if self.markup == "text":
            return msgspec.json.encode({"msgtype": "text", "text": {"content": message.body}} | body)
        said = recolour(plain_mentions(message.body), _COLOURS)
        lines = [said, " ".join(f"@{p}" for p in people if f"@{p}" not in said)]
        text = "\n".join(filter(None, lines)).replace("\n", "  \n")
        markdown = {"title": title_of(message.body), "text": text}
        return msgspec.json.encode({"msgtype": "markdown", "markdown": markdown} | body)

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send once, and judge by ``errcode``."""
        query = {"access_token": self._key.get_secret_value()}
        if secret := self._signed():
            query |= sign(secret, self._clock.now_ms())
        url = f"{self._url}?{urlencode(query)}"
        answer = await post(self._client, url, payload, {"Content-Type": "application/json"})
        return judge_errcode(answer, _CODES, "DingTalk")


def sign(secret: str, now_ms: int) -> dict[str, str]:
    """The query's ``timestamp`` and ``sign``, not yet escaped."""
    mac = hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return {"timestamp": str(now_ms), "sign": base64.b64encode(mac).decode()}
