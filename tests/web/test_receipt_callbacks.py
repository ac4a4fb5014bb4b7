"""The address to which SMS providers push: what is theirs is taken and answered, what is forged is not."""

import pytest
from pydantic import SecretStr

from alerting.channels.sms_push import AliyunReceipts
from alerting.policy.records import Report
from monitor.web.app import WebOptions

BODY = b'[{"biz_id":"90^0","success":true,"err_code":"DELIVERED","phone_number":"13800138001"}]'


class Taken:
    def __init__(self):
        self.readers, self.reports = {"sms": AliyunReceipts(SecretStr("hush"))}, []

    async def take(self, account, reports):
        self.reports.append((account, reports))
        return len(reports)


@pytest.fixture
def taken():
    return Taken()


@pytest.fixture
def options(taken):
    return WebOptions(receipts=taken)


def test_a_push_is_taken_and_answered_as_the_provider_wants(client, taken):
    answer = client.post("/api/v1/callbacks/sms/sms/hush", content=BODY)
    assert (answer.status_code, answer.json()) == (200, {"code": 0, "msg": "接收成功"})
    assert taken.reports == [("sms", [Report("90^0", delivered=True, code="DELIVERED")])]


def test_what_is_forged_is_refused_and_does_nothing(client, taken):
    for path, body in (("sms/guess", BODY), ("sms/hush", b"<xml/>")):
        answer = client.post(f"/api/v1/callbacks/sms/{path}", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "forged")
    assert client.post("/api/v1/callbacks/sms/other/hush", content=BODY).status_code == 404
    assert client.get("/api/v1/callbacks/sms/sms/hush").status_code == 405
    assert taken.reports == []


def test_the_key_is_in_no_metric_and_no_error(client):
    client.post("/api/v1/callbacks/sms/sms/hush", content=BODY)
    refused = client.post("/api/v1/callbacks/sms/sms/hush", content=b"x")
    assert "hush" not in client.get("/metrics").text + refused.text
