"""The standing connection of a WeCom smart bot (vendor document 101463): frames of JSON over a WebSocket.

``aibot_subscribe`` proves who we are, ``ping`` every 30 s that we are there. A request is answered by a frame
with its ``req_id`` and an ``errcode``. A bot has one connection: a newer one ends the older, which is told so
(``disconnected_event``). Whoever is so replaced does not fight: it stays away a minute, then two, up to an
hour, and says so to who wants to send. Any other loss is mended for ever, after 1, 2, 4 … 60 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from alerting import limits
from alerting.channels.base import DeliveryResult
from alerting.channels.codes import judge_code
from alerting.channels.wecom_smart_codes import CODES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)
logging.getLogger("websockets").setLevel(logging.WARNING)  # it writes whole frames, and with them the secret

_LOST = (OSError, TimeoutError, WebSocketException)
REPLACED = DeliveryResult(
    "bad_credential",
    "replaced",
    detail="another connection of this bot took over; a bot has one: stop the other",
)


class Frame(msgspec.Struct):
    """A frame as it comes."""

    cmd: str = ""
    headers: dict[str, Any] = msgspec.field(default_factory=dict)
    body: dict[str, Any] = msgspec.field(default_factory=dict)
    errcode: int = 0


class SmartLink:
    """One bot's connection, kept while it is held.

    Args:
        url: Of the provider.
        bot_id: The bot's.
        secret: The bot's.
        on_event: Awaited with each event frame, beside the reading of further ones.
    """

    def __init__(
        self, url: str, bot_id: str, secret: SecretStr, on_event: Callable[[Frame], Awaitable[object]]
    ) -> None:
        self._url, self._bot_id, self._secret, self._on_event = url, bot_id, secret, on_event
        self._connection: ClientConnection | None = None
        self._news = asyncio.Event()  # connected, or why not
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._events: set[asyncio.Task[object]] = set()
        self._task: asyncio.Task[None] | None = None
        self._trouble = DeliveryResult("transient", detail="not connected yet")
        self._kicks = 0

    def hold(self, ours: bool) -> None:
        """Keep a connection from now on, or let go of it: a bot that is another process's has no other."""
        if ours and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="smart bot")
        elif not ours and self._task is not None:
            self._task.cancel()
            self._task = None

    async def ask(self, cmd: str, body: dict[str, Any], req_id: str = "") -> DeliveryResult:
        """Send a request and say what became of it; without a connection, why there is none."""
        self.hold(True)
        connection = await self._connected()
        if connection is None:
            return self._trouble
        try:
            async with asyncio.timeout(limits.ANSWER_S):
                answer = await self._exchange(connection, cmd, body, req_id)
        except _LOST as error:
            return DeliveryResult("ambiguous", detail=f"no answer ({type(error).__name__})")
        return judge_code(answer.errcode, CODES)

    async def _connected(self) -> ClientConnection | None:
        """The connection, waited for a little; None at once where waiting does not help."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.CONNECT_S):
                while self._connection is None and self._trouble.kind == "transient":
                    self._news.clear()
                    await self._news.wait()
        return self._connection

    async def _exchange(
        self, connection: ClientConnection, cmd: str, body: dict[str, Any] | None, req_id: str = ""
    ) -> Frame:
        name = req_id or f"{cmd}_{secrets.token_hex(8)}"
        heard: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[name] = heard
        frame = {"cmd": cmd, "headers": {"req_id": name}} | ({} if body is None else {"body": body})
        try:
            await connection.send(msgspec.json.encode(frame).decode())
            return await heard
        finally:
            self._waiting.pop(name, None)

    async def _keep(self) -> None:
        failures = 0
        while True:
            pause_s = 0.0
            try:
                async with connect(
                    self._url, ping_interval=None, open_timeout=limits.CONNECT_S
                ) as connection:
                    replaced = await self._serve(connection)
                failures = 0
                if replaced:
                    self._trouble = REPLACED
                    pause_s = min(limits.REPLACED_S * 2**self._kicks, limits.REPLACED_S_MAX)
                    self._kicks = min(self._kicks + 1, 16)
                    log.warning("smart bot: %s; trying again in %d s", REPLACED.detail, pause_s)
            except _Refused as refused:
                self._trouble, pause_s = refused.result, limits.BACKOFF_MS_MAX / 1_000
            except (InvalidURI, InvalidHandshake, *_LOST) as error:
                self._trouble = DeliveryResult("transient", detail=f"no connection ({type(error).__name__})")
            failures += 1
            self._news.set()
            await asyncio.sleep(pause_s or min(limits.RECONNECT_S * 2 ** min(failures - 1, 16), 60.0))
            self._trouble = DeliveryResult("transient", detail="not connected yet")

    async def _serve(self, connection: ClientConnection) -> bool:
        """Subscribe, then read until the end; whether another connection took over."""
        reading = asyncio.create_task(self._read(connection))
        beating: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(limits.ANSWER_S):
                proof = {"bot_id": self._bot_id, "secret": self._secret.get_secret_value()}
                answer = await self._exchange(connection, "aibot_subscribe", proof)
            if answer.errcode:
                result = judge_code(answer.errcode, CODES)
                raise _Refused(
                    result if result.kind in ("transient", "rate_limited") else _as_refused(result)
                )
            self._connection = connection
            self._news.set()
            beating = asyncio.create_task(self._beat(connection))
            return await reading
        finally:
            self._connection = None
            for task in (reading, beating):
                if task is not None:
                    task.cancel()
            self._fail_waiting()

    async def _read(self, connection: ClientConnection) -> bool:
        replaced = False
        with contextlib.suppress(WebSocketException):
            async for raw in connection:
                try:
                    frame = msgspec.json.decode(raw, type=Frame)
                except msgspec.MsgspecError:
                    continue  # not the provider's; who waits for an answer gets none
                if frame.cmd == "aibot_event_callback":
                    kind = (frame.body.get("event") or {}).get("eventtype")
                    replaced = replaced or kind == "disconnected_event"
                    self._tell(frame)
                elif (heard := self._waiting.get(str(frame.headers.get("req_id", "")))) and not heard.done():
                    heard.set_result(frame)
        self._fail_waiting()
        return replaced

    def _fail_waiting(self) -> None:
        """Tell all who wait for an answer that none will come."""
        for heard in self._waiting.values():
            if not heard.done():
                heard.set_exception(ConnectionError("the connection was lost"))

    def _tell(self, frame: Frame) -> None:
        task = asyncio.ensure_future(self._on_event(frame))
        self._events.add(task)
        task.add_done_callback(self._events.discard)

    async def _beat(self, connection: ClientConnection) -> None:
        """Say that we are there; a connection that does not answer is closed, and so taken up anew."""
        while True:
            await asyncio.sleep(limits.HEARTBEAT_S)
            try:
                async with asyncio.timeout(limits.ANSWER_S):
                    await self._exchange(connection, "ping", None)
                self._kicks = 0
            except _LOST:
                await connection.close()
                return


class _Refused(Exception):  # noqa: N818 - an answer, raised to its place
    def __init__(self, result: DeliveryResult) -> None:
        super().__init__(result.detail)
        self.result = result


def _as_refused(result: DeliveryResult) -> DeliveryResult:
    """Whatever the code: a bot that may not subscribe has the wrong id or secret."""
    return DeliveryResult(
        "bad_credential", result.provider_code, detail=f"{result.detail}; check id and secret"
    )
