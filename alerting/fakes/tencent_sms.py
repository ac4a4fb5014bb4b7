"""An honest Tencent Cloud SMS server: its signature, limits, codes and reports.

Every answer is HTTP 200 with exactly ``application/json``: an ``Error`` for the call, else a code for each
phone. A phone takes two messages a day unless told otherwise, the same text once in 30 s. A status can be
pulled only once the carrier has reported. A request is good for five minutes.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

from alerting.channels.sms_sign import tc3
from alerting.fakes.http import Answer, Request
from alerting.fakes.sms import FakeSms, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

SAME_MS = 30_000
SKEW_S = 300


class FakeTencentSms(FakeSms):
    """One account, one application, one signature, one template and its text."""

    action = "x-tc-action"
    most, chars, delivered, code = 2, 12, "DELIVRD", "449739"
    text = "店铺{1}超时会话{2}个，{3}，请立即处理"
    app_id = "1400006666"

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if code := self._refuse(request):
            self.refused.append((self.now_ms(), "", code))
            said: dict[str, Any] = {"Error": {"Code": code, "Message": code}}
        elif request.headers[self.action] == "SendSms":
            said = {"SendStatusSet": self._send(json.loads(request.body))}
        else:
            said = {"PullSmsSendStatusSet": self._statuses(json.loads(request.body))}
        body = json.dumps({"Response": {"RequestId": "a0aabda6"} | said}, ensure_ascii=False).encode()
        return Answer(body, 200, "application/json")

    def _refuse(self, request: Request) -> str:
        headers = request.headers
        if request.busy:
            return "InternalError.OtherError"
        given = headers.get("authorization", "")
        if f"Credential={self.access_id}/" not in given:
            return "AuthFailure.SecretIdNotFound"
        stamp_s = int(headers["x-tc-timestamp"])
        if abs(stamp_s - self.now_ms() // 1_000) > SKEW_S:
            return "AuthFailure.SignatureExpire"
        wanted = tc3(
            request.body, headers["host"], headers["content-type"], stamp_s, self.access_id, self.secret
        )
        return "" if hmac.compare_digest(wanted, given) else "AuthFailure.SignatureFailure"

    def _send(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._send_one(body, phone) for phone in body["PhoneNumberSet"]]

    def _send_one(self, body: dict[str, Any], phone: str) -> dict[str, Any]:
        now_ms, values = self.now_ms(), body["TemplateParamSet"]
        text = f"【{self.sign_name}】{self.template}"
        for i, value in enumerate(values, 1):
            text = text.replace(f"{{{i}}}", value)
        unfit = self.unfit(values)
        same = any(s.text == text and s.phone == phone and now_ms - s.at_ms < SAME_MS for s in self.sent)
        refusals = {
            "UnauthorizedOperation.SmsSdkAppIdVerifyFail": body["SmsSdkAppId"] != self.app_id,
            "FailedOperation.SignatureIncorrectOrUnapproved": body["SignName"] != self.sign_name,
            "FailedOperation.TemplateIncorrectOrUnapproved": body["TemplateId"] != self.code,
            "InvalidParameterValue.IncorrectPhoneNumber": phone.removeprefix("+86") not in self.phones,
            "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": len(values)
            != self.template.count("{"),
            "InvalidParameterValue.TemplateParameterLengthLimit": unfit == "length",
            "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter": unfit == "content",
            "LimitExceeded.PhoneNumberThirtySecondLimit": same,
            "LimitExceeded.PhoneNumberDailyLimit": self._day.full(phone, now_ms),
        }
        code = next((code for code, holds in refusals.items() if holds), "Ok")
        context = body.get("SessionContext", "")
        said = {
            "PhoneNumber": phone,
            "SessionContext": context,
            "Code": code,
            "Message": code,
            "IsoCode": "CN",
        }
        if code != "Ok":
            self.refused.append((now_ms, phone, code))
            return said | {"SerialNo": "", "Fee": 0}
        return said | {"SerialNo": self.take(phone, context, text).serial, "Fee": 1}

    def _statuses(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "SerialNo": sent.serial,
                "SessionContext": sent.key,
                "ReportStatus": "SUCCESS" if sent.report == self.delivered else "FAIL",
                "Description": sent.report,
            }
            for sent in self.sent
            if sent.report
            and sent.phone == body["PhoneNumber"]
            and body["BeginTime"] <= sent.at_ms // 1_000 <= body["EndTime"]
        ]

    def pushed(self, reported: Iterable[Sent]) -> tuple[bytes, bytes]:
        """What it pushes of messages that carriers have reported, and the answer it wants."""
        rows = [
            {
                "user_receive_time": "2026-11-23 10:00:05",
                "nationcode": "86",
                "mobile": sent.phone.removeprefix("+86"),
                "report_status": "SUCCESS" if sent.report == self.delivered else "FAIL",
                "errmsg": sent.report,
                "description": sent.report,
                "sid": sent.serial,
            }
            for sent in reported
        ]
        return json.dumps(rows).encode(), b'{"result":0,"errmsg":"OK"}'
