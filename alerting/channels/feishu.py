r"""A Feishu or Lark group bot: ``POST {base}/open-apis/bot/v2/hook/…``, signed when the bot wants it.

The signature stands in the body: Base64 HMAC-SHA256 of nothing, under ``timestamp + "\n" + secret``, with
the timestamp in seconds, at most an hour off. So a payload is signed when it is sent, not when it is
written down. Refusals are HTTP 200 with a ``code``. 100 messages a minute and 5 a second for each bot, 20 KB
a request. There is no message id and no idempotency.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult, Message
from alerting.channels.codes import Codes, judge_code, theirs
from alerting.channels.http import post
from alerting.channels.markup import mentions_as, recolour, title_and_rest
from alerting.channels.signed_bot import SignedBot
from alerting.policy.throttle import Allowance

BASE_URL = "https://open.feishu.cn"

_CODES: Codes = {
    0: ("ok", "ok"),
    9499: ("bad_request", "not the request it wants"),
    11232: ("rate_limited", "more than 100 messages a minute or 5 a second"),
    11246: ("bad_request", "not the card it wants"),
    19001: ("bad_credential", "unknown or removed bot"),
    19002: ("bad_request", "not the message it wants"),
    19021: ("bad_credential", "the sign does not match, or a clock is an hour off"),
    19022: ("bad_credential", "this address may not call"),
    19024: ("bad_credential", "the bot wants a keyword in each message"),
    99991400: ("rate_limited", "too many requests"),
}
_COLOURS = {"warning": "red", "comment": "grey", "info": "green"}


class _Answer(msgspec.Struct):
    code: int


class FeishuBot(SignedBot):
    """One bot, which is one account.

    The allowance is far below the provider's: four messages at once stay below five a second, and the
    later ones keep their distance and collect what is due.
    """

    allowance = Allowance(messages=19)
    limit_bytes = limits.FEISHU_BYTES
    path = "/open-apis/bot/v2/hook/"

    def payload(self, message: Message) -> bytes:
        """The JSON body, not yet signed: plain text, or a card for markdown."""
        if self.markup == "text":
            called = " ".join(f'<at user_id="{one}"></at>' for one in message.mentions)
            text = "\n".join(filter(None, (message.body, called)))
            return msgspec.json.encode({"msg_type": "text", "content": {"text": text}})
        said = mentions_as(message.body, r"<at id=\1></at>")
        missing = [f"<at id={one}></at>" for one in message.mentions]
        lines = [said, " ".join(one for one in missing if one not in said)]
        title, body = title_and_rest(recolour("\n".join(filter(None, lines)), _COLOURS))
        header = {"title": {"tag": "plain_text", "content": title}}
        card = {"header": header, "elements": [{"tag": "markdown", "content": body}]}
        return msgspec.json.encode({"msg_type": "interactive", "card": card})

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Sign, send once, and judge by ``code``."""
        if secret := self._signed():
            signed = sign(secret, self._clock.now_ms())
            payload = msgspec.json.encode(signed | msgspec.json.decode(payload))
        url = self._url + self._key.get_secret_value()
        response = await post(self._client, url, payload, {"Content-Type": "application/json"})
        answer = theirs(response, _Answer, "Feishu")
        return answer if isinstance(answer, DeliveryResult) else judge_code(answer.code, _CODES, "code")


def sign(secret: str, now_ms: int) -> dict[str, str]:
    """The body's ``timestamp`` and ``sign``."""
    timestamp = str(now_ms // 1_000)
    mac = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": timestamp, "sign": base64.b64encode(mac).decode()}
