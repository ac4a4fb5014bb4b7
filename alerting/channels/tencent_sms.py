"""SMS through Tencent Cloud: ``SendSms`` of its API of 2021-01-11, signed with TC3.

Every answer is HTTP 200: an ``Error`` for the call, else a code for each phone. An answer without either is
no success. ``SessionContext`` is our key, given back by ``PullSmsSendStatusByPhoneNumber`` once the carrier
has reported. Two messages a day for each phone unless the console says more; the same text once in 30 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.channels.base import DeliveryResult, Kind
from alerting.channels.codes import theirs
from alerting.channels.http import post
from alerting.channels.sms import Order, PhoneBudget, Receipt, Sms, Terms, masked
from alerting.channels.sms_codes import judge_sms
from alerting.channels.sms_sign import tc3
from rules.pack import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from alerting.ports import Clock

BASE_URL = "https://sms.tencentcloudapi.com"
REGION = "ap-guangzhou"
CHARS = 12
_TYPE = "application/json"

_CODES: dict[str, tuple[Kind, str]] = {
    "Ok": ("ok", "ok"),
    "LimitExceeded": ("rate_limited", "too many messages to this phone"),
    "RequestLimitExceeded": ("rate_limited", "too many calls"),
    "InternalError": ("transient", "the provider is busy"),
    "InternalError.Timeout": ("ambiguous", "the provider did not hear from its own"),
    "FailedOperation": ("bad_request", "refused"),
    "FailedOperation.SignatureIncorrectOrUnapproved": ("bad_credential", "the sign name is not approved"),
    "FailedOperation.TemplateIncorrectOrUnapproved": ("bad_credential", "the template is not approved"),
    "FailedOperation.InsufficientBalanceInSmsPackage": ("bad_credential", "the balance is used up"),
    "FailedOperation.PhoneNumberInBlacklist": ("no_recipient", "the phone wants no messages"),
    "FailedOperation.ContainSensitiveWord": ("bad_request", "a word it does not let through"),
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": (
        "bad_request",
        "`params` are not the template's variables",
    ),
    "InvalidParameterValue": ("bad_request", "a value it does not take"),
    "InvalidParameterValue.IncorrectPhoneNumber": ("no_recipient", "no such phone"),
    "InvalidParameterValue.TemplateParameterLengthLimit": (
        "bad_request",
        "a variable is too long: lower `param_chars`",
    ),
    "AuthFailure": ("bad_credential", "wrong access key, secret or time"),
    "UnauthorizedOperation": ("bad_credential", "the access key or this address may not send"),
    "UnsupportedOperation": ("bad_request", "not possible with this template"),
}


class _Sent(msgspec.Struct, rename="pascal"):
    phone_number: str
    code: str
    serial_no: str = ""


class _Error(msgspec.Struct, rename="pascal"):
    code: str


class _Known(msgspec.Struct, rename="pascal"):
    report_status: str = ""
    serial_no: str = ""
    session_context: str = ""
    description: str = ""


class _Inner(msgspec.Struct, rename="pascal"):
    error: _Error | None = None
    send_status_set: list[_Sent] | None = None
    pull_sms_send_status_set: list[_Known] | None = None


class _Answer(msgspec.Struct):
    response: _Inner = msgspec.field(name="Response")


class TencentSms(Sms):
    """One template under one signature."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        clock: Clock,
        terms: Terms,
        budget: PhoneBudget,
        params: Sequence[str],
        *,
        app_id: str,
        region: str = REGION,
    ) -> None:
        """``params`` names the words of the template's variables, in their order."""
        super().__init__(client, clock, terms, budget)
        self._params, self._app_id, self._region = params, app_id, region

    async def _send(self, order: Order, phones: Sequence[str]) -> dict[str, DeliveryResult]:
        body = {
            "PhoneNumberSet": list(phones),
            "SmsSdkAppId": self._app_id,
            "SignName": self._terms.sign_name,
            "TemplateId": self._terms.template,
            "TemplateParamSet": [order.words[word] for word in self._params],
            "SessionContext": order.key,
        }
        answer = await self._call("SendSms", body)
        if isinstance(answer, DeliveryResult):
            return dict.fromkeys(phones, answer)
        unsaid = DeliveryResult("ambiguous", detail="the answer says nothing of this phone")
        known = {
            one.phone_number: judge_sms(one.code, _CODES, one.serial_no)
            for one in answer.send_status_set or ()
        }
        return {phone: known.get(phone, unsaid) for phone in phones}

    async def _receipts(self, phone: str) -> list[Receipt] | DeliveryResult:
        now_ms = self._clock.now_ms()
        body = {
            "BeginTime": (now_ms - DAY_MS) // 1_000,
            "EndTime": now_ms // 1_000 + 1,
            "Offset": 0,
            "Limit": 100,
            "PhoneNumber": phone,
            "SmsSdkAppId": self._app_id,
        }
        answer = await self._call("PullSmsSendStatusByPhoneNumber", body)
        if isinstance(answer, DeliveryResult):
            return answer
        return [_receipt(one, phone) for one in answer.pull_sms_send_status_set or ()]

    async def _call(self, action: str, body: Mapping[str, object]) -> _Inner | DeliveryResult:
        content = msgspec.json.encode(body)
        now_s, secret = self._clock.now_ms() // 1_000, self._terms.secret.get_secret_value()
        headers = {
            "Host": self._host,
            "Content-Type": _TYPE,
            "X-TC-Action": action,
            "X-TC-Version": "2021-01-11",
            "X-TC-Timestamp": str(now_s),
            "X-TC-Region": self._region,
            "Authorization": tc3(content, self._host, _TYPE, now_s, self._terms.access_id, secret),
        }
        answer = theirs(await post(self._client, f"{self._base}/", content, headers), _Answer, "Tencent")
        if isinstance(answer, DeliveryResult):
            return answer
        return judge_sms(answer.response.error.code, _CODES) if answer.response.error else answer.response


def _receipt(one: _Known, phone: str) -> Receipt:
    state = "delivered" if one.report_status == "SUCCESS" else "failed"
    return Receipt(one.session_context, one.serial_no, state, one.report_status, masked(phone))  # type: ignore[arg-type]
