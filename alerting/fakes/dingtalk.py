"""An honest DingTalk group bot server: its signature, its limits, its codes, and the group's inbox.

20 messages a minute per bot, then ``130101`` for ten minutes; a request of at most 20,000 bytes
(``460101``); a bot with a secret wants a sign of the last hour, one with a keyword wants it in each message
(``310000``); every one of them HTTP 200.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from alerting.fakes.http import Answer, Request
from alerting.fakes.provider import Provider, Quota

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES = 20
WINDOW_MS = 60_000
CLOSED_MS = 600_000
BYTES = 20_000
HOUR_MS = 3_600_000


class FakeDingtalk(Provider):
    """A DingTalk server; ``bots`` are the secrets (or "") by token."""

    def __init__(self, now_ms: Callable[[], int], bots: dict[str, str], keyword: str = "") -> None:
        super().__init__(now_ms)
        self.bots, self.keyword = bots, keyword
        self._quota = Quota(MESSAGES, WINDOW_MS, CLOSED_MS)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path != "/robot/send" or request.method != "POST":
            return Answer(b'{"errcode":404,"errmsg":"not found"}', 404)
        token = request.query.get("access_token", "")
        code, message = self._judge(token, request)
        if code:
            self.refused.append((self.now_ms(), token, code))
        return Answer(json.dumps({"errcode": code, "errmsg": message}).encode(), 200, "application/json")

    def _judge(self, token: str, request: Request) -> tuple[int, str]:
        if request.busy:
            return -1, "system busy"
        if token not in self.bots:
            return 300001, "token is not exist"
        if self._quota.full(token, self.now_ms()):
            return 130101, "send too fast, exceed 20 times per minute"
        if self.bots[token] and not self._signed(self.bots[token], request.query):
            return 310000, "sign not match"
        if len(request.body) > BYTES:
            return 460101, f"message too long, exceed {BYTES} bytes"
        try:
            body = json.loads(request.body)
            kind = body["msgtype"]
            part = body[kind]
            text = {"text": "content", "markdown": "text"}[kind]
            content, title = part[text], part["title"] if kind == "markdown" else "-"
        except (ValueError, KeyError, TypeError):
            return 40035, "缺少参数 json"
        if not (isinstance(content, str) and content.strip() and title):
            return 40035, "缺少参数 json"
        if self.keyword not in content:
            return 310000, "keywords not in content"
        self._quota.take(token, self.now_ms())
        at = body.get("at", {})
        mentioned = (*at.get("atMobiles", ()), *(("@all",) if at.get("isAtAll") else ()))
        self.receive(token, kind, content, mentioned)
        return 0, "ok"

    def _signed(self, secret: str, query: dict[str, str]) -> bool:
        stamp = query.get("timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - self.now_ms()) > HOUR_MS:
            return False
        mac = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        return hmac.compare_digest(query.get("sign", ""), base64.b64encode(mac).decode())
