"""Our two signers beside the vendors' own clients: the same signatures, and the fakes accept both."""

import asyncio

import httpx
from alibabacloud_dysmsapi20170525 import models as aliyun
from alibabacloud_dysmsapi20170525.client import Client as AliyunClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_openapi.utils import Utils
from hypothesis import given
from hypothesis import strategies as st
from tencentcloud.common.credential import Credential
from tencentcloud.common.http.request import RequestInternal
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111 import models as tencent
from tencentcloud.sms.v20210111.sms_client import SmsClient

from alerting.channels.sms_sign import acs3, canonical_query, tc3
from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.tencent_sms import FakeTencentSms
from tests.alerting.sides import PHONES, Clock

words = st.text(max_size=30).filter(lambda text: text.isprintable())
names = st.text("abcXYZ.09", min_size=1, max_size=10)


class Asked:
    """A request as the vendor's signer reads it."""

    def __init__(self, query, headers):
        self.method, self.pathname, self.query, self.headers = "POST", "/", query, headers


@given(st.dictionaries(names, words, max_size=6), words.map(str.strip))
def test_acs3_signs_as_aliyuns_own(query, nonce):
    headers = {
        "host": "dysmsapi.aliyuncs.com",
        "x-acs-action": "SendSms",
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    payload = headers["x-acs-content-sha256"]
    theirs = Utils.get_authorization(Asked(query, headers), "ACS3-HMAC-SHA256", payload, "AK", "secret")
    assert acs3(query, headers, "AK", "secret") == theirs
    assert dict(httpx.QueryParams(canonical_query(query))) == query


@given(words, st.integers(0, 4_000_000_000))
def test_tc3_signs_as_tencents_own(text, timestamp_s):
    body = text.encode()
    client = SmsClient(Credential("AKID", "secret"), "ap-guangzhou")
    asked = RequestInternal("sms.tencentcloudapi.com", "POST", "/", {}, body)
    asked.header |= {
        "Content-Type": "application/json",
        "Host": "sms.tencentcloudapi.com",
        "X-TC-Timestamp": str(timestamp_s),
    }
    day = httpx_day(timestamp_s)
    theirs = client._get_tc3_signature({}, asked, day, "sms", "secret")
    ours = tc3(body, "sms.tencentcloudapi.com", "application/json", timestamp_s, "AKID", "secret")
    assert ours.endswith(f"Signature={theirs}")
    assert f"Credential=AKID/{day}/sms/tc3_request" in ours


def httpx_day(timestamp_s):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(timestamp_s, UTC).date().isoformat()


def talk(fake, scene):
    """Run a vendor's client, which blocks, against a fake on 127.0.0.1."""

    async def main():
        url = await fake.start()
        try:
            return await asyncio.to_thread(scene, url.removeprefix("http://"))
        finally:
            await fake.close()

    return asyncio.run(main())


def real_clock():
    import time

    return Clock(time.time_ns() // 1_000_000).now_ms


def test_aliyuns_own_client_is_accepted_by_the_fake_and_reads_its_answers():
    fake = FakeAliyunSms(real_clock(), "LTAI5t", "secret", PHONES)

    def scene(host):
        config = Config(access_key_id="LTAI5t", access_key_secret="secret", endpoint=host, protocol="HTTP")
        client = AliyunClient(config)
        sent = client.send_sms(
            aliyun.SendSmsRequest(
                phone_numbers=PHONES[0],
                sign_name="晨光",
                template_code="SMS_1",
                template_param='{"shop": "旗舰店 A&B", "n": "3", "figure": "最久 2 分"}',
                out_id="k1",
            )
        ).body
        config.access_key_secret = "wrong"
        try:
            AliyunClient(config).send_sms(aliyun.SendSmsRequest(phone_numbers=PHONES[0], sign_name="x"))
        except Exception as error:  # noqa: BLE001 - which class it is differs by version
            return sent.code, sent.biz_id, str(error)
        return sent.code, sent.biz_id, ""

    code, biz_id, refused = talk(fake, scene)
    assert (code, biz_id) == ("OK", "9006197469364984^0")
    assert fake.texts() == ["【晨光】店铺旗舰店 A&B超时会话3个，最久 2 分，请立即处理"]
    assert "SignatureDoesNotMatch" in refused


def test_tencents_own_client_is_accepted_by_the_fake_and_reads_its_answers():
    fake = FakeTencentSms(real_clock(), "AKID", "secret", PHONES)

    def scene(host):
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=host))
        client = SmsClient(Credential("AKID", "secret"), "ap-guangzhou", profile)
        asked = tencent.SendSmsRequest()
        asked.PhoneNumberSet = [f"+86{PHONES[0]}", "+8613900000000"]
        asked.SmsSdkAppId, asked.SignName, asked.TemplateId = "1400006666", "晨光", "449739"
        asked.TemplateParamSet, asked.SessionContext = ["旗舰店", "3", "最久 2 分"], "k1"
        statuses = client.SendSms(asked).SendStatusSet
        pull = tencent.PullSmsSendStatusByPhoneNumberRequest()
        pull.PhoneNumber, pull.SmsSdkAppId = f"+86{PHONES[0]}", "1400006666"
        pull.BeginTime, pull.EndTime, pull.Offset, pull.Limit = 0, 1 << 32, 0, 100
        known = client.PullSmsSendStatusByPhoneNumber(pull).PullSmsSendStatusSet
        return [status.Code for status in statuses], [(k.SessionContext, k.ReportStatus) for k in known]

    codes, known = talk(fake, scene)
    assert codes == ["Ok", "InvalidParameterValue.IncorrectPhoneNumber"]
    assert known == [("k1", "SUCCESS")]
