"""A WeCom smart bot (智能机器人): cards with buttons that come back, over a connection of our own.

It needs no public address, no callback and no trusted IP. One open alert is a card whose buttons take it,
silence it or call it false; several are markdown. A conversation takes 30 messages a minute and 1,000 an
hour, and somebody must have written to the bot in it once. The vendor promises no idempotency.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult, Markup, Message
from alerting.channels.buttons import buttons
from alerting.channels.markup import title_and_rest, without_markup
from alerting.channels.wecom_smart_link import Frame, SmartLink
from alerting.messages.trimmed import whole_lines
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr


class WecomSmartBot:
    """One bot and the conversations it tells; its allowance is that of a conversation."""

    allowance = Allowance(messages=28, reserve=8)
    limit_bytes = limits.WECOM_MARKDOWN_BYTES
    markup: Markup = "markdown"

    def __init__(self, bot_id: str, secret: SecretStr, chats: tuple[str, ...], *, base_url: str) -> None:
        """``chats`` are ids of group chats, or of members."""
        self._chats = chats
        self._link = SmartLink(base_url, bot_id, secret, self._hear)
        self.on_tap: Callable[[str, str], Awaitable[str]] | None = None
        self._titles: OrderedDict[str, str] = OrderedDict()  # of cards sent, by task id
        self._heard: OrderedDict[str, None] = OrderedDict()  # ids of events: the provider may repeat one

    def hold(self, ours: bool) -> None:
        """Keep the connection while the account is ours: a second one would end the other process's."""
        self._link.hold(ours)

    def payload(self, message: Message) -> bytes:
        """Whom it is for, and the message."""
        return msgspec.json.encode({"chats": message.to or self._chats, "message": _content(message)})

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send to each conversation, and judge by ``errcode``."""
        order = msgspec.json.decode(payload)
        if card := order["message"].get("template_card"):
            _remember(self._titles, card["task_id"], card["main_title"]["title"])
        results = await asyncio.gather(
            *(
                self._link.ask("aibot_send_msg", {"chatid": chat, **order["message"]})
                for chat in order["chats"]
            )
        )
        worst = next((result for result in results if not result.accepted), results[0])
        if worst.accepted or not any(result.accepted for result in results):
            return worst
        told = sum(result.accepted for result in results)
        detail = f"{told} of {len(results)} conversations; {worst.detail}"
        return DeliveryResult("partial", worst.provider_code, detail=detail)

    async def _hear(self, frame: Frame) -> None:
        """A tap: do it, and have the card say so. It comes back until it is answered, and counts once."""
        event = (frame.body.get("event") or {}).get("template_card_event") or {}
        user, msgid = (frame.body.get("from") or {}).get("userid", ""), str(frame.body.get("msgid", ""))
        if not event or not user or self.on_tap is None or msgid in self._heard:
            return
        _remember(self._heard, msgid, None)
        label = await self.on_tap(user, str(event.get("event_key", "")))
        if not label:
            return
        task = str(event.get("task_id", ""))
        card = {
            "card_type": "text_notice",
            "task_id": task,
            "main_title": {"title": self._titles.get(task, "slawatch"), "desc": f"{label}：{user}"},
        }
        body = {"response_type": "update_template_card", "template_card": card}
        await self._link.ask("aibot_respond_update_msg", body, str(frame.headers.get("req_id", "")))


def _content(message: Message) -> dict[str, Any]:
    found = buttons(message)
    if not found:
        return {"msgtype": "markdown", "markdown": {"content": message.body}}
    title, rest = title_and_rest(without_markup(message.body))
    card = {
        "card_type": "button_interaction",
        "task_id": message.key,
        "main_title": {"title": title},
        "sub_title_text": whole_lines(rest, limits.SMART_CARD_BYTES),
        "button_list": found,
    }
    return {"msgtype": "template_card", "template_card": card}


def _remember(where: OrderedDict[str, Any], key: str, value: Any) -> None:
    where[key] = value
    while len(where) > limits.CARDS_REMEMBERED:
        where.popitem(last=False)
