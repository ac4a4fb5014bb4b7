"""An honest Feishu group bot server: its signature, its limits, its codes, and the group's inbox.

100 messages a minute and 5 a second per bot (``11232``), 20 KB a request; a bot with a secret wants a sign of
the last hour in the body (``19021``); refusals are HTTP 200 with a ``code``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from alerting.fakes.http import Answer, Request
from alerting.fakes.provider import Provider, Quota

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES = 20_480
HOUR_S = 3_600
_AT = {  # of the two kinds each has its own; the other's is plain text
    "text": re.compile(r'<at user_id="([\w-]+)">[^<]*</at>'),
    "interactive": re.compile(r"<at id=([\w-]+)></at>"),
}
_PATH = "/open-apis/bot/v2/hook/"


class FakeFeishu(Provider):
    """A Feishu server; ``bots`` are the secrets (or "") by the last part of their address."""

    def __init__(self, now_ms: Callable[[], int], bots: dict[str, str]) -> None:
        super().__init__(now_ms)
        self.bots = bots
        self._quotas = (Quota(100, 60_000), Quota(5, 1_000))

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if not request.path.startswith(_PATH) or request.method != "POST":
            return Answer(b"404 page not found", 404, "text/plain")
        key = request.path.removeprefix(_PATH)
        code, message = self._judge(key, request)
        if code:
            self.refused.append((self.now_ms(), key, code))
        said: dict[str, Any] = {"code": code, "msg": message, "data": {}}
        if not code:
            said |= {"StatusCode": 0, "StatusMessage": "success"}
        return Answer(json.dumps(said).encode(), 200, "application/json; charset=utf-8")

    def _judge(self, key: str, request: Request) -> tuple[int, str]:
        now_ms = self.now_ms()
        if key not in self.bots:
            return 19001, "param invalid: incoming webhook access token invalid"
        if request.busy or any(quota.full(key, now_ms) for quota in self._quotas):
            return 11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]"
        if len(request.body) > BYTES:
            return 9499, "Bad Request"
        try:
            body = json.loads(request.body)
            text = _text(body)
        except (ValueError, KeyError, TypeError):
            return 9499, "Bad Request"
        if self.bots[key] and not self._signed(self.bots[key], body):
            return 19021, "sign match fail or timestamp is not within one hour from current time"
        for quota in self._quotas:
            quota.take(key, now_ms)
        self.receive(key, body["msg_type"], text, tuple(_AT[body["msg_type"]].findall(text)))
        return 0, "success"

    def _signed(self, secret: str, body: dict[str, Any]) -> bool:
        stamp = body.get("timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - self.now_ms() // 1_000) > HOUR_S:
            return False
        mac = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
        return hmac.compare_digest(body.get("sign", ""), base64.b64encode(mac).decode())


def _text(body: dict[str, Any]) -> str:
    """What people read; a card is its title and its elements."""
    if body["msg_type"] == "text":
        return str(body["content"]["text"])
    if body["msg_type"] != "interactive":
        raise KeyError(body["msg_type"])
    card = body["card"]
    parts = [card["header"]["title"]["content"], *(element["content"] for element in card["elements"])]
    return "\n".join(parts)
