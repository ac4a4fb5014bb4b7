"""An honest WeCom group bot server: its limits, its codes, its answers, and the group's inbox.

Known from the vendor's documents and from answers reported by users: 20 messages in any 60 s per bot,
then ``45009`` for 60 s; text up to 2048 bytes, markdown up to 4096 (``40058``); ``93000`` for an unknown
key; every one of them HTTP 200.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alerting.fakes.http import Answer, Request
from alerting.fakes.provider import Provider, Quota, Received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MESSAGES = 20
WINDOW_MS = 60_000
CLOSED_MS = 60_000
_BYTES = {"text": 2_048, "markdown": 4_096, "markdown_v2": 4_096}
_HINT = ", hint: [1704540159128593240839785], from ip: 127.0.0.1, more info at "
_MORE = "https://open.work.weixin.qq.com/devtool/query?e="


def answer(code: int, message: str, **more: object) -> Answer:
    """An answer as WeCom writes it; always HTTP 200."""
    message += f"{_HINT}{_MORE}{code}" if code else ""
    return Answer(json.dumps({"errcode": code, "errmsg": message} | more).encode())


class FakeWecom(Provider):
    """A WeCom server for the bots named by ``keys``."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        keys: Iterable[str] = ("test-key",),
        on_message: Callable[[Received], object] = lambda _: None,
    ) -> None:
        super().__init__(now_ms, on_message)
        self.keys = keys
        self._quota = Quota(MESSAGES, WINDOW_MS, CLOSED_MS)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if request.path != "/cgi-bin/webhook/send" or request.method != "POST":
            return Answer(b"not found", 404, "text/plain")
        key = request.query.get("key", "")
        code, message = self._judge(key, request)
        if code:
            self.refused.append((self.now_ms(), key, code))
        return answer(code, message)

    def _judge(self, key: str, request: Request) -> tuple[int, str]:
        """The code and message of the answer; a good message enters the inbox."""
        if request.busy:
            return -1, "system error"
        if key not in self.keys:
            return 93000, "invalid webhook url"
        if self._quota.full(key, self.now_ms()):
            return 45009, "api freq out of limit"
        try:
            body = json.loads(request.body)
            kind = body["msgtype"]
            part = body[kind]
            text = part["content"]
        except (ValueError, KeyError, TypeError):
            return 40008, "invalid message type. Warning: wrong json format. "
        if kind not in _BYTES:
            return 40008, "invalid message type"
        if not isinstance(text, str) or not text.strip():
            return 44004, "empty content"
        if len(text.encode()) > _BYTES[kind]:
            return 40058, f"{kind}.content exceed max length {_BYTES[kind]}. invalid Request Parameter"
        self._quota.take(key, self.now_ms())
        mentioned = (*part.get("mentioned_list", ()), *part.get("mentioned_mobile_list", ()))
        self.receive(key, kind, text, mentioned)
        return 0, "ok"
