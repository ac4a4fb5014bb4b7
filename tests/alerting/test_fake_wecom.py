"""The fake is as strict as the provider."""

import asyncio
import json

import httpx
import pytest

from alerting.fakes.wecom import FakeWecom
from tests.waiting import PATIENCE_S


class Clock:
    ms = 0

    def __call__(self):
        return self.ms


def talk(scene):
    async def main():
        clock = Clock()
        wecom = FakeWecom(clock)
        url = await wecom.start()

        async def post(content=b"", key="test-key", **body):
            answer = await client.post(
                f"{url}/cgi-bin/webhook/send?key={key}", content=content or json.dumps(body).encode()
            )
            assert answer.status_code == 200
            return answer.json()

        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            try:
                await scene(wecom, post, clock)
            finally:
                await wecom.close()

    asyncio.run(main())


def text(content):
    return {"msgtype": "text", "text": {"content": content}}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (text("好"), 0, "ok"),
        (text("x" * 2048), 0, "ok"),
        (text("x" * 2049), 40058, "text.content exceed max length 2048. invalid Request Parameter"),
        ({"msgtype": "markdown", "markdown": {"content": "好" * 1366}}, 40058, "markdown.content exceed"),
        (text(""), 44004, "empty content"),
        ({"msgtype": "texts", "texts": {"content": "x"}}, 40008, "invalid message type"),
        ({"msgtype": "text", "markdown": {"content": "x"}}, 40008, "invalid message type"),
        ({"key": "nobody", **text("x")}, 93000, "invalid webhook url"),
    ],
)
def test_codes(body, code, message):
    async def scene(wecom, post, clock):
        answer = await post(**body)
        assert answer["errcode"] == code
        assert answer["errmsg"].startswith(message)
        assert len(wecom.inbox) == (code == 0)
        if code:
            assert ", hint: [" in answer["errmsg"]
            assert answer["errmsg"].endswith(f"/devtool/query?e={code}")

    talk(scene)


def test_broken_json():
    async def scene(wecom, post, clock):
        answer = await post(b"{")
        assert (answer["errcode"], "wrong json format" in answer["errmsg"]) == (40008, True)

    talk(scene)


def test_the_twenty_first_message_in_a_minute_closes_the_bot_for_a_minute():
    async def scene(wecom, post, clock):
        for i in range(20):
            clock.ms = i * 100
            assert (await post(**text("x")))["errcode"] == 0
        clock.ms = 59_000
        assert (await post(**text("x")))["errcode"] == 45009
        clock.ms = 118_999
        assert (await post(**text("x")))["errcode"] == 45009
        clock.ms = 119_000
        assert (await post(**text("x")))["errcode"] == 0
        assert len(wecom.inbox) == 21
        assert [code for _, _, code in wecom.refused] == [45009, 45009]

    talk(scene)


def test_the_window_slides():
    async def scene(wecom, post, clock):
        for i in range(60):
            clock.ms = i * 3_001  # 20 in 60.02 s
            assert (await post(**text("x")))["errcode"] == 0

    talk(scene)


def test_each_bot_has_its_own_window():
    async def scene(wecom, post, clock):
        wecom.keys = ("a", "b")
        codes = [(await post(key=key, **text("x")))["errcode"] for key in "a" * 20 + "b" * 20]
        assert codes == [0] * 40

    talk(scene)
