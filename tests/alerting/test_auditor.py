"""The auditor: what is due and does not leave is told, by another way, and the world outside can tell."""

import asyncio

import httpx
import pytest
from pydantic import SecretStr

from alerting import limits
from alerting.auditor import Auditor
from alerting.channels.base import DeliveryResult
from alerting.desk import Desk
from alerting.fakes.http import Answer, Fault
from alerting.fakes.provider import Provider
from alerting.policy.records import Result, Tick
from alerting.policy.rulings import Receiver
from monitor.auditing import Beat
from monitor.store.sqlite import SqliteStore
from tests.alerting.worlds import MINUTE, SECOND, T0, Shard, policy
from tests.waiting import PATIENCE_S

MEND = "\n处理：见 docs/runbook.zh.md 的 slawatch-overdue"


class Way:
    """A channel that takes what it is given, or nothing."""

    def __init__(self, kind="ok"):
        self.kind, self.inbox = kind, []

    def payload(self, message):
        return message.body.encode()

    async def deliver(self, payload):
        if self.kind == "ok":
            self.inbox.append(payload.decode())
        return DeliveryResult(self.kind)


class House:
    """A store, a desk that folds when it is told to, and an auditor; the sender is pretended."""

    def __init__(self, path):
        self.now, self.told, self.beats = T0, [], 0
        receivers = {"managers": Receiver("managers", ("bot",)), "ops": Receiver("ops", ("hook",))}
        self.policy = policy(receivers=receivers, self_receiver="ops")
        self.store = SqliteStore(path)
        self.epoch = self.store.take(0).epoch
        self.desk_epoch, cursor = self.store.take_desk()
        self.desk = Desk(self.policy, self.store.desk_rows(), cursor)
        self.shard = Shard()
        self.ways = {"bot": Way(), "hook": Way()}
        self.well = True
        self.auditor = Auditor(
            self.store, self.ways, self.policy, self, hear=self.hear, tell=self.told.append,
            well=lambda: self.well, beat=self.beat,
        )  # fmt: skip

    def now_ms(self):
        return self.now

    async def hear(self, item):
        self.store.add_input(item)

    async def beat(self):
        self.beats += 1

    def fires(self, **fields):
        t = self.shard(0, severity="crit", **fields)
        self.store.commit_step(0, self.epoch, t.position, [t])

    def fold(self):
        cursor = self.desk.cursor
        items = [*self.store.transitions_after(cursor), *self.store.inputs_after(cursor.inputs)]
        self.store.commit_desk(self.desk_epoch, self.desk.fold(items), self.desk.cursor)

    def look(self, at_s):
        self.now = T0 + at_s * SECOND
        return asyncio.run(self.auditor.look())

    def due(self, account):
        return [q.intent for q in self.store.due(account, self.now, 100)]

    def sent(self, account):
        for intent in self.due(account):
            named = [(intent.id, intent.alert, intent.kind)]
            self.store.settle(Result(self.now, "accepted", account, intent.receiver, named))
        self.fold()


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "store.db")
    yield made
    made.store.close()


def test_while_all_leaves_in_time_the_outside_is_pinged(house):
    house.fires()
    house.fold()
    assert house.look(59) == []
    assert (house.beats, house.told) == (1, [""])


def test_what_waits_too_long_is_told_over_another_account_and_no_ping_goes_out(house):
    house.fires()
    house.fold()
    assert house.look(61) == ["bot 上 1 条待发，最久 61 秒"]
    house.fold()
    (alarm,) = house.due("hook")
    assert (alarm.alert, alarm.transition.facts.condition) == (
        "slawatch-overdue|account=bot",
        "bot 上 1 条待发，最久 61 秒",
    )
    assert (house.beats, house.told) == (0, ["bot 上 1 条待发，最久 61 秒"])


def test_when_it_has_left_that_is_told_too(house):
    house.fires()
    house.fold()
    house.look(61)
    house.fold()
    house.sent("hook")
    house.sent("bot")
    assert house.look(90) == []
    house.fold()
    assert [(a.key, a.state) for a in house.desk.books.alerts.values() if a.over] == [
        ("slawatch-overdue|account=bot", "ok")
    ]
    assert house.beats == 1


