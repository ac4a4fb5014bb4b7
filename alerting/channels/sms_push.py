"""Receipts that SMS providers push to us: arrays of JSON, proven by a key in the address.

Neither provider signs what it pushes, so the address itself is the secret: whoever does not know it is
refused. Aliyun wants ``{"code": 0}`` and pushes again after 1, 5 and 10 minutes, Tencent Cloud wants
``{"result": 0}`` and pushes twice more; so receipts come doubled, late and in any order.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import msgspec

from alerting import limits
from alerting.errors import AlertingError
from alerting.policy.records import Report

if TYPE_CHECKING:
    from pydantic import SecretStr


class ForgedReceipt(AlertingError):  # noqa: N818 - named for what it is, as the others
    """Not the provider's, or no receipts."""


class _Aliyun(msgspec.Struct):
    biz_id: str
    success: bool
    err_code: str = ""


class _Tencent(msgspec.Struct):
    sid: str
    report_status: str
    errmsg: str = ""


class Receipts(ABC):
    """The address of one account."""

    reply = b""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def read(self, key: str, body: bytes) -> list[Report]:
        """The receipts.

        Raises:
            ForgedReceipt: The key is not ours, or the body is no receipts.
        """
        if not hmac.compare_digest(key.encode(), self._key.get_secret_value().encode()):
            raise ForgedReceipt("the key in the address is not this account's")
        try:
            found = self._decode(body)
        except msgspec.MsgspecError as error:
            raise ForgedReceipt(f"no receipts: {error}") from error
        if len(found) > limits.RECEIPTS_MAX:
            raise ForgedReceipt(f"more than {limits.RECEIPTS_MAX} receipts at once")
        return found

    @abstractmethod
    def _decode(self, body: bytes) -> list[Report]: ...


class AliyunReceipts(Receipts):
    """As Aliyun pushes them (SmsReport)."""

    reply = '{"code":0,"msg":"接收成功"}'.encode()

    def _decode(self, body: bytes) -> list[Report]:
        given = msgspec.json.decode(body, type=list[_Aliyun])
        return [Report(one.biz_id, one.success, one.err_code) for one in given if one.biz_id]


class TencentReceipts(Receipts):
    """As Tencent Cloud pushes them."""

    reply = b'{"result":0,"errmsg":"OK"}'

    def _decode(self, body: bytes) -> list[Report]:
        given = msgspec.json.decode(body, type=list[_Tencent])
        return [Report(one.sid, one.report_status == "SUCCESS", one.errmsg) for one in given if one.sid]
