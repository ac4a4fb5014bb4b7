"""An honest WeCom smart-bot server: one connection a bot, its limits, its codes, cards, taps and faults.

A second connection that subscribes ends the first, which is told ``disconnected_event``. A conversation takes
30 messages a minute and 1,000 an hour (``45009``), and only if somebody wrote to the bot in it. A tap's
event is answered within 5 s or the card stays as it was. A repeated ``task_id`` is shown again: nobody
promises otherwise. A fault befalls the next message: ``reset`` breaks off before it is taken, ``lost``
after, ``silent`` and ``slow`` are late, ``html`` and ``bad_gateway`` answer no frame, ``busy`` refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from alerting.fakes.provider import Quota, Received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alerting.fakes.http import Fault

MARKDOWN_BYTES = 4_096


class FakeSmartBot:
    """A WeCom server for one bot and the conversations in which somebody wrote to it."""

    def __init__(self, now_ms: Callable[[], int], bot_id: str, secret: str, chats: Iterable[str]) -> None:
        self.now_ms, self.bot_id, self.secret, self.chats = now_ms, bot_id, secret, set(chats)
        self.inbox: list[Received] = []
        self.cards: dict[str, dict[str, Any]] = {}  # by task id, as they show now
        self.refused: list[tuple[int, str, int]] = []
        self.subscribed = 0
        self.kicked = 0
        self.left = asyncio.Event()  # the connection that was subscribed last is gone
        self.faults: deque[Fault] = deque()
        self.port = 0
        self._active: ServerConnection | None = None
        self._server: Server | None = None
        self._taps: dict[str, tuple[str, asyncio.Future[None]]] = {}
        self._quotas = (Quota(30, 60_000), Quota(1_000, 3_600_000))

    async def start(self) -> str:
        """Listen on 127.0.0.1, on the same port when started again; the address."""
        self._server = await serve(self._serve, "127.0.0.1", self.port, ping_interval=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{self.port}"

    async def close(self) -> None:
        """Break off every connection; connecting is refused until the next ``start``."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def suffer(self, *faults: Fault) -> None:
        """Let the next messages meet these faults, one each."""
        self.faults.extend(faults)

    def texts(self) -> list[str]:
        """What people have read."""
        return [received.text for received in self.inbox]

    async def drop(self) -> None:
        """Lose the connection, as networks do."""
        if self._active is not None:
            self._active.transport.abort()

    async def tap(
        self, user: str, task: str, button: int = 0, msgid: str = "m1", within_s: float = 5.0
    ) -> bool:
        """Let somebody tap a card's button; whether the card was renewed in time."""
        assert self._active is not None
        key = self.cards[task]["button_list"][button]["key"]
        req_id, renewed = f"tap-{msgid}", asyncio.get_running_loop().create_future()
        self._taps[req_id] = (task, renewed)
        tapped = {"card_type": "button_interaction", "event_key": key, "task_id": task}
        event = {"eventtype": "template_card_event", "template_card_event": tapped}
        await self._event(self._active, req_id, {"msgid": msgid, "from": {"userid": user}, "event": event})
        try:
            async with asyncio.timeout(within_s):
                await renewed
        except TimeoutError:
            return False
        finally:
            del self._taps[req_id]
        return True

    async def _event(self, to: ServerConnection, req_id: str, body: dict[str, Any]) -> None:
        frame = {
            "cmd": "aibot_event_callback",
            "headers": {"req_id": req_id},
            "body": {"msgtype": "event"} | body,
        }
        await to.send(json.dumps(frame))

    async def _serve(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in connection:
                frame = json.loads(raw)
                await self._take(connection, frame, frame["headers"]["req_id"])
        if connection is self._active:
            self.left.set()

    async def _take(self, connection: ServerConnection, frame: dict[str, Any], req_id: str) -> None:
        cmd, body = frame["cmd"], frame.get("body", {})
        if cmd == "aibot_subscribe":
            await self._subscribe(connection, body, req_id)
        elif connection is not self._active:
            await _answer(connection, req_id, 40001, "not subscribed")
        elif cmd == "ping":
            await _answer(connection, req_id, 0, "ok")
        elif cmd == "aibot_respond_update_msg":
            await self._update(connection, body, req_id)
        else:
            await self._send(connection, body, req_id)

    async def _subscribe(self, connection: ServerConnection, body: dict[str, Any], req_id: str) -> None:
        if body.get("bot_id") != self.bot_id or body.get("secret") != self.secret:
            await _answer(connection, req_id, 40001, "invalid credential")
            return
        former, self._active = self._active, connection
        self.subscribed += 1
        self.left.clear()
        await _answer(connection, req_id, 0, "ok")
        if former is not None and former is not connection:
            with contextlib.suppress(ConnectionClosed):
                await self._event(
                    former, "kick", {"msgid": "kick", "event": {"eventtype": "disconnected_event"}}
                )
                await former.close()
                self.kicked += 1

    async def _update(self, connection: ServerConnection, body: dict[str, Any], req_id: str) -> None:
        task, renewed = self._taps.get(req_id, ("", None))
        card = body.get("template_card", {})
        if renewed is None or card.get("task_id") != task:
            await _answer(connection, req_id, 40008, "no such event, or too late")
            return
        self.cards[task] = card
        renewed.set_result(None)
        await _answer(connection, req_id, 0, "ok")

    async def _send(self, connection: ServerConnection, body: dict[str, Any], req_id: str) -> None:
        fault = self.faults.popleft() if self.faults else None
        kind = fault.kind if fault else ""
        if kind == "reset":
            connection.transport.abort()
            return
        if kind in ("html", "bad_gateway"):
            await connection.send("<html><body><h1>502 Bad Gateway</h1></body></html>")
            return
        code, message = (45033, "api concurrent out of limit") if kind == "busy" else self._judge(body)
        if code:
            self.refused.append((self.now_ms(), str(body.get("chatid")), code))
        if kind == "lost":
            connection.transport.abort()
            return
        if kind == "silent":
            return
        if fault and kind == "slow":
            await asyncio.sleep(fault.seconds)
        await _answer(connection, req_id, code, message)

    def _judge(self, body: dict[str, Any]) -> tuple[int, str]:
        """The code and message of the answer; a good message enters the inbox."""
        chat, now_ms = str(body.get("chatid")), self.now_ms()
        if chat not in self.chats:
            return 93006, "invalid chatid"
        if any(quota.full(chat, now_ms) for quota in self._quotas):
            return 45009, "api freq out of limit"
        kind = body.get("msgtype")
        if kind == "markdown":
            text = body["markdown"]["content"]
            if len(text.encode()) > MARKDOWN_BYTES:
                return 40058, "markdown.content exceed max length 4096. invalid Request Parameter"
        elif kind == "template_card":
            card = body["template_card"]
            text = "\n".join(filter(None, (card["main_title"]["title"], card["sub_title_text"])))
            if len(card["main_title"]["title"].encode()) > 108 or len(card["sub_title_text"].encode()) > 480:
                return 40058, "template_card exceed max length. invalid Request Parameter"
            if not card["task_id"] or len(card["button_list"]) > 6:
                return 40008, "invalid card"
            self.cards[card["task_id"]] = card
        else:
            return 40008, "invalid message type"
        if not text.strip():
            return 44004, "empty content"
        for quota in self._quotas:
            quota.take(chat, now_ms)
        self.inbox.append(Received(now_ms, chat, kind, text))
        return 0, "ok"


async def _answer(connection: ServerConnection, req_id: str, code: int, message: str) -> None:
    await connection.send(json.dumps({"headers": {"req_id": req_id}, "errcode": code, "errmsg": message}))
