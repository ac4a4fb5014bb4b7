"""Receivers, accounts and people put in force while the daemon runs: all of them or none."""

import asyncio
import re

from alerting import limits as desk_limits
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.runtime.status import account_failed
from tests.runtime.scenes import TEN_MS, client_of, configured, folder, message, post

APPLY = "/api/v1/rules/apply"
ONE = """
accounts:
  first: {{type: wecom_bot, key_file: first.key, base_url: {url}}}
receivers:
  managers: {{accounts: [first]}}
default: managers
"""
TWO = """
accounts:
  first: {{type: wecom_bot, key_file: first.key, base_url: {url}}}
  second: {{type: wecom_bot, key: second-key, base_url: {url}}}
receivers:
  managers: {{accounts: [first]}}
  night: {{accounts: [second], to: [xiaoli]}}
default: managers
route: {{routes: [{{match: {{shop: "*:s2"}}, receivers: [night]}}]}}
"""
PEOPLE = "people:\n  xiaoli: {{name: 小李, wecom_id: XiaoLi}}\n"


class House:
    """A daemon over files that can be written anew."""

    def __init__(self, place):
        self.clock, self.place = ManualClock(TEN_MS), place
        self.wecom = FakeWecom(self.clock.now_ms, keys=("first-key", "second-key", "third-key"))

    async def live(self, scene):
        self.url = await self.wecom.start()
        folder(self.place, self.url)
        self.write("first.key", "first-key\n")
        self.write("alerting.yaml", ONE)
        self.write("people.yaml", PEOPLE.replace("XiaoLi", "Old"))
        try:
            async with (
                daemon(configured(self.place), self.clock) as self.it,
                client_of(self.it) as self.client,
            ):
                await self.it.running.settled()
                await scene(self)
        finally:
            await self.wecom.close()

    def write(self, name, text):
        (self.place / name).write_text(text.format(url=self.url), "utf-8")

    async def apply(self, status=200):
        answer = await self.client.post(APPLY)
        assert answer.status_code == status, answer.text
        await self.it.running.settled()
        return answer.json()

    async def until(self, seconds):
        await pass_time(self.clock, TEN_MS + seconds * 1_000, self.it.running.settled)

    async def miss(self, n, shop):
        await post(self.client, message(n, self.clock.now_ms(), shop=shop))

    def inboxes(self):
        return [(one.key, re.search(r"mall:s\d", one.text)[0]) for one in self.wecom.inbox]


def played(tmp_path, scene):
    asyncio.run(House(tmp_path).live(scene))


def test_a_new_account_a_route_and_a_person_take_force_at_once(tmp_path):
    async def scene(house):
        await house.miss(1, "s1")
        await house.until(4)
        house.write("alerting.yaml", TWO)
        house.write("people.yaml", PEOPLE)
        assert (await house.apply())["changed"] is False  # of the rules
        await house.miss(2, "s2")
        await house.until(9)
        assert house.inboxes() == [("first-key", "mall:s1"), ("second-key", "mall:s2")]
        assert "<@XiaoLi>" in house.wecom.inbox[-1].text

    played(tmp_path, scene)


def test_one_mistake_changes_nothing_and_is_named_with_its_place(tmp_path):
    async def scene(house):
        house.write("alerting.yaml", TWO.replace("second]", "secnd]"))
        error = (await house.apply(422))["error"]
        assert re.search(r"alerting\.yaml:7:\d+: .*secnd.*did you mean.*second", error["what"])
        house.write("alerting.yaml", TWO.replace("key: second-key", "key_file: none.key"))
        assert "none.key" in (await house.apply(422))["error"]["what"]
        assert list(house.it.sender.lines) == ["first"]
        await house.miss(2, "s2")
        await house.until(4)
        assert house.inboxes() == [("first-key", "mall:s2")]

    played(tmp_path, scene)


def test_under_a_told_clock_nobody_outside_is_reached_by_new_files_either(tmp_path):
    async def scene(house):
        house.write("alerting.yaml", ONE.replace("{url}", "https://qyapi.weixin.qq.com"))
        assert "--clock is for tests" in (await house.apply(422))["error"]["what"]

    played(tmp_path, scene)


def test_a_key_that_was_mended_in_its_file_is_tried_at_once(tmp_path):
    async def scene(house):
        house.write("first.key", "wrong-key")
        await house.apply()
        await house.miss(1, "s1")
        await house.until(4)
        assert house.inboxes() == []
        house.write("first.key", "third-key")
        await house.apply()
        assert house.inboxes() == [("third-key", "mall:s1")]

    played(tmp_path, scene)


def test_an_account_that_says_the_same_keeps_its_channel_and_its_window(tmp_path):
    async def scene(house):
        channel = house.it.sender.lines["first"].channel
        house.write("alerting.yaml", TWO)
        await house.apply()
        assert house.it.sender.lines["first"].channel is channel
        house.write("alerting.yaml", TWO.replace("key_file: first.key", "key_file: first.key, format: text"))
        await house.miss(1, "s1")
        await house.until(4)
        await house.apply()
        line = house.it.sender.lines["first"]
        assert line.channel is not channel
        assert len(line.window.sent) == 1

    played(tmp_path, scene)


def test_who_was_to_be_told_over_an_account_that_is_gone_is_told_over_another(tmp_path):
    async def scene(house):
        house.write("alerting.yaml", TWO.replace("key: second-key", "key: wrong-key"))
        await house.apply()
        await house.miss(2, "s2")
        await house.until(4)
        about = [one for one in house.wecom.inbox if "mall:s2" in one.text]
        assert about == []  # its key is wrong; that alone was told over the other account
        account_failed(house.it.running.health, "second", RuntimeError("as never before"))
        house.write("alerting.yaml", ONE)
        await house.apply()
        assert dict(house.it.running.health.problems) == {}
        await house.until(6)
        assert [one.key for one in house.wecom.inbox if "mall:s2" in one.text] == ["first-key"]
        await house.until(60)
        assert sorted(house.it.running.desk_loop.desk.books.alerts) == [
            "a-miss|shop=mall:s2"
        ]  # not the account
        assert list(house.it.sender.lines) == ["first"]

    played(tmp_path, scene)


def test_tables_of_local_time_are_made_anew_before_they_end(tmp_path):
    async def scene(house):
        before = house.it.running.desk_loop.policy
        house.clock.move_to(TEN_MS + limits.CALENDAR_MS)
        await house.it.running.settled()
        assert house.it.running.desk_loop.policy is not before
        assert house.it.running.desk_loop.desk.books.policy is house.it.running.desk_loop.policy

    assert limits.CALENDAR_MS < desk_limits.CALENDAR_DAYS * 86_400_000
    played(tmp_path, scene)
