"""What goes wrong on the way to the group: no fault loses an alert, at most the one in flight is repeated."""

import contextlib

import httpx
import pytest

from alerting.errors import Fenced, StoreFull
from alerting.fakes.http import Fault
from alerting.policy.records import Silence
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, play, policy


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
        assert "（存储写不进，本条未记录）" in w.wecom.texts()[0]
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
        w.commit(w.shard(0, severity="crit"), w.shard(0, rule="other"))
        w.now += 30 * SECOND
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
