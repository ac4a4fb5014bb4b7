"""A WeCom app: one token however many ask, members who get nothing named, cards that are known again."""

import asyncio
import json

from pydantic import SecretStr

from alerting.channels.base import Message
from alerting.channels.wecom_app import Members, WecomApp
from alerting.fakes.http import Fault
from alerting.fakes.wecom_app import FakeWecomApp
from tests.alerting.sides import SECRET, Clock, talk

TWO = Members(("xiaoli", "laowang"))


def tell(scene, to=TWO, **options):
    def channel(client, url, clock):
        return WecomApp(client, "ww1", 7, SecretStr(SECRET), clock, to, base_url=url, **options)

    return talk(channel, lambda now_ms: FakeWecomApp(now_ms, "ww1", SECRET, 7, TWO.users), scene)


def send(channel, body="旗舰店A", key="k1", **fields):
    return channel.deliver(channel.payload(Message(key, body, **fields)))


def test_a_token_is_fetched_once_however_many_ask():
    async def scene(channel, fake, clock):
        results = await asyncio.gather(*(send(channel, f"x{i}") for i in range(10)))
        return [result.kind for result in results], fake.fetched

    assert tell(scene) == (["ok"] * 10, 1)


def test_a_token_that_was_revoked_is_fetched_anew_once_and_nothing_is_lost():
    async def scene(channel, fake, clock):
        await send(channel)
        fake.revoke()
        results = await asyncio.gather(*(send(channel, f"x{i}") for i in range(10)))
        return [result.kind for result in results], fake.fetched, len(fake.inbox)

    assert tell(scene) == (["ok"] * 10, 2, 11)


def test_a_token_is_renewed_before_it_ends():
    async def scene(channel, fake, clock):
        await send(channel, "a")
        clock.ms += 7_200_000 - 300_001
        await send(channel, "b")
        first = fake.fetched
        clock.ms += 1
        await send(channel, "c")
        return first, fake.fetched, fake.refused

    assert tell(scene) == (1, 2, [])


def test_a_token_that_is_never_right_is_asked_for_twice_and_not_for_ever():
    async def scene(channel, fake, clock):
        fake._give_token = lambda query: (0, "ok", {"access_token": "stale", "expires_in": 7200})
        return await send(channel), fake.refused

    result, refused = tell(scene)
    assert (result.kind, result.provider_code) == ("bad_credential", "40014")
    assert [code for _, _, code in refused] == [40014, 40014]


def test_without_a_token_nothing_was_sent():
    async def scene(channel, fake, clock):
        fake.server.befalls = lambda request: True
        fake.suffer(Fault("lost"))
        return await send(channel), fake.inbox

    result, inbox = tell(scene)
    assert (result.kind, inbox) == ("transient", [])


def test_those_who_did_not_get_it_are_named():
    async def scene(channel, fake, clock):
        return await send(channel), fake.inbox

    result, inbox = tell(scene, Members(("xiaoli", "gone")))
    assert (result.kind, result.provider_id) == ("partial", "msg-1")
    assert result.detail == "errcode 0, but not for invaliduser gone"
    assert [seen.key for seen in inbox] == ["xiaoli"]


def test_a_message_may_be_for_one_of_them():
    async def scene(channel, fake, clock):
        await send(channel, to=("laowang",))
        return [seen.key for seen in fake.inbox]

    assert tell(scene) == ["laowang"]


def test_the_provider_drops_without_a_word_what_our_allowance_would_not_send():
    async def scene(channel, fake, clock):
        kinds = {(await send(channel, f"x{i}", f"k{i}")).kind for i in range(31)}
        return kinds, len(fake.inbox), fake.dropped

    assert tell(scene) == ({"ok"}, 30, ["laowang", "xiaoli"])


def test_what_may_have_been_delivered_is_sent_again_at_once_and_seen_once():
    async def scene(channel, fake, clock):
        fake.suffer(Fault("lost"), Fault("lost"))
        first = await send(channel)
        fake.suffer(Fault("lost"))
        return first.kind, (await send(channel)).kind, fake.texts()

    assert tell(scene) == ("ambiguous", "ok", ["旗舰店A"])


def test_a_card_has_a_title_a_text_and_a_page():
    body = "严重 旗舰店A\n还可漏 3 个\n小李"
    channel = WecomApp(
        None, "ww1", 7, SecretStr(SECRET), Clock(), TWO, form="card", card_url="https://sla.example/alerts"
    )
    assert json.loads(channel.payload(Message("k1", body)))["template_card"] == {
        "card_type": "text_notice",
        "task_id": "k1",
        "main_title": {"title": "严重 旗舰店A"},
        "sub_title_text": "还可漏 3 个\n小李",
        "card_action": {"type": 1, "url": "https://sla.example/alerts"},
    }
