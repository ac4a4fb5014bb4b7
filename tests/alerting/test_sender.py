"""From intents to the group's inbox, through real HTTP, a real store and a told clock."""

import pytest

from alerting.policy.records import Ack, Silence
from rules.transition import Facts
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, item, play


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
