"""What both SMS providers have in common: phones, their daily budget, and what became of each of them.

No provider has a key that keeps a message from being sent twice, but both give back ours. So after a call
without an answer, and before a repeat, we look whether the phone has it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult, Kind, Markup, Message
from alerting.channels.sms_words import fitted, words_of
from alerting.policy.records import Report
from alerting.policy.throttle import Allowance
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx
    from pydantic import SecretStr

    from alerting.ports import Clock

# Of what became of several phones none of which has it: the first of these says most of what to do.
_ORDER: tuple[Kind, ...] = (
    *("ambiguous", "transient", "rate_limited", "bad_credential", "bad_request", "no_recipient"),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a carrier reported of one message to one phone."""

    key: str  # of the message; "" where the provider does not give it back
    provider_id: str
    state: Literal["waiting", "delivered", "failed"]
    code: str
    phone: str  # masked


class Order(msgspec.Struct):
    """What is stored before it is sent; the account's own phones are not in it."""

    key: str
    words: dict[str, str]
    to: tuple[str, ...] = ()
    again: bool = False


@dataclass(slots=True)
class PhoneBudget:
    """Messages that each phone was sent in the last 24 h, over all accounts of this process.

    Counted as carriers do: by what was submitted. What an account has sent is also in the store, so a
    restart does not open the budget anew, unless the account may send more than one phone may get: then the
    carrier's own count is what is left.
    """

    _sent: dict[str, list[int]] = field(default_factory=dict)

    def next_ms(self, phone: str, most: int, now_ms: int) -> int:
        """When the phone may have one more of ``most`` a day; ``now_ms``: at once."""
        recent = [at_ms for at_ms in self._sent.get(phone, ()) if at_ms > now_ms - DAY_MS]
        self._sent[phone] = recent
        return now_ms if len(recent) < most else recent[-most] + DAY_MS

    def take(self, phone: str, now_ms: int) -> None:
        """Count a message."""
        self._sent.setdefault(phone, []).append(now_ms)


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms an account sends, whichever provider it is with: its proof, its words and its limits."""

    base_url: str
    access_id: str
    secret: SecretStr
    phones: Sequence[SecretStr]
    sign_name: str
    template: str
    daily: int  # messages that a phone gets in any 24 h
    total: int | None  # to all phones together; None: as many
    chars: int  # of a variable


class Sms(ABC):
    """An account of an SMS provider: one signature, one template, and phones."""

    markup: Markup = "text"
    limit_bytes = limits.SMS_BYTES

    def __init__(self, client: httpx.AsyncClient, clock: Clock, terms: Terms, budget: PhoneBudget) -> None:
        """``budget`` is what phones were sent by all accounts of this process."""
        most = terms.total or terms.daily
        self.allowance = Allowance(most, DAY_MS + limits.COLLECT_MS, reserve=min(1, most - 1))
        self._client, self._clock, self._terms, self._budget = client, clock, terms, budget
        self._base = terms.base_url.rstrip("/")
        self._host = self._base.partition("://")[2].partition("/")[0]

    def payload(self, message: Message) -> bytes:
        """The words of its alerts, fitted; the template makes the text."""
        words = {name: fitted(word, self._terms.chars) for name, word in words_of(message).items()}
        return msgspec.json.encode(Order(message.key, words, message.to, message.again))

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send to each phone that has budget left and does not have it yet."""
        order = msgspec.json.decode(payload, type=Order)
        phones = self._to(order)
        try:
            async with asyncio.timeout(limits.DELIVER_S):
                return sum_up(await self._deliver(order, phones))
        except TimeoutError:
            return DeliveryResult("ambiguous", detail=f"no answer in {limits.DELIVER_S:.0f} s")

    def _to(self, order: Order) -> list[str]:
        """The order's phones, else the account's own."""
        return [e164(phone) for phone in order.to or [p.get_secret_value() for p in self._terms.phones]]

    async def _deliver(self, order: Order, phones: list[str]) -> dict[str, DeliveryResult]:
        found = await self._reconcile(order, phones) if order.again else {}
        now_ms = self._clock.now_ms()
        for phone in phones:
            wait_ms = self._budget.next_ms(phone, self._terms.daily, now_ms) - now_ms
            if wait_ms and phone not in found:
                detail = f"the phone has had its {self._terms.daily} messages of the day"
                # One person of several who share the account: who comes next is told now, and others go on.
                kind: Kind = "no_recipient" if order.to else "rate_limited"
                found[phone] = DeliveryResult(kind, retry_after_ms=wait_ms, detail=detail)
        left = [phone for phone in phones if phone not in found]
        sent = await self._send(order, left) if left else {}
        for phone, result in sent.items():
            if result.accepted or result.kind == "ambiguous":
                self._budget.take(phone, now_ms)
        unclear = [phone for phone, result in sent.items() if result.kind == "ambiguous"]
        return found | sent | await self._reconcile(order, unclear, "ok")

    async def _reconcile(
        self, order: Order, phones: Sequence[str], kind: Kind = "duplicate"
    ) -> dict[str, DeliveryResult]:
        """Those of the phones that have the message already."""
        receipts = await asyncio.gather(*(self._receipts(phone) for phone in phones))
        found: dict[str, DeliveryResult] = {}
        for phone, known in zip(phones, receipts, strict=True):
            for receipt in known if isinstance(known, list) else ():
                if receipt.key == order.key and receipt.state != "failed":
                    detail = "the provider has it"
                    found[phone] = DeliveryResult(kind, receipt.code, receipt.provider_id, detail=detail)
        return found

    async def reports(self, payload: bytes, ids: Sequence[str]) -> list[Report]:
        """What carriers say of a message to phones with these ids; nothing of one on its way."""
        order = msgspec.json.decode(payload, type=Order)
        phones = self._to(order)
        known = await asyncio.gather(*(self._about(phone, ids) for phone in phones))
        found = [one for some in known for one in some if one.key == order.key]
        return [
            Report(one.provider_id, one.state == "delivered", one.code)
            for one in found
            if one.provider_id in ids and one.state != "waiting"
        ]

    async def _about(self, phone: str, ids: Sequence[str]) -> list[Receipt]:  # noqa: ARG002 - who can, asks by id
        """What the provider knows of a phone's messages, with its ids; nothing where it does not say."""
        known = await self._receipts(phone)
        return known if isinstance(known, list) else []

    @abstractmethod
    async def _send(self, order: Order, phones: Sequence[str]) -> dict[str, DeliveryResult]:
        """Send once; what became of each phone."""

    @abstractmethod
    async def _receipts(self, phone: str) -> list[Receipt] | DeliveryResult:
        """What the provider knows of a phone's messages, or why it did not say."""


