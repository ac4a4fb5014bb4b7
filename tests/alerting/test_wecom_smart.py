"""A WeCom smart bot: its one connection, kept for ever and never fought for, and cards that come back."""

import asyncio

import pytest
from pydantic import SecretStr

from alerting import limits
from alerting.channels.base import Message
from alerting.channels.wecom_smart_bot import WecomSmartBot
from alerting.fakes.wecom_smart import FakeSmartBot
from tests.alerting.sides import Clock
from tests.waiting import PATIENCE_S, until

INCIDENT = "drift|shop=pinduoduo:s1@5"
ALERT = {"kind": "fire", "incident": INCIDENT}
BODY = "**严重 旗舰店A：逼近红线**\n还可漏 3 个\n建议：加人"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, seconds in {
        "CONNECT_S": 30.0, "RECONNECT_S": 0.01, "REPLACED_S": 30.0, "ANSWER_S": 30.0, "HEARTBEAT_S": 60.0,
    }.items():  # fmt: skip
        monkeypatch.setattr(limits, name, seconds)


def play(scene, chats=("wrA",), bots=1):
    async def main():
        fake = FakeSmartBot(Clock().now_ms, "bot1", "secret", ["wrA", "wrB", "xiaoli"])
        url = await fake.start()
        channels = [WecomSmartBot("bot1", SecretStr("secret"), chats, base_url=url) for _ in range(bots)]
        try:
            return await scene(fake, *channels)
        finally:
            for channel in channels:
                channel.hold(False)
            await fake.close()

    return asyncio.run(main())


def send(channel, key="k1", body=BODY, alerts=(ALERT,), **fields):
    return channel.deliver(channel.payload(Message(key, body, alerts=alerts, **fields)))


def test_one_open_alert_is_a_card_with_buttons_and_several_are_markdown():
    async def scene(fake, channel):
        await send(channel)
        await send(channel, "k2", alerts=(ALERT, ALERT))
        await send(channel, "k3", alerts=(ALERT | {"kind": "resolved"},))
        return fake.cards, fake.inbox

    cards, inbox = play(scene)
    assert [received.kind for received in inbox] == ["template_card", "markdown", "markdown"]
    assert inbox[0].text == "严重 旗舰店A：逼近红线\n还可漏 3 个\n建议：加人"
    assert [button["key"].partition(" ")[0] for button in cards["k1"]["button_list"]] == [
        "acknowledge", "silence", "false_alarm",
    ]  # fmt: skip


def test_a_long_card_keeps_whole_lines():
    async def scene(fake, channel):
        lines = [f"{i} " + "还可漏" * 12 for i in range(9)]
        await send(channel, body="\n".join(["标题", *lines]))
        return lines, fake.cards["k1"]["sub_title_text"]

    lines, shown = play(scene)
    assert shown.splitlines() == lines[: len(shown.splitlines())]
    assert 360 < len(shown.encode()) <= 480


def test_a_tap_comes_back_in_the_name_of_who_tapped_and_the_card_says_so():
    async def scene(fake, channel):
        taps = []

        async def on_tap(user, key):
            taps.append((user, key))
            return "已确认"

        channel.on_tap = on_tap
        await send(channel)
        renewed = await fake.tap("xiaoli", "k1", within_s=PATIENCE_S)
        return taps, renewed, fake.cards["k1"]

    taps, renewed, card = play(scene)
    assert taps == [("xiaoli", f"acknowledge {INCIDENT}")]
    assert renewed
    assert card["main_title"] == {"title": "严重 旗舰店A：逼近红线", "desc": "已确认：xiaoli"}


def test_an_event_that_comes_twice_counts_once():
    async def scene(fake, channel):
        taps = []

        async def on_tap(user, key):
            taps.append(user)
            return "已确认"

        channel.on_tap = on_tap
        await send(channel)
        card = fake.cards["k1"]
        await fake.tap("xiaoli", "k1", msgid="m1")
        fake.cards["k1"] = card
        await fake.tap("xiaoli", "k1", msgid="m1", within_s=0.05)
        await fake.tap("laowang", "k1", msgid="m2")
        return taps

    assert play(scene) == ["xiaoli", "laowang"]


