"""Whom a message is for: people and schedules become what a channel knows them by."""

import pytest
from desk_plays import ms, parsed
from people import People

from alerting.address import Address, address
from alerting.channels.base import Message

CONTACTS = {"xiaoli": {"wecom_id": "XiaoLi"}, "laowang": {"wecom_id": "LaoWang", "phone": "13800000001"}}
WITH = """
receivers:
  managers: {accounts: [bot]}
  nights: {accounts: [bot, app, sms, screen], to: [nights]}
  both: {accounts: [sms, app], to: [xiaoli, laowang]}
  later: {accounts: [app], to: [later]}
accounts:
  bot: {type: wecom_bot, key: k}
  app: {type: wecom_app, corp_id: ww1, agent_id: 1, secret: s, users: ["@all"]}
  sms: {type: tencent_sms, access_id: a, secret: s, app_id: "1400006666", phones: ["13800000009"],
        sign_name: x, template: "1", params: [shop]}
  screen: {type: console}
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
        ("nights", "screen", "10:00", (), (), "screen knows no people: all of it"),
        ("both", "sms", "10:00", ("13800000001",), (), "laowang, but not xiaoli"),
        ("later", "app", "10:00", (), (), "nobody of later is on call: all of app"),
    ],
)
def test_who_is_meant(receiver, account, day, to, mentions, said):
    policy = parsed(WITH).policy(now_ms=ms("00:00"))
    assert address(policy, Staff(), receiver, account, ms(day)) == Address(to, mentions, said)


def test_who_holds_the_conversation_is_mentioned_before_who_is_on_call():
    message = Message("k", "text", mentions=("agent-1", "XiaoLi"))
    assert Address((), ("XiaoLi", "LaoWang")).on(message).mentions == ("agent-1", "XiaoLi", "LaoWang")
