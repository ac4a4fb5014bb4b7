"""What is particular to a channel: what each answer of its provider means."""

import asyncio
import hashlib
import hmac
import json
import socket

import httpx
import pytest
from pydantic import SecretStr

from alerting import limits
from alerting.channels.base import Message
from alerting.channels.codes import judge_errcode
from alerting.channels.console import Console
from alerting.channels.webhook import Webhook
from alerting.channels.wecom_bot import _CODES, WecomBot
from alerting.fakes.http import Answer, FakeServer
from alerting.fakes.wecom import FakeWecom
from alerting.policy.rulings import Receiver
from alerting.prove import prove

KEY = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"
SECRET = b"shared-secret"
NOW_MS = 1_795_399_200_123


class Clock:
    def now_ms(self):
        return NOW_MS

    async def wait(self, event, until_ms):
        raise AssertionError("no channel waits")


class Group:
    """A WeCom bot and the fake behind it."""

    async def open(self, client, **options):
        self.wecom = FakeWecom(lambda: NOW_MS, (KEY,))
        self.server = self.wecom.server
        url = await self.wecom.start()
        return WecomBot(client, SecretStr(KEY), base_url=url, **options)

    def texts(self):
        return self.wecom.texts()


class Hook:
    """A webhook and the receiver behind it, which checks the signature as documented."""

    async def open(self, client, **options):
        self.requests = []
        self.status = 200
        self.server = FakeServer(self.take)
        await self.server.start()
        url = SecretStr(f"{self.server.url}/in?token={KEY}")
        given = {"allow_private": True} | options
        return Webhook(client, url, SecretStr(SECRET.decode()), Clock(), **given)

    def take(self, request):
        signed = request.headers["x-slawatch-timestamp"].encode() + b"." + request.body
        mac = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers["x-slawatch-signature"], f"sha256={mac}"):
            return Answer(b"forged", 401)
        self.requests.append(request)
        return Answer(b"taken", self.status)

    def texts(self):
        return [json.loads(request.body)["text"] for request in self.requests]


def talk(scene, side=None, **options):
    """Run ``scene(channel, side)`` against a real server on 127.0.0.1."""

    async def main():
        async with httpx.AsyncClient(trust_env=False) as client:
            channel = await side.open(client, **options)
            try:
                return await scene(channel)
            finally:
                await side.server.close()

    return asyncio.run(main())


def send(channel, body="旗舰店A 还可漏 3 个", **fields):
    return channel.deliver(channel.payload(Message("k1", body, **fields)))


# WeCom


def test_a_result_by_code():
    kinds = {
        0: "ok",
        -1: "transient",
        40008: "bad_request",
        40058: "bad_request",
        44004: "bad_request",
        45009: "rate_limited",
        45033: "rate_limited",
        60020: "bad_credential",
        81013: "no_recipient",
        93000: "bad_credential",
        12345: "bad_request",
    }
    for code, kind in kinds.items():
        body = json.dumps({"errcode": code, "errmsg": "whatever it says"}).encode()
        result = judge_errcode(httpx.Response(200, content=body), _CODES, "WeCom")
        assert (result.kind, result.provider_code) == (kind, str(code))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"errcode":"0"}', b"[0]", b"\xff"])
def test_two_hundred_without_wecoms_answer_is_no_success(body):
    assert judge_errcode(httpx.Response(200, content=body), _CODES, "WeCom").kind == "ambiguous"


def test_an_unknown_key_is_a_bad_credential():
    group = Group()

    async def scene(channel):
        group.wecom.keys = ()
        return await send(channel)

    result = talk(scene, group)
    assert (result.kind, result.detail) == ("bad_credential", "errcode 93000: unknown or removed bot key")


def test_text_mentions_people_by_id_and_phone():
    group = Group()
    talk(lambda channel: send(channel, mentions=("xiaoli",)), group, markup="text", mention_mobiles=("@all",))
    assert [(r.kind, r.mentioned) for r in group.wecom.inbox] == [("text", ("xiaoli", "@all"))]


