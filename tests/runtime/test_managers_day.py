"""An on-call manager's day, through the whole daemon, with honest fakes: the inboxes show exactly that."""

import asyncio
import re

from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from tests.runtime.scenes import TEN_MS, client_of, configured, folder, message, post

RULES = """
rules:
  - id: waits
    title: {zh: 有人在等, en: somebody waits}
    measure: reply
    warn: {oldest_wait: ">= 1m"}
    crit: {oldest_wait: ">= 3m"}
"""
ALERTING = """
accounts:
  group: {{type: wecom_bot, key: test-key, base_url: {wecom}}}
  sms:
    {{type: aliyun_sms, access_id: LTAI5t, secret: sms-secret, phones: ["13800138009"], sign_name: 晨光,
     template: SMS_1, params: {{shop: shop, n: count, figure: figure}}, base_url: {sms}}}
receivers:
  managers: {{accounts: [group]}}
  on-duty: {{accounts: [sms], to: [days]}}
  boss: {{accounts: [sms], to: [boss]}}
default: managers
schedules:
  days: {{rotations: [{{people: [xiaoli, laowang], starts: 2026-11-10, every: 1d, hand_over: "09:00"}}]}}
escalations:
  up: [{{after: 3m, receivers: [on-duty]}}, {{after: 8m, receivers: [boss]}}]
route: {{routes: [{{match: {{severity: crit}}, escalate: up}}]}}
"""
PEOPLE = """
people:
  xiaoli: {name: 小李, wecom_id: XiaoLi, phone: "13800138001"}
  laowang: {name: 老王, phone: "13800138002"}
  boss: {name: 老板, phone: "13800138003"}
"""
PHONES = ["13800138001", "13800138002", "13800138003", "13800138009"]


class Day:
    """A daemon and the people around it."""

    def __init__(self, place):
        self.clock, self.place = ManualClock(TEN_MS), place
        self.wecom = FakeWecom(self.clock.now_ms)
        self.sms = FakeAliyunSms(self.clock.now_ms, "LTAI5t", "sms-secret", PHONES)

    async def play(self, scene):
        urls = {"wecom": await self.wecom.start(), "sms": await self.sms.start()}
        folder(self.place, urls["wecom"], "public_url: https://sla.example")
        files = {"alerting.yaml": ALERTING.format(**urls), "people.yaml": PEOPLE, "rules/rules.yaml": RULES}
        for name, text in files.items():
            (self.place / name).write_text(text, "utf-8")
        try:
            async with (
                daemon(configured(self.place), self.clock) as self.it,
                client_of(self.it) as self.client,
            ):
                await self.it.running.settled()
                return await scene(self)
        finally:
            await self.wecom.close()
            await self.sms.close()

    async def until(self, minutes):
        await pass_time(self.clock, TEN_MS + round(minutes * 60_000), self.it.running.settled)

    def inboxes(self):
        """Of each message: seconds after ten, to whom, its first words."""
        group = [
            (self._at(one), "group", re.sub(r"(?s)<.*?>|\*|\n.*", "", one.text)) for one in self.wecom.inbox
        ]
        phones = [(self._at(one), one.key, one.text) for one in self.sms.inbox]
        return sorted(group + phones)

    def _at(self, one):
        return (one.at_ms - TEN_MS) // 1_000


async def the_day(day):
    await post(day.client, message(1, TEN_MS))
    await day.until(7)
    (path,) = set(re.findall(r"https://sla\.example(/a/[^)\s]+)", day.wecom.texts()[-1]))
    taken = await day.client.post(path, data={"do": "acknowledge", "name": "老王"})
    assert taken.status_code == 303
    await day.until(15)
    await post(day.client, message(1, day.clock.now_ms(), "agent"))
    await day.until(17)
    steps = (await day.client.get("/api/v1/why", params={"rule": "waits", "shop": "mall:s1"})).json()["steps"]
    return day.inboxes(), steps


def test_warn_crit_no_answer_sms_acknowledged_from_the_phone_resolved(tmp_path):
    """The one on call today is told by SMS, the boss is not, since somebody took it in time."""
    inboxes, steps = asyncio.run(Day(tmp_path).play(the_day))
    assert inboxes == [
        (90, "group", "【警告】mall:s1：有人在等，最长等待 60 秒"),
        (180, "group", "【严重】mall:s1：有人在等，最长等待 3 分钟"),
        (360, "13800138002", "【晨光】店铺mall:s1超时会话1个，最长等待 3 分钟，请立即处理"),
        (931, "group", "【已恢复】mall:s1：有人在等"),
    ]
    told = [(s["at_ms"] - TEN_MS, s["reason"]) for s in steps if s["step"] in ("send", "acknowledge")]
    assert told == [
        (90_000, "fire to managers on group by itself, delivery 1: errcode 0: ok"),
        (180_000, "rise to managers on group by itself, delivery 2: errcode 0: ok"),
        (360_000, "escalate to on-duty (laowang) on sms by itself, delivery 3: OK: ok"),
        (420_000, "by link:managers 老王"),
        (931_000, "resolved to managers on group by itself, delivery 4: errcode 0: ok"),
    ]


async def nobody_answers(day):
    day.wecom.keys = ()  # the bot was removed from its group
    await post(day.client, message(1, TEN_MS))
    await day.until(12)
    return day.inboxes()


def test_where_the_group_takes_nothing_the_phones_ring_early(tmp_path):
    """Refused for good at 3:00; the next is told a minute later at the latest, and then the boss."""
    inboxes = asyncio.run(Day(tmp_path).play(nobody_answers))
    assert [(at_s, to) for at_s, to, text in inboxes if "等待" in text] == [
        (240, "13800138002"),
        (660, "13800138003"),
    ]


async def undelivered(day):
    day.sms.reports = "MOBILE_NOT_ON_SERVICE"
    await post(day.client, message(1, TEN_MS))
    await day.until(9)
    return [(at_s, to) for at_s, to, _ in day.inboxes() if to != "group"]


def test_an_sms_that_the_carrier_could_not_deliver_calls_the_next_at_once(tmp_path):
    """At 6:00 to who is on call; asked within 30 s the carrier says no; so the boss, and not at 11:00."""
    (first, second) = asyncio.run(Day(tmp_path).play(undelivered))
    assert first == (360, "13800138002")
    assert second[1] == "13800138003"
    assert 360 < second[0] <= 390
