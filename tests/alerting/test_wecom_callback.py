"""Taps on a card: signed, encrypted and fresh, or refused."""

import asyncio
import re

import httpx
import pytest
from pydantic import SecretStr

from alerting.channels.base import Message
from alerting.channels.wecom_app import Members, WecomApp
from alerting.channels.wecom_callback import Callback, ForgedCallback, Tap
from alerting.config.accounts import WecomAppAccount
from alerting.errors import ConfigError
from alerting.fakes.wecom_app import FakeWecomApp
from alerting.fakes.wecom_taps import seal, tap
from alerting.ways import Ways
from tests.alerting.sides import SECRET, Clock

# The sample of the vendor's own libraries.
TOKEN, KEY, CORP = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
SAMPLE = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
}
ALERT = {"kind": "fire", "incident": "pdd-reply-drift|shop=pinduoduo:s1@1"}
BODY = "严重 旗舰店A\n还可漏 3 个"


def callback(clock=None, token=TOKEN, key=KEY, corp=CORP):
    return Callback(SecretStr(token), SecretStr(key), corp, clock or Clock(1_409_659_600_000))


def test_the_vendors_sample():
    assert callback().echo(SAMPLE) == "1616140317555161061"


@pytest.mark.parametrize(
    ("given", "query", "what"),
    [
        ({"token": "another"}, {}, "signature"),
        ({}, {"nonce": "1"}, "signature"),
        ({}, {"msg_signature": "é"}, "signature"),
        ({}, {"echostr": "x"}, "signature"),
        ({"clock": Clock(1_409_659_889_001)}, {}, "older than five minutes"),
        ({"corp": "another"}, {}, "another corp"),
        ({"key": "A" * 43}, {}, "key|corp"),
    ],
)
def test_what_is_forged_or_old_is_refused(given, query, what):
    with pytest.raises(ForgedCallback, match=what):
        callback(**given).echo(SAMPLE | query)


def test_a_tap_says_who_and_what():
    clock = Clock()
    fake = FakeWecomApp(clock.now_ms, CORP, SECRET, 7, ["xiaoli"])
    card = {"card_type": "button_interaction", "task_id": "k1", "button_list": [{"key": "ack a|b=<c>&d"}]}
    query, body = tap(fake, "xiaoli", card)
    assert callback(clock).read(query, body) == Tap("xiaoli", "ack a|b=<c>&d", "k1")
    with pytest.raises(ForgedCallback):
        callback(clock).read(query, body.replace(b"Encrypt><![CDATA[", b"Encrypt><![CDATA[A"))
    with pytest.raises(ForgedCallback):
        callback(clock).read(query, b"<xml>")


def test_what_is_no_tap_is_passed_over():
    clock = Clock()
    fake = FakeWecomApp(clock.now_ms, CORP, SECRET, 7, ())
    query, sealed = seal(fake, "<xml><MsgType>event</MsgType><Event>enter_agent</Event></xml>")
    body = f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
    assert callback(clock).read(query, body) is None


def test_the_reply_is_read_as_wecom_reads_it():
    clock = Clock()
    ours = callback(clock)
    reply = dict(re.findall(r"<(\w+)>([^<]*)</\1>", ours.reply("xiao<li", "已确认")))
    query = {
        "msg_signature": reply["MsgSignature"],
        "timestamp": reply["TimeStamp"],
        "nonce": reply["Nonce"],
        "echostr": reply["Encrypt"],
    }
    text = callback(clock).echo(query)
    assert "<ToUserName>xiao&lt;li</ToUserName>" in text
    assert "<Button><ReplaceName>已确认</ReplaceName></Button>" in text


def cards(*messages, buttons=True):
    """What members are shown of messages."""

    async def main():
        clock = Clock()
        fake = FakeWecomApp(clock.now_ms, "ww1", SECRET, 7, ["xiaoli"])
        url = await fake.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            channel = WecomApp(
                client,
                "ww1",
                7,
                SecretStr(SECRET),
                clock,
                Members(("xiaoli",)),
                form="card",
                card_url="https://sla.example/alerts",
                buttons=buttons,
                base_url=url,
            )
            try:
                results = [await channel.deliver(channel.payload(message)) for message in messages]
            finally:
                await fake.close()
        assert {result.kind for result in results} == {"ok"}
        return fake.cards

    return asyncio.run(main())


def test_a_card_of_one_open_alert_has_buttons_and_no_other():
    one, several, over, proof = cards(
        Message("k1", BODY, alerts=(ALERT,)),
        Message("k2", BODY, alerts=(ALERT, ALERT)),
        Message("k3", BODY, alerts=(ALERT | {"kind": "resolved"},)),
        Message("k4", BODY),
    )
    assert [(button["text"], button["key"]) for button in one["button_list"]] == [
        ("确认，我来处理", f"acknowledge {ALERT['incident']}"),
        ("静默1小时", f"silence {ALERT['incident']}"),
        ("误报", f"false_alarm {ALERT['incident']}"),
    ]
    assert [card["card_type"] for card in (several, over, proof)] == ["text_notice"] * 3
    (plain,) = cards(Message("k1", BODY, alerts=(ALERT,)), buttons=False)
    assert plain["card_type"] == "text_notice"


def account(**given):
    app = {"type": "wecom_app", "corp_id": CORP, "agent_id": 7, "secret": SECRET, "users": ["xiaoli"]}
    return WecomAppAccount(**app, format="card", card_url="https://sla.example", **given)


def test_the_callback_of_an_account():
    ways = Ways(None, Clock(1_409_659_600_000), lambda kind, name: KEY, print)
    apps = {"app": account(callback_token=TOKEN, callback_key_file="k"), "quiet": account()}
    found = ways.callbacks(apps)
    assert list(found) == ["app"]
    assert found["app"].echo(SAMPLE) == "1616140317555161061"
    with pytest.raises(ConfigError, match=r"accounts\.app: `callback_key`: not an EncodingAESKey"):
        ways.callbacks({"app": account(callback_token=TOKEN, callback_key="short")})
    with pytest.raises(ValueError, match="go together"):
        account(callback_token=TOKEN)
