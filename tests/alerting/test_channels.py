"""What is particular to a channel: what each answer of its provider means."""

import asyncio
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
from alerting.fakes.wecom import FakeWecom
from tests.alerting.sides import KEY, SECRET, FakeHook, talk


def bot(scene, **options):
    """A WeCom bot and the fake behind it."""
    return talk(
        lambda client, url, _clock: WecomBot(client, SecretStr(KEY), base_url=url, **options),
        lambda now_ms: FakeWecom(now_ms, (KEY,)),
        scene,
    )


def hook(scene, **options):
    """A webhook and the receiver behind it, which checks the signature as documented."""

    def channel(client, url, clock):
        given = {"allow_private": True} | options
        return Webhook(client, SecretStr(f"{url}/in?token={KEY}"), SecretStr(SECRET), clock, **given)

    return talk(channel, FakeHook, scene)


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
    async def scene(channel, wecom, clock):
        wecom.keys = ()
        return await send(channel)

    result = bot(scene)
    assert (result.kind, result.detail) == ("bad_credential", "errcode 93000: unknown or removed bot key")


def test_text_mentions_people_by_id_and_phone():
    async def scene(channel, wecom, clock):
        await send(channel, mentions=("xiaoli",))
        return [(received.kind, received.mentioned) for received in wecom.inbox]

    assert bot(scene, markup="text", mention_mobiles=("@all",)) == [("text", ("xiaoli", "@all"))]


@pytest.mark.parametrize(("markup", "size"), [("text", 2048), ("markdown", 4096)])
def test_the_limit_in_bytes_is_the_providers_own(markup, size):
    async def scene(channel, wecom, clock):
        assert channel.limit_bytes == size
        fits = await send(channel, "。" * (size // 3) + "x" * (size % 3))
        return fits, await send(channel, "。" * (size // 3) + "x" * (size % 3 + 1))

    fits, too_long = bot(scene, markup=markup)
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
    async def scene(channel, fake, clock):
        fake.status = status
        return await send(channel)

    assert hook(scene).kind == kind


def test_a_webhook_carries_the_alerts_as_data_signed_with_the_time():
    async def scene(channel, fake, clock):
        await send(channel, alerts=({"rule": "r"},), again=True)
        return fake.requests, clock.ms

    (request,), now_ms = hook(scene)
    assert json.loads(request.body) == {
        "id": "k1",
        "again": True,
        "text": "旗舰店A 还可漏 3 个",
        "alerts": [{"rule": "r"}],
    }
    assert request.headers["x-slawatch-timestamp"] == str(now_ms // 1000)


def test_a_webhook_to_a_private_address_is_refused_and_nothing_is_sent():
    async def scene(channel, fake, clock):
        return await send(channel), fake.requests

    result, requests = hook(scene, allow_private=False)
    assert (result.kind, result.detail) == (
        "bad_credential",
        "a private address; set allow_private: true if it is meant",
    )
    assert requests == []


def test_a_webhook_calls_the_address_that_was_judged(monkeypatch):
    async def scene(channel, fake, clock):
        async def judged(_host, _port):
            return "127.0.0.1"

        monkeypatch.setattr("alerting.channels.webhook.public_address", judged)
        channel._url = httpx.URL(
            f"http://hooks.invalid:{fake.server.port}/in"
        )  # a name that nothing resolves
        return (await send(channel)).kind, fake.requests[0].headers["host"].partition(":")[0]

    assert hook(scene, allow_private=False) == ("ok", "hooks.invalid")


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    async def scene(channel, fake, clock):
        async def resolve(*_, **__):
            return [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await send(channel)

    assert hook(scene, allow_private=False).kind == "bad_credential"


@pytest.mark.parametrize("silent", [False, True])
def test_a_name_that_does_not_resolve_is_transient(monkeypatch, silent):
    monkeypatch.setattr(limits, "CONNECT_S", 0.05)

    async def scene(channel, fake, clock):
        async def resolve(*_, **__):
            if silent:
                await asyncio.Event().wait()
            raise socket.gaierror

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await send(channel)

    assert hook(scene, allow_private=False).kind == "transient"


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
