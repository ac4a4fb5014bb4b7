"""From intents to the group's inbox, through real HTTP, a real store and a told clock."""

import asyncio
import contextlib

import httpx
import pytest
from pydantic import SecretStr

from alerting.channels.console import Console
from alerting.channels.wecom_bot import WecomBot
from alerting.errors import Fenced, StoreFull
from alerting.fakes.http import Fault
from alerting.fakes.wecom import FakeWecom
from alerting.policy.records import Ack, Silence
from rules.transition import Facts
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, Process, item, policy


class World(Process):
    """A process that sends to a group and to a terminal, and the fake WeCom that outlives it."""

    def __init__(self, folder, policy) -> None:
        super().__init__(folder / "store.db", policy)
        self.wecom = FakeWecom(lambda: self.now)
        self.written = []

    async def boot(self):
        self.url = await self.wecom.start()
        self.client = httpx.AsyncClient(trust_env=False)
        self.open()
        return self

    def channels(self):
        bot = WecomBot(self.client, SecretStr("test-key"), base_url=self.url)
        return {"bot": bot, "hook": Console(self.written.append)}

    async def close(self):
        self.store.close()
        await self.client.aclose()
        await self.wecom.close()

    async def run_to(self, at_s):
        """Let the sender work until the clock shows so many seconds after T0, without waiting for it."""
        end = T0 + round(at_s * SECOND)
        while True:
            nexts = []
            for name in self.sender.lines:
                nexts.append(await self.sender.turn(name))
                self.fold()
            if min(nexts) > self.now:
                if min(nexts) > end:
                    break
                self.now = min(nexts)
        self.now = end

    def states(self):
        query = "select kind, state from intent order by created_ms, id"
        return self.store._db.connection.execute(query).fetchall()


@contextlib.asynccontextmanager
async def world(tmp_path, **changes):
    made = await World(tmp_path, policy(**changes)).boot()
    try:
        yield made
    finally:
        await made.close()


def play(tmp_path, scene, **changes):
    """Run a scene in a world."""

    async def main():
        async with world(tmp_path, **changes) as w:
            await scene(w)

    asyncio.run(main())


