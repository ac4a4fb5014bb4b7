"""Whom a message is for: people and schedules become what a channel knows them by."""

import asyncio

import pytest
from msgspec.structs import replace

from alerting.channels.base import Message
from alerting.line import Line
from alerting.messages.address import Address, address, mentionable
from alerting.messages.writer import Writer
from alerting.policy.compose import Draft, Ready
from alerting.policy.route import first_intents
from alerting.ports import Person
from tests.alerting.desk_plays import ms, parsed
from tests.alerting.people import People
from tests.alerting.worlds import T0, Shard, item, policy

CONTACTS = {
    "xiaoli": {"wecom_id": "XiaoLi", "feishu_id": "ou_84aa"},
    "laowang": {"wecom_id": "LaoWang", "phone": "13800000001"},
}
WITH = """
receivers:
  managers: {accounts: [bot]}
  nights: {accounts: [bot, app, sms, screen, ding, lark], to: [nights]}
  both: {accounts: [sms, app], to: [xiaoli, laowang]}
  later: {accounts: [app], to: [later]}
accounts:
  bot: {type: wecom_bot, key: k}
  app: {type: wecom_app, corp_id: ww1, agent_id: 1, secret: s, users: ["@all"]}
  sms: {type: tencent_sms, access_id: a, secret: s, app_id: "1400006666", phones: ["13800000009"],
        sign_name: x, template: "1", params: [shop]}
  screen: {type: console}
  ding: {type: dingtalk, key: k}
  lark: {type: feishu, key: k}
schedules:
  nights: {rotations: [{people: [xiaoli, laowang], starts: 2026-11-23, every: 1d}]}
  later: {rotations: [{people: [xiaoli], starts: 2026-12-24}]}
"""


class Staff(People):
    def contact(self, person, kind):
        return CONTACTS[person].get(kind, "")


@pytest.mark.parametrize(
    ("receiver", "account", "day", "to", "mentions", "said"),
    [
        ("managers", "bot", "10:00", (), (), ""),
        ("nights", "app", "10:00", ("XiaoLi",), (), "xiaoli"),
        ("nights", "app", "d2 10:00", ("LaoWang",), (), "laowang"),
        ("nights", "bot", "10:00", (), ("XiaoLi",), "xiaoli"),
        ("nights", "sms", "10:00", (), (), "nobody of xiaoli can be told there: all of sms"),
        ("nights", "sms", "d2 10:00", ("13800000001",), (), "laowang"),
        ("nights", "ding", "d2 10:00", (), ("13800000001",), "laowang"),
        ("nights", "ding", "10:00", (), (), "nobody of xiaoli can be told there: all of ding"),
        ("nights", "lark", "10:00", (), ("ou_84aa",), "xiaoli"),
        ("nights", "screen", "10:00", (), (), "screen knows no people: all of it"),
        ("both", "sms", "10:00", ("13800000001",), (), "laowang, but not xiaoli"),
        ("later", "app", "10:00", (), (), "nobody of later is on call: all of app"),
    ],
)
def test_who_is_meant(receiver, account, day, to, mentions, said):
    house = parsed(WITH).policy(now_ms=ms("00:00"))
    assert address(house, Staff(), receiver, account, ms(day)) == Address(to, mentions, said)


def test_who_holds_the_conversation_is_mentioned_before_who_is_on_call():
    message = Message("k", "text", mentions=("agent-1", "XiaoLi"))
    assert Address((), ("XiaoLi", "LaoWang")).on(message).mentions == ("agent-1", "XiaoLi", "LaoWang")


@pytest.mark.parametrize(
    ("contact", "shown"),
    [("+8613800000001", "13800000001"), ("+85291234567", ""), ("ou_84aa", "ou_84aa"), ("x><y", ""), ("", "")],
)
def test_what_can_stand_in_a_message(contact, shown):
    assert mentionable(contact) == shown


class Team(People):
    def agent(self, shop, agent_id):
        return Person("小李", "XiaoLi", "+8613800000001", "ou_84aa")


@pytest.mark.parametrize(
    ("account", "line", "mentions"),
    [
        ("bot", "<@XiaoLi>", ("XiaoLi",)),
        ("ding", "小李", ("13800000001",)),
        ("lark", "小李", ("ou_84aa",)),
        ("screen", "小李", ("XiaoLi",)),
    ],
)
def test_who_holds_the_conversation_is_mentioned_as_the_provider_knows_them(account, line, mentions):
    """Elsewhere than in WeCom by name in their line: a number would be read by all."""
    house = parsed(WITH)
    channel = house.channels(None, None, None)[account]
    t = Shard()(0, severity="crit", items=(item(60, agent="a1"),))
    intent = replace(first_intents(policy(), t)[0], account=account)
    writer = Writer(house.policy(now_ms=T0), Team(), {}, None)
    draft = Draft("managers", (Ready(intent),))
    rendered, _ = writer.write(Line(account, channel, asyncio.Event()), draft, T0)
    assert line in rendered.message.body
    assert rendered.message.mentions == mentions
    assert "13800000001" not in rendered.message.body