def e164(phone: str) -> str:
    """A phone number with its country; a plain one is of mainland China."""
    return phone if phone.startswith("+") else f"+86{phone}"


def masked(phone: str) -> str:
    """A phone number as it may be shown."""
    return f"{phone[:-8]}******{phone[-2:]}"


def sum_up(by_phone: Mapping[str, DeliveryResult]) -> DeliveryResult:
    """One result of several phones."""
    results = list(by_phone.values())
    accepted = [result for result in results if result.accepted]
    refused = {phone: result for phone, result in by_phone.items() if not result.accepted}
    ids = ",".join(filter(None, (result.provider_id for result in results)))
    if not refused:
        kind: Kind = "duplicate" if all(r.kind == "duplicate" for r in accepted) else "ok"
        return DeliveryResult(kind, accepted[0].provider_code, ids, detail=accepted[0].detail)
    worst = min(refused.values(), key=lambda result: _ORDER.index(result.kind))
    if not accepted and len(refused) == 1:
        return worst
    told = ", ".join(f"{masked(phone)} {result.detail}" for phone, result in refused.items())
    detail = f"{len(accepted)} of {len(results)} phones; {told}"[: limits.DETAIL_CHARS]
    kind = "partial" if accepted else worst.kind
    return DeliveryResult(kind, worst.provider_code, ids, None if accepted else worst.retry_after_ms, detail)
