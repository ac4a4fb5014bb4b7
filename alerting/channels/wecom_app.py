"""Messages of a WeCom app: ``POST {base}/cgi-bin/message/send?access_token=…`` (vendor document 90236).

- ``enable_duplicate_check`` keeps the same request from being shown twice within half an hour. So what may
  have been delivered is sent again at once, byte for byte.
- A card's ``task_id`` is the message's key: sent again later, whatever its marks, it is refused as known
  (42014), and so it was delivered.
- More than 30 messages a minute or 1,000 an hour to one member are dropped *without a word*. Only our
  own allowance protects: 13 at once and one each 4 s are at most 28 in 61 s and 913 in an hour.
- Some of the receivers being unknown is a success with ``invaliduser``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult, Markup, Message
from alerting.channels.buttons import buttons
from alerting.channels.codes import Codes, judge_code, theirs
from alerting.channels.http import post
from alerting.channels.markup import plain_mentions, title_and_rest, without_markup
from alerting.channels.wecom_bot import BASE_URL
from alerting.channels.wecom_token import CODES as TOKEN_CODES
from alerting.channels.wecom_token import Token
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from alerting.ports import Clock

_CODES: Codes = TOKEN_CODES | {
    40008: ("bad_request", "invalid message type"),
    40014: ("bad_credential", "invalid token"),
    40056: ("bad_credential", "unknown agent id"),
    40058: ("bad_request", "too long or malformed"),
    42001: ("bad_credential", "the token has expired"),
    42014: ("duplicate", "this card was sent before"),
    44004: ("bad_request", "empty content"),
    45002: ("bad_request", "too long"),
    48002: ("bad_credential", "the app may not send messages"),
    60011: ("bad_credential", "the app may not see whom it is for"),
    60111: ("no_recipient", "no such member"),
    81013: ("no_recipient", "nobody of them is known, or may use the app"),
    301002: ("bad_credential", "the secret is another app's"),
}
_DEAD = (40014, 42001)
Format = Literal["markdown", "text", "card"]


class _Answer(msgspec.Struct):
    errcode: int
    msgid: str = ""
    invaliduser: str = ""
    invalidparty: str = ""
    invalidtag: str = ""
    unlicenseduser: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """Whom an app writes to: ids of users, parties and tags."""

    users: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class WecomApp:
    """One app; its allowance is that of a member, since each message goes to the same ones."""

    allowance = Allowance(messages=28, reserve=8)
    knows_repeats = True  # of the same bytes, within half an hour; see alerting.replay

    def __init__(
        self,
        client: httpx.AsyncClient,
        corp_id: str,
        agent_id: int,
        secret: SecretStr,
        clock: Clock,
        to: Members,
        *,
        form: Format = "markdown",
        card_url: str = "",
        buttons: bool = False,
        base_url: str = BASE_URL,
    ) -> None:
        """``card_url`` is the page that a tap on a card opens; ``buttons`` need a callback address."""
        self.markup: Markup = "markdown" if form == "markdown" else "text"
        self.limit_bytes = limits.WECOM_CARD_BYTES if form == "card" else limits.WECOM_APP_BYTES
        self._client, self._agent_id, self._to, self._form = client, agent_id, to, form
        self._card_url, self._buttons = card_url, buttons
        self._url = f"{base_url.rstrip('/')}/cgi-bin/message/send"
        self._token = Token(client, base_url, corp_id, secret, clock)

    def payload(self, message: Message) -> bytes:
        """The JSON body."""
        to = Members(message.to) if message.to else self._to
        body: dict[str, Any] = {
            "touser": "|".join(to.users),
            "toparty": "|".join(to.parties),
            "totag": "|".join(to.tags),
            "agentid": self._agent_id,
            "enable_duplicate_check": 1,
            "duplicate_check_interval": 1_800,
        }
        return msgspec.json.encode(body | self._content(message))

    def _content(self, message: Message) -> dict[str, Any]:
        if self._form == "card":
            return {"msgtype": "template_card", "template_card": self._card(message)}
        return {"msgtype": self._form, self._form: {"content": plain_mentions(message.body)}}

    def _card(self, message: Message) -> dict[str, Any]:
        """A card; of one open alert, with buttons that act on it."""
        title, rest = title_and_rest(without_markup(message.body))
        card = {
            "card_type": "text_notice",
            "task_id": message.key,
            "main_title": {"title": title},
            "sub_title_text": rest,
            "card_action": {"type": 1, "url": self._card_url},
        }
        found = buttons(message) if self._buttons else []
        return card | {"card_type": "button_interaction", "button_list": found} if found else card

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send, with a new token where the first is dead, and once more where it may have been delivered."""
        try:
            async with asyncio.timeout(limits.DELIVER_S):
                result = await self._send(payload)
                return await self._send(payload) if result.kind == "ambiguous" else result
        except TimeoutError:
            return DeliveryResult("ambiguous", detail=f"no answer in {limits.DELIVER_S:.0f} s")

    async def _send(self, payload: bytes) -> DeliveryResult:
        token = await self._token.get()
        if isinstance(token, DeliveryResult):
            return token
        result = await self._once(token, payload)
        if result.provider_code in map(str, _DEAD):
            token = await self._token.get(dead=token)
            if isinstance(token, DeliveryResult):
                return token
            result = await self._once(token, payload)
        return result

    async def _once(self, token: str, payload: bytes) -> DeliveryResult:
        url = f"{self._url}?access_token={token}"
        response = await post(self._client, url, payload, {"Content-Type": "application/json"})
        answer = theirs(response, _Answer, "WeCom")
        return answer if isinstance(answer, DeliveryResult) else judge(answer)


def judge(answer: _Answer) -> DeliveryResult:
    """What an answer means; those who did not get it are named, so that somebody can mend it."""
    result = judge_code(answer.errcode, _CODES)
    fields = ("invaliduser", "invalidparty", "invalidtag", "unlicenseduser")
    missed = [f"{name} {value}" for name in fields if (value := getattr(answer, name))]
    if result.kind != "ok" or not missed:
        return DeliveryResult(result.kind, result.provider_code, answer.msgid, detail=result.detail)
    detail = f"errcode 0, but not for {', '.join(missed)}"[: limits.DETAIL_CHARS]
    return DeliveryResult("partial", "0", answer.msgid, detail=detail)
