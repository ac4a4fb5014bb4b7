"""An honest Aliyun SMS server: its signature, limits, codes and delivery records.

A refused message is HTTP 200 with a ``Code``; a refused call is HTTP 4xx. A phone takes 50 notices in any
24 h unless told otherwise; a variable 35 characters, no address and no 【】. A request is good for
15 minutes, its nonce once.
"""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from alerting.channels.sms_sign import acs3
from alerting.fakes.http import Answer, Request
from alerting.fakes.sms import FakeSms, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHINA = timezone(timedelta(hours=8))
SKEW_S = 900


class FakeAliyunSms(FakeSms):
    """One account, one signature, one template and its text."""

    action = "x-acs-action"
    most, chars, delivered, code = 50, 35, "DELIVERED", "SMS_1"
    text = "店铺${shop}超时会话${n}个，${figure}，请立即处理"

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        if refused := self._refuse(request):
            status, code = refused
            said: dict[str, Any] = {"Code": code, "Message": code}
        elif request.headers[self.action] == "QuerySendDetails":
            status, said = 200, self._details(request.query)
        else:
            status, said = 200, self._send(request.query)
        if said["Code"] != "OK":
            self.refused.append((self.now_ms(), request.query.get("PhoneNumbers", ""), said["Code"]))
        body = json.dumps({"RequestId": "4A7E-1"} | said, ensure_ascii=False).encode()
        return Answer(body, status, "application/json;charset=utf-8")

    def _refuse(self, request: Request) -> tuple[int, str] | None:
        headers = request.headers
        if request.busy:
            return 503, "ServiceUnavailable"
        given = headers.get("authorization", "")
        if f"Credential={self.access_id}," not in given:
            return 404, "InvalidAccessKeyId.NotFound"
        at = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if abs(at.timestamp() - self.now_ms() / 1_000) > SKEW_S:
            return 400, "InvalidTimeStamp.Expired"
        if headers["x-acs-signature-nonce"] in self.nonces:
            return 400, "SignatureNonceUsed"
        self.nonces.add(headers["x-acs-signature-nonce"])
        names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        signed = {name: headers[name] for name in names}
        if not hmac.compare_digest(acs3(request.query, signed, self.access_id, self.secret), given):
            return 400, "SignatureDoesNotMatch"
        return None

    def _send(self, query: dict[str, str]) -> dict[str, Any]:
        phone = query["PhoneNumbers"]
        values: dict[str, str] = json.loads(query["TemplateParam"])
        text = self.template
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", value)
        unfit = self.unfit(values.values())
        refusals = {
            "isv.SMS_SIGNATURE_ILLEGAL": query["SignName"] != self.sign_name,
            "isv.SMS_TEMPLATE_ILLEGAL": query["TemplateCode"] != self.code,
            "isv.MOBILE_NUMBER_ILLEGAL": phone not in self.phones,
            "isv.TEMPLATE_MISSING_PARAMETERS": "${" in text,
            "isv.PARAM_LENGTH_LIMIT": unfit == "length",
            "isv.BLACK_KEY_CONTROL_LIMIT": unfit == "content",
            "isv.BUSINESS_LIMIT_CONTROL": self._day.full(phone, self.now_ms()),
        }
        code = next((code for code, holds in refusals.items() if holds), "OK")
        if code != "OK":
            return {"Code": code, "Message": "触发天级流控Permits:50"}
        sent = self.take(phone, query.get("OutId", ""), f"【{self.sign_name}】{text}")
        return {"Code": "OK", "Message": "OK", "BizId": sent.serial}

    def _details(self, query: dict[str, str]) -> dict[str, Any]:
        def day(sent: Sent) -> str:
            return datetime.fromtimestamp(sent.at_ms / 1_000, _CHINA).strftime("%Y%m%d")

        found = [
            {
                "OutId": sent.key,
                "PhoneNum": sent.phone,
                "ErrCode": sent.report,
                "SendStatus": 1 if not sent.report else 3 if sent.report == self.delivered else 2,
                "Content": sent.text,
            }
            for sent in self.sent
            if sent.phone == query["PhoneNumber"]
            and day(sent) == query["SendDate"]
            and query.get("BizId", sent.serial) == sent.serial
        ]
        return {"Code": "OK", "SmsSendDetailDTOs": {"SmsSendDetailDTO": found}, "TotalCount": len(found)}

    def pushed(self, reported: Iterable[Sent]) -> tuple[bytes, bytes]:
        """What it pushes of messages that carriers have reported, and the answer it wants."""
        rows = [
            {
                "phone_number": sent.phone,
                "send_time": "2026-11-23 10:00:00",
                "report_time": "2026-11-23 10:00:05",
                "success": sent.report == self.delivered,
                "err_code": sent.report,
                "err_msg": "",
                "sms_size": "1",
                "biz_id": sent.serial,
                "out_id": sent.key,
            }
            for sent in reported
        ]
        return json.dumps(rows).encode(), '{"code":0,"msg":"接收成功"}'.encode()