def test_a_step_of_an_escalation_that_is_overdue_is_found_like_all_else(house):
    """A stage is an intent: that its turn has come and it has not left is all there is to see."""
    house.fires()
    house.fold()
    house.sent("bot")
    (repeat,) = house.store._db.read("select id, not_before_ms from intent where state = 'queued'")
    assert house.look((repeat[1] - T0) // SECOND + 61)


def test_where_nobody_was_told_by_way_of_the_desk_the_operator_is_written_to_directly(house):
    house.fires()
    house.fold()
    house.look(61)
    house.fold()  # the alarm is queued on hook, and nothing takes it
    house.look(100)
    assert house.ways["hook"].inbox == []
    house.look(125)
    waits = "bot 上 1 条待发，最久 2 分钟，hook 上 1 条待发，最久 64 秒"
    assert house.ways["hook"].inbox == [f"【严重】slawatch：通知没有按时发出，{waits}{MEND}"]
    house.fold()
    house.look(300)
    assert len(house.ways["hook"].inbox) == 1
    house.fold()
    house.look(740)
    assert len(house.ways["hook"].inbox) == 2


def test_a_desk_that_stands_still_is_told_directly_over_whatever_takes_it(house):
    house.fires()
    house.ways["hook"].kind = "transient"
    assert house.look(0) == []
    assert house.look(29) == []
    assert house.look(31) == ["告警台 31 秒没有处理新的告警"]
    assert house.ways["bot"].inbox == [
        f"【严重】slawatch：通知没有按时发出，告警台 31 秒没有处理新的告警{MEND}"
    ]
    house.fold()
    house.sent("bot")
    assert house.look(46) == []


def test_a_desk_that_is_far_behind_but_folds_does_not_stand_still(house):
    for at_s in range(0, 300, 20):
        house.fires(shop=f"s{at_s}")
        house.fires(shop=f"t{at_s}")
        assert not any("告警台" in what for what in house.look(at_s))
        house.store.add_input(Tick(house.now))
        house.fold()
        house.fires(shop=f"u{at_s}")


def test_a_daemon_that_is_not_well_otherwise_does_not_ping(house):
    house.well = False
    house.look(1)
    assert house.beats == 0


class Outside(Provider):
    """Somebody who watches for pings."""

    def __init__(self, now_ms):
        super().__init__(now_ms)
        self.pings, self.status = [], 200

    def handle(self, request):
        self.pings.append(request.path)
        return Answer(b"OK", self.status)


def test_pings_go_out_as_often_as_asked_and_one_that_fails_is_tried_again(monkeypatch):
    class Clock:
        ms = T0

        def now_ms(self):
            return self.ms

    async def main():
        clock = Clock()
        outside = Outside(clock.now_ms)
        url = await outside.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            taken = []
            beat = Beat(client, SecretStr(f"{url}/ping/secret"), MINUTE, clock, taken.append)
            for at_s in (0, 15, 60, 75):
                clock.ms = T0 + at_s * SECOND
                await beat()
            assert outside.pings == ["/ping/secret"] * 2
            outside.status = 503
            for at_s in (120, 135):
                clock.ms = T0 + at_s * SECOND
                await beat()
            assert len(outside.pings) == 4
            assert taken == [T0 / 1_000, T0 / 1_000 + 60], "a ping that was refused was not taken"
            outside.suffer(Fault("drip", 0.02))
            monkeypatch.setattr(limits, "BEAT_S", 0.3)
            async with asyncio.timeout(PATIENCE_S):
                await beat()  # given up in time: the auditor must go on
            assert len(taken) == 2
        await outside.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            await Beat(client, SecretStr(f"{url}/ping"), MINUTE, clock)()  # refused: told in the log

    asyncio.run(main())


def test_a_desk_that_follows_leaves_what_waits_to_the_leader_to_tell(house):
    """Three desks on one store are one voice, and one of them pings."""
    house.auditor.leads = lambda: False
    house.fires()
    house.fold()
    assert house.look(300) == []
    assert house.store.inputs_after(house.desk.cursor.inputs) == []
    assert (house.beats, house.told) == (0, [""])
    house.auditor.leads = lambda: True
    assert len(house.look(315)) == 1


def test_a_desk_that_follows_speaks_when_nobody_folds_at_all(house):
    house.auditor.leads = lambda: False
    house.fires()
    assert house.look(0) == []
    assert house.look(45) == []  # a leader would say it now
    assert len(house.look(75)) == 1
    assert len(house.ways["hook"].inbox) == 1
    assert house.look(90) != []
    assert len(house.ways["hook"].inbox) == 1
    house.fold()
    assert house.look(105) == []


def test_what_waits_on_an_account_that_is_configured_no_longer_is_no_alarm(house):
    house.fires()
    house.fold()
    house.auditor.use(house.policy, {"hook": house.ways["hook"]}, None)
    assert house.look(300) == []