@pytest.mark.parametrize(("markup", "size"), [("text", 2048), ("markdown", 4096)])
def test_the_limit_in_bytes_is_the_providers_own(markup, size):
    group = Group()

    async def scene(channel):
        assert channel.limit_bytes == size
        fits = await send(channel, "。" * (size // 3) + "x" * (size % 3))
        return fits, await send(channel, "。" * (size // 3) + "x" * (size % 3 + 1))

    fits, too_long = talk(scene, group, markup=markup)
    assert (fits.kind, too_long.kind, too_long.provider_code) == ("ok", "bad_request", "40058")


# Webhook


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, "ok"),
        (302, "bad_request"),
        (400, "bad_request"),
        (401, "bad_credential"),
        (404, "bad_credential"),
        (429, "rate_limited"),
        (500, "transient"),
        (504, "ambiguous"),
    ],
)
def test_a_webhook_is_judged_by_its_status(status, kind):
    hook = Hook()

    async def scene(channel):
        hook.status = status
        return await send(channel)

    assert talk(scene, hook).kind == kind


def test_a_webhook_carries_the_alerts_as_data_signed_with_the_time():
    hook = Hook()
    talk(lambda channel: send(channel, alerts=({"rule": "r"},), again=True), hook)
    (request,) = hook.requests
    assert json.loads(request.body) == {
        "id": "k1",
        "again": True,
        "text": "旗舰店A 还可漏 3 个",
        "alerts": [{"rule": "r"}],
    }
    assert request.headers["x-slawatch-timestamp"] == str(NOW_MS // 1000)


def test_a_webhook_to_a_private_address_is_refused_and_nothing_is_sent():
    hook = Hook()
    result = talk(send, hook, allow_private=False)
    assert (result.kind, result.detail) == (
        "bad_credential",
        "a private address; set allow_private: true if it is meant",
    )
    assert hook.requests == []


def test_a_webhook_calls_the_address_that_was_judged(monkeypatch):
    hook = Hook()

    async def scene(channel):
        async def judged(_host, _port):
            return "127.0.0.1"

        monkeypatch.setattr("alerting.channels.webhook.public_address", judged)
        port = hook.server.port
        channel._url = httpx.URL(f"http://hooks.invalid:{port}/in")  # a name that nothing resolves
        return await send(channel)

    assert talk(scene, hook, allow_private=False).kind == "ok"
    assert hook.requests[0].headers["host"].startswith("hooks.invalid:")


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    hook = Hook()

    async def scene(channel):
        async def resolve(*_, **__):
            return [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await send(channel)

    assert talk(scene, hook, allow_private=False).kind == "bad_credential"


@pytest.mark.parametrize("silent", [False, True])
def test_a_name_that_does_not_resolve_is_transient(monkeypatch, silent):
    hook = Hook()
    monkeypatch.setattr(limits, "CONNECT_S", 0.05)

    async def scene(channel):
        async def resolve(*_, **__):
            if silent:
                await asyncio.Event().wait()
            raise socket.gaierror

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await send(channel)

    assert talk(scene, hook, allow_private=False).kind == "transient"


# Proof


def test_a_receiver_is_proven_by_the_answers_code():
    group = Group()

    async def scene(channel):
        receiver = Receiver("managers", ("bot", "screen"))
        channels = {"bot": channel, "screen": Console(lambda _: None)}
        good = await prove(receiver, channels, Clock())
        group.wecom.keys = ()
        return good, await prove(receiver, channels, Clock())

    good, bad = talk(scene, group)
    assert [result.kind for result in good.values()] == ["ok", "ok"]
    assert {name: result.kind for name, result in bad.items()} == {"bot": "bad_credential", "screen": "ok"}
    assert group.texts() == ["slawatch 测试消息：managers 通过 bot 能收到告警（10:00:00）"]


# Console


def test_the_console_writes_whole_messages():
    written = []
    console = Console(written.append)
    assert asyncio.run(send(console)).kind == "ok"
    assert written == ["旗舰店A 还可漏 3 个\n"]


def test_a_console_that_is_gone_is_worth_trying_again():
    def gone(_):
        raise BrokenPipeError

    assert asyncio.run(send(Console(gone))).kind == "transient"