def test_a_critical_alert_is_in_the_group_at_once(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(1)
        (seen,) = w.wecom.inbox
        assert (seen.at_ms, seen.kind) == (T0, "markdown")
        assert seen.text.splitlines()[0] == (
            '**<font color="warning">【严重】旗舰店A：3分钟回复率逼近红线，还可漏 20 个</font>**'
        )
        assert w.states() == [("fire", "accepted"), ("repeat", "queued")]

    play(tmp_path, scene)


def test_warnings_of_a_group_share_a_message(tmp_path):
    async def scene(w):
        w.commit(*(w.shard(i, shop=f"x{i}") for i in range(5)))
        await w.run_to(29)
        assert w.wecom.inbox == []
        await w.run_to(31)
        (text,) = w.wecom.texts()
        assert all(f"x{i} 还可漏 20 个" in text for i in range(5))

    play(tmp_path, scene)


def test_recovery_is_told_where_the_alert_was_told(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(60)
        w.commit(w.shard(300, "ok", "crit"))
        await w.run_to(400)
        assert "【已恢复】旗舰店A" in w.wecom.texts()[1]
        assert "持续 5 分钟（10:00–10:05）" in w.wecom.texts()[1]
        assert list(w.store.desk_rows()) == []

    play(tmp_path, scene)


def test_an_alert_that_ended_while_it_waited_for_company_is_not_told(tmp_path):
    async def scene(w):
        w.commit(w.shard(0), w.shard(10, "ok"))
        await w.run_to(HOUR // SECOND)
        assert w.wecom.inbox == []
        assert {state for _, state in w.states()} == {"expired"}

    play(tmp_path, scene)


def test_an_alert_that_ended_while_the_channel_was_down_becomes_one_line(tmp_path):
    async def scene(w):
        await w.wecom.close()
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(100)
        w.commit(w.shard(300, "ok", "crit"))
        w.now = T0 + 300 * SECOND
        await w.wecom.start()
        await w.run_to(600)
        (text,) = w.wecom.texts()
        assert "【已恢复】旗舰店A" in text
        assert "告警期间未能送达，现已恢复" in text

    play(tmp_path, scene)


def test_an_ended_day_is_named_in_the_next_digest(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(1)
        w.commit(w.shard(2, "ended", "crit", facts=Facts(held=True)))
        await w.run_to(60)
        assert len(w.wecom.inbox) == 1
        w.commit(w.shard(61, severity="crit", shop="a"), w.shard(61, severity="crit", shop="b"))
        await w.run_to(62)
        assert "**【考核日结束】3分钟回复率逼近红线**\n旗舰店A 红线守住" in w.wecom.texts()[1]

    play(tmp_path, scene)


def test_an_ended_day_is_named_in_the_morning_where_there_is_no_digest(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(1)
        w.commit(w.shard(2, "ended", "crit", facts=Facts(held=False)))
        await w.run_to(2 + 9 * 3600 + 1)
        assert "【考核日结束】旗舰店A" in w.wecom.texts()[-1]
        assert "未守住红线" in w.wecom.texts()[-1]

    play(tmp_path, scene)


def test_what_is_silenced_or_acknowledged_is_not_in_the_group(tmp_path):
    async def scene(w):
        w.hear(Silence(T0, "s", {"shop": "pinduoduo:quiet"}, T0 + 10 * MINUTE, "李"))
        w.commit(w.shard(1, severity="crit", shop="quiet"), w.shard(1, severity="crit"))
        await w.run_to(60)
        w.hear(Ack(w.now, "drift|shop=pinduoduo:s1", "李"))
        await w.run_to(599)
        assert len(w.wecom.inbox) == 1
        await w.run_to(5 * 3600)
        assert ["quiet" in text for text in w.wecom.texts()] == [False, True, True]  # its repeat is the third
        deliveries = w.store._db.connection.execute("select state from delivery order by id").fetchall()
        assert deliveries[0] == ("acknowledged",)

    play(tmp_path, scene)


@pytest.fixture
def long_lease(monkeypatch):
    """For scenes of days: a sender looks again at half its lease at the latest, each real work."""
    monkeypatch.setattr("alerting.limits.LEASE_MS", HOUR)


@pytest.mark.usefixtures("long_lease")
def test_at_the_end_of_a_long_silence_what_still_fires_is_told_once(tmp_path):
    async def scene(w):
        w.hear(Silence(T0, "s", {}, T0 + 72 * HOUR, "李"))
        w.commit(w.shard(1, severity="crit"))
        await w.run_to(72 * 3600 - 1)
        assert w.wecom.inbox == []
        await w.run_to(72 * 3600 + 60)
        assert len(w.wecom.inbox) == 1

    play(tmp_path, scene)


@pytest.mark.usefixtures("long_lease")
def test_what_could_not_be_sent_for_a_day_expires_and_is_told_as_a_repeat(tmp_path, monkeypatch):
    monkeypatch.setattr("alerting.limits.BACKOFF_MS_MAX", HOUR)

    async def scene(w):
        await w.wecom.close()
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(25 * 3600)
        assert w.states() == [("fire", "expired"), ("repeat", "queued")]
        await w.wecom.start()
        await w.run_to(40 * 3600)
        assert "仍未恢复，已持续" in w.wecom.texts()[0]

    play(tmp_path, scene)


def test_an_update_whose_conversations_have_run_out_is_not_sent(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, items=(item(80),)))
        await w.run_to(1)
        await w.wecom.close()
        w.commit(w.shard(2, items=(item(90),), reason="update"))
        await w.run_to(120)
        await w.wecom.start()
        await w.run_to(300)
        assert len(w.wecom.inbox) == 1

    play(tmp_path, scene)


# Faults


def marked(text):
    return "（可能重复）" in text


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("bad_gateway", [False]),
        ("reset", [True]),  # it may have been taken: the second is marked
        ("lost", [False, True]),
        ("html", [True]),
        ("busy", [False]),
    ],
)
def test_no_fault_loses_an_alert_and_only_the_one_in_flight_is_repeated(tmp_path, fault, seen, restart):
    async def scene(w):
        w.wecom.suffer(Fault(fault))
        w.commit(w.shard(0, severity="crit"))
        await w.sender.turn("bot")
        w.fold()
        if restart:
            w.restart()
        await w.run_to(300)
        assert [marked(text) for text in w.wecom.texts()] == seen
        assert w.states()[0] == ("fire", "accepted")

    play(tmp_path, scene)


def test_a_message_taken_and_never_answered_is_repeated_once_and_marked(tmp_path, monkeypatch):
    monkeypatch.setattr("alerting.channels.http.TIMEOUT", httpx.Timeout(0.05))

    async def scene(w):
        w.wecom.suffer(Fault("silent"))
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(30)
        assert [marked(text) for text in w.wecom.texts()] == [False, True]
        w.wecom.suffer(Fault("silent"), Fault("silent"))
        w.commit(w.shard(40, severity="crit", shop="s3"))
        await w.run_to(200)
        assert [marked(text) for text in w.wecom.texts()[2:]] == [False, True]
        assert ("fire", "ambiguous") in w.states()

    play(tmp_path, scene)


def test_a_sender_killed_in_flight_leaves_one_marked_repeat(tmp_path):
    async def scene(w):
        class Killed(BaseException):
            pass

        bot = w.sender.lines["bot"].channel
        deliver = bot.deliver

        async def die(payload):
            await deliver(payload)
            raise Killed

        bot.deliver = die
        w.commit(w.shard(0, severity="crit"))
        with pytest.raises(Killed):
            await w.sender.turn("bot")
        w.restart()
        await w.run_to(60)
        assert [marked(text) for text in w.wecom.texts()] == [False, True]
        w.restart()
        await w.run_to(120)
        assert len(w.wecom.inbox) == 2

    play(tmp_path, scene)


def test_what_was_recorded_as_accepted_is_never_sent_again(tmp_path):
    async def scene(w):
        w.commit(*(w.shard(0, severity="crit", shop=f"x{i}", rule=f"r{i}") for i in range(3)))
        for _ in range(6):
            await w.sender.turn("bot")
            w.restart()
        assert len(w.wecom.inbox) == len(set(w.wecom.texts())) == 3

    play(tmp_path, scene)


def test_another_sender_waits_for_the_lease(tmp_path):
    async def scene(w):
        await w.run_to(0)
        w.commit(w.shard(0, severity="crit"))
        w.restart(owner="two")
        await w.run_to(29)
        assert w.wecom.inbox == []
        await w.run_to(46)
        assert len(w.wecom.inbox) == 1

    play(tmp_path, scene)


def test_a_sender_that_slept_through_its_lease_is_refused(tmp_path):
    async def scene(w):
        await w.run_to(0)
        w.commit(w.shard(0, severity="crit"))
        w.store.lease("bot", "two", T0 + 31 * SECOND, T0 + 90 * SECOND)
        with pytest.raises(Fenced, match="account bot: another sender took it over"):
            await w.sender.turn("bot")
        assert w.wecom.inbox == []

    play(tmp_path, scene)


def test_too_often_closes_the_account_for_a_minute_over_a_restart(tmp_path):
    async def scene(w):
        for _ in range(20):  # somebody else uses the same bot
            await w.sender.lines["bot"].channel.deliver(b'{"msgtype":"text","text":{"content":"x"}}')
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(5)
        assert [code for _, _, code in w.wecom.refused] == [45009]
        w.restart()
        await w.run_to(200)
        assert len(w.wecom.refused) == 1
        assert w.wecom.inbox[20].at_ms == T0 + 60 * SECOND

    play(tmp_path, scene)


def test_a_restart_does_not_forget_the_window(tmp_path):
    async def scene(w):
        for i in range(60):
            w.commit(w.shard(i, severity="crit", shop=f"x{i}", rule=f"r{i}"))
            await w.run_to(i)
            w.restart()
        await w.run_to(300)
        assert w.wecom.refused == []
        text = "".join(w.wecom.texts())
        assert all(f"x{i} " in text or f"x{i}：" in text for i in range(60))

    play(tmp_path, scene)


def test_a_refused_key_stops_the_account_and_is_told_over_another(tmp_path):
    async def scene(w):
        w.wecom.keys = ()
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(120)
        assert [code for _, _, code in w.wecom.refused] == [93000]
        assert "【严重】通知通道 bot：通知通道不可用" in w.written[0]
        assert "93000" in w.written[0]
        w.wecom.keys = ("test-key",)
        await w.run_to(700)
        assert len(w.wecom.inbox) == 1
        assert "【已恢复】通知通道 bot" in w.written[1]

    play(tmp_path, scene, receivers=policy().receivers, self_receiver="both")


def test_what_is_refused_as_too_long_is_tried_at_half_its_size(tmp_path):
    async def scene(w):
        w.sender.lines["bot"].channel.limit_bytes = 8_192  # as if the provider had lowered its limit
        w.commit(*(w.shard(0, severity="crit", shop=f"shop-number-{i}") for i in range(250)))
        await w.run_to(300)
        assert {code for _, _, code in w.wecom.refused} == {40058}
        text = "".join(w.wecom.texts())
        assert all(f"shop-number-{i} " in text for i in range(250))

    play(tmp_path, scene)


def test_with_the_disk_full_critical_alerts_go_out_unrecorded_and_say_so(tmp_path):
    async def scene(w):
        filled = [w.shard(0, severity="crit"), w.shard(0, shop="s2")]
        run = w.store._db.connection.execute
        await w.run_to(0)
        (pages,) = run("pragma page_count").fetchone()
        run(f"pragma max_page_count = {pages}")
        many = [*filled, *(w.shard(0, shop=f"w{i}", rule="x" * 200) for i in range(400))]
        with pytest.raises(StoreFull):
            w.commit(*many)
        assert await w.sender.tell_unrecorded(many) == 1
        assert await w.sender.tell_unrecorded(many) == 0
        assert "（磁盘已满，本条未记录）" in w.wecom.texts()[0]
        run("pragma max_page_count = 100000")
        w.commit(*filled)
        await w.run_to(10)
        assert len(w.wecom.inbox) == 2
        assert marked(w.wecom.texts()[1])

    play(tmp_path, scene)


def test_with_the_disk_full_at_the_delivery_too(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        run = w.store._db.connection.execute
        await w.sender._lease(w.sender.lines["bot"], w.now)
        begin = w.store.begin
        w.store.begin = lambda *_: (_ for _ in ()).throw(StoreFull("full"))
        for _ in range(3):
            with pytest.raises(StoreFull):
                await w.sender.turn("bot")
        assert len(w.wecom.inbox) == 1
        w.store.begin = begin
        await w.run_to(10)
        assert ["未记录" in text for text in w.wecom.texts()] == [True, False]
        assert marked(w.wecom.texts()[1])
        assert run("select count(*) from delivery").fetchone() == (1,)

    play(tmp_path, scene)


def test_with_the_disk_full_for_minutes_critical_alerts_still_leave(tmp_path):
    async def scene(w):
        await w.run_to(0)
        w.commit(w.shard(0, severity="crit"), w.shard(0, severity="crit", shop="s3"))
        w.now = T0 + 5 * MINUTE  # the lease ran out long ago
        w.store._db.transaction = full(w.store._db.transaction)
        with pytest.raises(StoreFull):
            await w.sender.turn("bot")
        (text,) = w.wecom.texts()
        assert "未记录" in text
        assert "s3 " in text

    play(tmp_path, scene)


def test_unrecorded_are_only_alerts_whose_time_has_come(tmp_path):
    async def scene(w):
        fired = [w.shard(0, severity="crit"), w.shard(0, shop="s2"), w.shard(0, "ok", "crit", shop="s3")]
        changes = w.desk.fold(fired)
        held = Silence(T0, "s", {}, T0 + HOUR, "李")
        changes.intents += w.desk.fold([(1, held), w.shard(0, severity="crit", shop="silenced")]).intents
        assert await w.sender.tell_unrecorded(changes.intents) == 1
        (text,) = w.wecom.texts()
        assert "旗舰店A" in text

    play(tmp_path, scene)


def full(transaction):
    """A disk that takes nothing: every transaction fails at its commit."""

    @contextlib.contextmanager
    def failing():
        with transaction() as run:
            yield run
            raise StoreFull("full")

    return failing


def test_a_result_that_cannot_be_written_stops_the_account_until_it_is(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"), w.shard(0, severity="crit", rule="other"))
        finish = w.store.finish
        w.store.finish = lambda *_, **__: (_ for _ in ()).throw(StoreFull("full"))
        for _ in range(3):
            with pytest.raises(StoreFull):
                await w.sender.turn("bot")
        assert len(w.wecom.inbox) == 1
        w.store.finish = finish
        await w.run_to(10)
        assert [marked(text) for text in w.wecom.texts()] == [False, False]

    play(tmp_path, scene)


def test_names_that_cannot_be_looked_up_do_not_keep_an_alert_from_being_told(tmp_path):
    async def scene(w):
        def fail(_key):
            raise RuntimeError("shops.yaml is gone")

        told = []
        w.sender._writer._directory.shop = fail
        w.sender._writer._on_error = w.sender._on_error = lambda account, error: told.append(
            (account, str(error))
        )
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(1)
        assert w.wecom.texts()[0].splitlines()[0] == (
            '**<font color="warning">【严重】pinduoduo:s1：drift，还可漏 20 个</font>**'
        )
        assert told == [("bot", "shops.yaml is gone")]

    play(tmp_path, scene)


# The storm


@pytest.mark.parametrize("severity", ["crit", "warn"])
@pytest.mark.parametrize("spread_s", [1, 60])
def test_two_thousand_shops_are_named_in_three_minutes(tmp_path, severity, spread_s):
    async def scene(w):
        for second in range(spread_s):
            batch = range(second * 2000 // spread_s, (second + 1) * 2000 // spread_s)
            w.commit(*(w.shard(second, severity=severity, shop=f"{i:04d}号旗舰店") for i in batch))
            await w.run_to(second + 0.999)
        await w.run_to(400)
        named = {}
        for seen in w.wecom.inbox:
            for line in seen.text.splitlines():
                named.setdefault(line[:4], seen.at_ms)
        times = [named[f"{i:04d}"] for i in range(2000)]
        assert w.wecom.refused == []
        assert len(w.wecom.inbox) <= 60
        assert max(times) - T0 <= 3 * MINUTE
        if severity == "crit":
            assert w.wecom.inbox[0].at_ms - T0 <= 5 * SECOND

    play(tmp_path, scene)


def test_no_critical_alert_waits_behind_warnings(tmp_path):
    async def scene(w):
        w.commit(*(w.shard(0, shop=f"w{i}", rule=f"r{i % 50}") for i in range(2000)))
        await w.run_to(31)
        for i in range(60):
            await w.run_to(31 + i * 2)
            w.commit(w.shard(31 + i * 2, severity="crit", shop=f"crit{i:02d}", rule="c"))
        await w.run_to(300)
        seen = {}
        for message in w.wecom.inbox:
            for i in range(60):
                if f"crit{i:02d}" in message.text:
                    seen.setdefault(i, message.at_ms)
        assert max(seen[i] - T0 - (31 + i * 2) * SECOND for i in range(60)) <= 4 * SECOND
        assert w.wecom.refused == []

    play(tmp_path, scene)


def test_a_digest_never_mixes_receivers(tmp_path):
    from alerting.policy.rulings import Receiver

    receivers = {
        "a": Receiver("a", ("bot",)),
        "b": Receiver("b", ("bot",)),
        "managers": Receiver("managers", ("bot",)),
    }

    async def scene(w):
        w.commit(*(w.shard(0, "firing", "crit", f"{'ab'[i % 2]}{i}", notify="ab"[i % 2]) for i in range(40)))
        await w.run_to(60)
        for text in w.wecom.texts():
            assert not ("a0 " in text and "b1 " in text)
        assert len(w.wecom.inbox) == 2

    play(tmp_path, scene, receivers=receivers)


def test_why_names_every_step_of_an_alert(tmp_path):
    async def scene(w):
        w.commit(w.shard(0, severity="crit"))
        await w.run_to(1)
        steps = [(t.step, t.verdict) for t in w.store.traces("drift|shop=pinduoduo:s1")]
        assert steps[:4] == [
            ("rule", "firing crit"),
            ("route", "routed"),
            ("intent", "queued"),
            ("send", "accepted"),
        ]

    play(tmp_path, scene)


def test_why_names_stage_and_reason_of_every_alert_of_a_storm_told_or_not(tmp_path):
    """Sent, still waiting for its turn, silenced, or over before anybody was told."""

    async def scene(w):
        w.hear(Silence(T0, "s", {"shop": "pinduoduo:x7*"}, T0 + 10 * MINUTE, "李"))
        w.commit(*(w.shard(0, severity="crit" if n % 5 else "warn", shop=f"x{n}") for n in range(400)))
        w.commit(*(w.shard(1, "ok", "warn", shop=f"x{n}") for n in range(0, 400, 50)))
        await w.run_to(20)
        last = {}
        for n in range(400):
            key = {"shop": f"pinduoduo:x{n}"}
            noted = w.store.traces(f"drift|shop=pinduoduo:x{n}")
            stands = w.desk.explain("drift", key, w.now)
            assert noted[0].step == "rule"
            assert all(trace.reason for trace in (*noted, *stands))
            last[n] = {(t.step, t.verdict) for t in (*noted, *stands)}
        assert ("send", "accepted") in last[1]
        assert ("silence", "held") in last[71]
        assert ("group", "waits") in last[5]
        assert ("intent", "withdrawn") in last[50]
        unclear = [
            n for n, steps in last.items() if not {step for step, _ in steps} & {"send", "silence", "intent"}
        ]
        assert unclear == []

    play(tmp_path, scene)