def test_a_lost_connection_is_taken_up_again_however_often(monkeypatch):
    async def scene(fake, channel):
        channel.hold(True)
        for n in range(1, 6):
            await until(lambda n=n: fake.subscribed == n)
            assert (await send(channel, f"k{n}")).kind == "ok"
            await fake.drop()
        await fake.close()
        with monkeypatch.context() as patch:
            patch.setattr(limits, "CONNECT_S", 0.2)
            assert (await send(channel, "k6")).kind == "transient"
        await fake.start()
        return await send(channel, "k7"), len(fake.inbox)

    result, seen = play(scene)
    assert (result.kind, seen) == ("ok", 6)


def test_a_second_connection_takes_over_and_the_first_says_so_and_does_not_fight():
    async def scene(fake, first, second):
        await send(first)
        assert (await send(second, "k2")).kind == "ok"
        await until(lambda: fake.kicked == 1)
        refused = [await send(first, f"k3{i}") for i in range(3)]
        await asyncio.sleep(0)
        return refused, fake.subscribed, (await send(second, "k4")).kind

    refused, subscribed, after = play(scene, bots=2)
    assert {result.kind for result in refused} == {"bad_credential"}
    assert "another connection of this bot took over" in refused[0].detail
    assert (subscribed, after) == (2, "ok")


def test_who_was_replaced_comes_back_later_and_waits_longer_each_time(monkeypatch):
    monkeypatch.setattr(limits, "REPLACED_S", 0.02)

    async def scene(fake, first, second):
        first.hold(True)
        await until(lambda: fake.subscribed == 1)
        second.hold(True)
        await until(lambda: fake.subscribed >= 4)
        return [channel._link._kicks for channel in (first, second)]

    assert min(play(scene, bots=2)) >= 1


def test_letting_go_ends_the_connection_so_that_another_process_can_have_the_bot():
    async def scene(fake, first, second):
        assert (await send(first)).kind == "ok"
        first.hold(False)
        await fake.left.wait()
        second.hold(True)
        await until(lambda: fake.subscribed == 2)
        return fake.kicked, (await send(second, "k2")).kind

    assert play(scene, bots=2) == (0, "ok")


def test_a_connection_that_answers_no_heartbeat_is_given_up(monkeypatch):
    monkeypatch.setattr(limits, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(limits, "ANSWER_S", 0.05)

    async def scene(fake, channel):
        take = fake._take

        async def deaf(connection, frame, req_id):
            if frame["cmd"] != "ping":
                await take(connection, frame, req_id)

        fake._take = deaf
        channel.hold(True)
        await until(lambda: fake.subscribed >= 2)

    play(scene)


def test_several_conversations_some_of_which_nobody_opened():
    async def scene(fake, channel):
        fake.chats.discard("wrB")
        return await send(channel), [received.key for received in fake.inbox]

    result, told = play(scene, chats=("wrA", "wrB"))
    assert (result.kind, told) == ("partial", ["wrA"])
    assert result.detail.startswith("1 of 2 conversations; errcode 93006")


def test_a_message_for_somebody_goes_to_them():
    async def scene(fake, channel):
        await send(channel, to=("xiaoli",))
        return [received.key for received in fake.inbox]

    assert play(scene) == ["xiaoli"]


def test_who_is_on_call_is_told_by_the_wecom_id(tmp_path):
    from alerting.config.accounts import WecomSmartBotAccount

    account = WecomSmartBotAccount(type="wecom_smart_bot", bot_id="b", secret="s", chats=["wrA"])
    assert (account.contact, account.mentions, account.buttons) == ("wecom_id", False, True)
