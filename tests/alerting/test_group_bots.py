"""DingTalk and Feishu bots: signatures in time, their own markup, and fakes as strict as they are."""

import json

import pytest
from pydantic import SecretStr

from alerting.channels import dingtalk, feishu
from alerting.channels.base import Message
from alerting.channels.dingtalk import DingtalkBot
from alerting.channels.feishu import FeishuBot
from alerting.fakes.dingtalk import FakeDingtalk
from alerting.fakes.feishu import FakeFeishu
from tests.alerting.sides import KEY, SECRET, Clock, talk

BODY = '**<font color="warning">严重 旗舰店A</font>**\n<@xiaoli> 还可漏 3 个\n[详情](https://sla.example/a)'
HOUR_MS = 3_600_000


def ding(client, url, clock, **options):
    return DingtalkBot(client, SecretStr(KEY), clock, secret=SecretStr(SECRET), base_url=url, **options)


def lark(client, url, clock, **options):
    return FeishuBot(client, SecretStr(KEY), clock, secret=SecretStr(SECRET), base_url=url, **options)


both = pytest.mark.parametrize(
    ("make", "fake_of"),
    [
        (ding, lambda now: FakeDingtalk(now, {KEY: SECRET})),
        (lark, lambda now: FakeFeishu(now, {KEY: SECRET})),
    ],
    ids=["dingtalk", "feishu"],
)


def send(channel, body=BODY, **fields):
    return channel.deliver(channel.payload(Message("k1", body, **fields)))


@both
def test_a_payload_written_down_yesterday_is_signed_with_the_time_it_is_sent(make, fake_of):
    async def scene(channel, fake, clock):
        payload = channel.payload(Message("k1", BODY))
        clock.ms += 86_400_000
        return await channel.deliver(payload)

    assert talk(make, fake_of, scene).kind == "ok"


@both
def test_a_clock_that_is_an_hour_off_is_named(make, fake_of):
    async def scene(channel, fake, clock):
        fake.now_ms = lambda: clock.ms + HOUR_MS + 1_000
        return await send(channel)

    result = talk(make, fake_of, scene)
    assert result.kind == "bad_credential"
    assert "sign" in result.detail


def test_signatures_by_the_vendors_formula():
    """Worked by `printf … | openssl dgst -sha256 -hmac … -binary | base64`."""
    assert dingtalk.sign("secret", 1_700_000_000_123) == {
        "timestamp": "1700000000123",
        "sign": "EuAwVSfePnVOq0cu6mnF3quJywHpp6mRkTQz01sPfuw=",
    }
    assert feishu.sign("secret", 1_700_000_000_123) == {
        "timestamp": "1700000000",
        "sign": "fiWS2+gh28DOydAv7hzONH/mDn9+b1Y4Y5ivXWXy8vA=",
    }


def test_dingtalk_markdown_has_its_colours_line_ends_and_mentions():
    async def scene(channel, fake, clock):
        return await send(channel), fake.inbox

    options = {"mention_mobiles": ("13800000001", "@all")}
    result, inbox = talk(
        lambda *args: ding(*args, **options), lambda now: FakeDingtalk(now, {KEY: SECRET}), scene
    )
    assert result.kind == "ok"
    (seen,) = inbox
    assert seen.text == (
        '**<font color="#FF7D00">严重 旗舰店A</font>**  \n@xiaoli 还可漏 3 个  \n'
        "[详情](https://sla.example/a)  \n@13800000001"
    )
    assert seen.mentioned == ("13800000001", "@all")


@pytest.mark.parametrize("markup", ["markdown", "text"])
def test_dingtalk_mentions_who_is_meant_by_phone_once(markup):
    """In markdown a phone must stand in the text, too, else nobody is mentioned."""

    async def scene(channel, fake, clock):
        body = "严重 旗舰店A\n<@13800000001>" if markup == "markdown" else "严重 旗舰店A"
        return await send(channel, body, mentions=("13800000002", "13800000001")), fake.inbox

    result, (seen,) = talk(
        lambda *args: ding(*args, markup=markup), lambda now: FakeDingtalk(now, {KEY: SECRET}), scene
    )
    assert result.kind == "ok"
    assert seen.mentioned == ("13800000002", "13800000001")
    if markup == "markdown":
        assert seen.text == "严重 旗舰店A  \n@13800000001  \n@13800000002"


@pytest.mark.parametrize("markup", ["markdown", "text"])
def test_feishu_mentions_who_is_meant_by_open_id_once(markup):
    async def scene(channel, fake, clock):
        body = "严重 旗舰店A\n<@ou_1>" if markup == "markdown" else "严重 旗舰店A"
        return await send(channel, body, mentions=("ou_2", "ou_1")), fake.inbox

    result, (seen,) = talk(
        lambda *args: lark(*args, markup=markup), lambda now: FakeFeishu(now, {KEY: SECRET}), scene
    )
    assert result.kind == "ok"
    assert sorted(seen.mentioned) == ["ou_1", "ou_2"]


def test_dingtalks_notification_is_the_first_line_without_markup():
    channel = ding(None, "http://x", Clock())
    assert json.loads(channel.payload(Message("k", BODY)))["markdown"]["title"] == "严重 旗舰店A"


def test_a_feishu_card_says_nothing_twice():
    async def scene(channel, fake, clock):
        return await send(channel), fake.texts()

    result, texts = talk(lark, lambda now: FakeFeishu(now, {KEY: SECRET}), scene)
    assert result.kind == "ok"
    assert texts == ["严重 旗舰店A\n<at id=xiaoli></at> 还可漏 3 个\n[详情](https://sla.example/a)"]


def test_a_keyword_that_is_missing_is_a_setting_of_the_bot():
    async def scene(channel, fake, clock):
        return await send(channel)

    result = talk(ding, lambda now: FakeDingtalk(now, {KEY: SECRET}, keyword="告警"), scene)
    assert (result.kind, result.provider_code) == ("bad_credential", "310000")


def test_a_dingtalk_bot_that_sent_too_often_is_closed_for_ten_minutes():
    async def scene(channel, fake, clock):
        codes = [(await send(channel)).provider_code for _ in range(21)]
        clock.ms += 599_999
        codes.append((await send(channel)).provider_code)
        clock.ms += 1
        return [*codes[19:], (await send(channel)).provider_code], channel.allowance.closed_ms

    codes, closed_ms = talk(ding, lambda now: FakeDingtalk(now, {KEY: SECRET}), scene)
    assert codes == ["0", "130101", "130101", "0"]
    assert closed_ms == 600_000
