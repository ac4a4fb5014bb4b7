"""SMS through Aliyun: ``SendSms`` and ``QuerySendDetails`` of its API of 2017-05-25, signed with ACS3.

Refusals of a message are HTTP 200 with a ``Code`` other than ``OK``, refusals of a call HTTP 4xx with one.
One phone a call, since a call has one code for all of its phones. ``OutId`` is our key, given back by
``QuerySendDetails`` and in receipts. A notice: 50 in 24 h for each phone; a variable: 35 characters.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import msgspec

from alerting.channels.base import DeliveryResult, Kind
from alerting.channels.codes import not_theirs, read, theirs
from alerting.channels.http import post
from alerting.channels.sms import Order, PhoneBudget, Receipt, Sms, Terms, masked
from alerting.channels.sms_codes import judge_sms
from alerting.channels.sms_sign import acs3, canonical_query
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from alerting.ports import Clock

BASE_URL = "https://dysmsapi.aliyuncs.com"
CHARS = 35
_CHINA = timezone(timedelta(hours=8))
_STATES = {1: "waiting", 2: "failed", 3: "delivered"}

_CODES: dict[str, tuple[Kind, str]] = {
    "OK": ("ok", "ok"),
    "isv.BUSINESS_LIMIT_CONTROL": ("rate_limited", "too many messages to this phone"),
    "Throttling": ("rate_limited", "too many calls"),
    "isp.SYSTEM_ERROR": ("transient", "the provider is busy"),
    "InternalError": ("transient", "the provider is busy"),
    "ServiceUnavailable": ("transient", "the provider is busy"),
    "isv.MOBILE_NUMBER_ILLEGAL": ("no_recipient", "no such phone"),
    "isv.DAY_LIMIT_CONTROL": ("bad_credential", "the account's daily limit, set in its console"),
    "isv.MONTH_LIMIT_CONTROL": ("bad_credential", "the account's monthly limit, set in its console"),
    "isv.OUT_OF_SERVICE": ("bad_credential", "the balance is used up"),
    "isv.AMOUNT_NOT_ENOUGH": ("bad_credential", "the balance is used up"),
    "isv.ACCOUNT": ("bad_credential", "the account is not in order"),
    "isv.PRODUCT_UN_SUBSCRIPT": ("bad_credential", "SMS is not ordered"),
    "isv.SMS_SIGN": ("bad_credential", "the sign name is not approved"),
    "isv.SMS_SIGNATURE": ("bad_credential", "the sign name is not approved"),
    "isv.SMS_TEMPLATE_ILLEGAL": ("bad_credential", "the template is not approved"),
    "isv.DENY_IP_RANGE": ("bad_credential", "calls must come from mainland China"),
    "isp.RAM_PERMISSION_DENY": ("bad_credential", "the access key may not send"),
    "Forbidden": ("bad_credential", "the access key may not send"),
    "InvalidAccessKeyId": ("bad_credential", "unknown access key"),
    "SignatureDoesNotMatch": ("bad_credential", "wrong secret"),
    "InvalidTimeStamp": ("bad_credential", "a clock is off by more than 15 minutes"),
    "isv.TEMPLATE_MISSING_PARAMETERS": ("bad_request", "`params` lacks a variable of the template"),
    "isv.TEMPLATE_PARAMS_ILLEGAL": ("bad_request", "a variable the template does not take"),
    "isv.PARAM_LENGTH_LIMIT": ("bad_request", "a variable is too long: lower `param_chars`"),
}


class _Answer(msgspec.Struct, rename="pascal"):
    code: str
    biz_id: str = ""


class _Detail(msgspec.Struct, rename="pascal"):
    out_id: str = ""
    err_code: str = ""
    send_status: int = 1


class _Details(msgspec.Struct):
    found: list[_Detail] = msgspec.field(default_factory=list, name="SmsSendDetailDTO")


class _Query(msgspec.Struct):
    code: str = msgspec.field(name="Code")
    details: _Details = msgspec.field(default_factory=_Details, name="SmsSendDetailDTOs")


class AliyunSms(Sms):
    """One template under one signature."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        terms: Terms,
        budget: PhoneBudget,
        params: Mapping[str, str],
    ) -> None:
        """``params`` names, for each variable of the template, the word it takes."""
        super().__init__(client, clock, terms, budget)
        self._params = params

    async def _send(self, order: Order, phones: Sequence[str]) -> dict[str, DeliveryResult]:
        results = await asyncio.gather(*(self._send_one(order, phone) for phone in phones))
        return dict(zip(phones, results, strict=True))

    async def _send_one(self, order: Order, phone: str) -> DeliveryResult:
        values = {variable: order.words[word] for variable, word in self._params.items()}
        query = {
            "PhoneNumbers": _theirs(phone),
            "SignName": self._terms.sign_name,
            "TemplateCode": self._terms.template,
            "TemplateParam": msgspec.json.encode(values).decode(),
            "OutId": order.key,
        }
        answer = theirs(await self._call("SendSms", query), _Answer, "Aliyun")
        if isinstance(answer, DeliveryResult):
            return answer
        return judge_sms(answer.code, _CODES, answer.biz_id)

    async def _about(self, phone: str, ids: Sequence[str]) -> list[Receipt]:
        """One question an id, since the answer does not name it."""
        known = await asyncio.gather(*(self._receipts(phone, one) for one in ids))
        return [
            replace(receipt, provider_id=one)
            for one, some in zip(ids, known, strict=True)
            for receipt in (some if isinstance(some, list) else ())
        ]

    async def _receipts(self, phone: str, biz_id: str = "") -> list[Receipt] | DeliveryResult:
        """Of today and yesterday, days of China: what was sent before midnight may be asked for after it."""
        found: list[Receipt] = []
        for ago in (0, 1):
            at_s = (self._clock.now_ms() - ago * DAY_MS) / 1_000
            day = datetime.fromtimestamp(at_s, _CHINA).strftime("%Y%m%d")
            query = {"PhoneNumber": _theirs(phone), "SendDate": day, "PageSize": "50", "CurrentPage": "1"}
            if biz_id:
                query["BizId"] = biz_id
            response = await self._call("QuerySendDetails", query)
            if isinstance(response, DeliveryResult):
                return response
            answer = read(response.content, _Query)
            if answer is None or answer.code != "OK":
                return not_theirs(response, "Aliyun")
            found += (_receipt(one, phone) for one in answer.details.found)
        return found

    async def _call(self, action: str, query: Mapping[str, str]) -> httpx.Response | DeliveryResult:
        now = datetime.fromtimestamp(self._clock.now_ms() / 1_000, UTC)
        headers = {
            "host": self._host,
            "x-acs-action": action,
            "x-acs-version": "2017-05-25",
            "x-acs-date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        }
        signed = acs3(query, headers, self._terms.access_id, self._terms.secret.get_secret_value())
        url = f"{self._base}/?{canonical_query(query)}"
        return await post(self._client, url, b"", headers | {"Authorization": signed})


def _theirs(phone: str) -> str:
    """Numbers of the mainland without their country, others without the plus."""
    return phone.removeprefix("+86") if phone.startswith("+86") else phone.removeprefix("+")


def _receipt(one: _Detail, phone: str) -> Receipt:
    state = _STATES.get(one.send_status, "waiting")
    return Receipt(one.out_id, "", state, one.err_code, masked(phone))  # type: ignore[arg-type]
