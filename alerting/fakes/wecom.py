"""An honest WeCom group bot server: its limits, its codes, its answers, and the group's inbox.

Known from the vendor's documents and from answers reported by users: 20 messages in any 60 s per bot,
then ``45009`` for 60 s; text up to 2048 bytes, markdown up to 4096 (``40058``); ``93000`` for an unknown
key; every one of them HTTP 200.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alerting.fakes.http import Answer, FakeServer, Fault, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MESSAGES = 20
WINDOW_MS = 60_000
CLOSED_MS = 60_000
_BYTES = {"text": 2_048, "markdown": 4_096, "markdown_v2": 4_096}
_HINT = ", hint: [1704540159128593240839785], from ip: 127.0.0.1, more info at "
_MORE = "https://open.work.weixin.qq.com/devtool/query?e="


@dataclass(frozen=True, slots=True)
class Received:
    """A message in the group, as its members see it."""

    at_ms: int
    key: str
    kind: str
    text: str
    mentioned: tuple[str, ...] = ()


@dataclass(slots=True)
class FakeWecom:
    """A WeCom server for the bots named by ``keys``.

    ``inbox`` is what the group sees; ``refused`` what was answered with an error: when, key, code.
    ``on_message`` is called with each message that arrives.
    """

    now_ms: Callable[[], int]
    keys: Iterable[str] = ("test-key",)
    on_message: Callable[[Received], object] = lambda _: None
    inbox: list[Received] = field(default_factory=list)
    refused: list[tuple[int, str, int]] = field(default_factory=list)
    server: FakeServer = field(init=False)
    _accepted_ms: dict[str, list[int]] = field(default_factory=dict)
    _closed_until_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = FakeServer(self._handle)

    async def start(self) -> str:
        """Listen on 127.0.0.1; the base URL."""
        await self.server.start()
        return self.server.url

    async def close(self) -> None:
        """Stop; connections are refused until the next ``start``."""
        await self.server.close()

    def suffer(self, *faults: Fault) -> None:
        """Let the next requests meet these faults, one each."""
        self.server.faults.extend(faults)

    def texts(self) -> list[str]:
        """What the group has read."""
        return [received.text for received in self.inbox]

    def _handle(self, request: Request) -> Answer:
        if request.path != "/cgi-bin/webhook/send" or request.method != "POST":
            return Answer(b"not found", 404, "text/plain")
        key = request.query.get("key", "")
        code, message = self._judge(key, request)
        if code:
            self.refused.append((self.now_ms(), key, code))
            message += f"{_HINT}{_MORE}{code}"
        return Answer(json.dumps({"errcode": code, "errmsg": message}).encode())

    def _judge(self, key: str, request: Request) -> tuple[int, str]:
        """The code and message of the answer; a good message enters the inbox."""
        if request.busy:
            return -1, "system error"
        if key not in self.keys:
            return 93000, "invalid webhook url"
        if self._too_often(key):
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
        self._take(key, kind, part)
        return 0, "ok"

    def _too_often(self, key: str) -> bool:
        now_ms = self.now_ms()
        if now_ms < self._closed_until_ms.get(key, 0):
            return True
        recent = [at_ms for at_ms in self._accepted_ms.get(key, ()) if at_ms > now_ms - WINDOW_MS]
        self._accepted_ms[key] = recent
        if len(recent) >= MESSAGES:
            self._closed_until_ms[key] = now_ms + CLOSED_MS
            return True
        return False

    def _take(self, key: str, kind: str, part: dict[str, Any]) -> None:
        now_ms = self.now_ms()
        self._accepted_ms[key].append(now_ms)
        mentioned = (*part.get("mentioned_list", ()), *part.get("mentioned_mobile_list", ()))
        received = Received(now_ms, key, kind, part["content"], mentioned)
        self.inbox.append(received)
        self.on_message(received)
