"""The daemon in process, with real HTTP on both sides and a clock that is told."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future

import pytest

from alerting.fakes.http import Fault
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.engine import limits as engine_limits
from monitor.runtime import limits, packless, status
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.store.journal_reader import JournalError, JournalReader, Kind
from tests.runtime.live import RULES
from tests.runtime.scenes import (
    TEN_MS,
    a_miss,
    client_of,
    configured,
    folder,
    line_of,
    living,
    message,
    play,
    post,
    running,
    why,
)


def test_a_question_nobody_answers_reaches_the_group_at_its_deadline(tmp_path):
    """Asked at 10:00:00, limit 2 s: in time up to and including 10:00:02, late after."""

    async def scene(it, client, wecom, clock):
        assert (await post(client, message(1, TEN_MS)))["accepted"] == 1
        await pass_time(clock, TEN_MS + 2_000, it.running.settled)
        assert wecom.inbox == []
        (risk,) = (await client.get("/api/v1/at-risk")).json()["at_risk"]
        assert risk["conversation_id"] == "c1"
        await pass_time(clock, TEN_MS + 3_000, it.running.settled)
        assert len(wecom.inbox) == 1
        assert "mall:s1" in wecom.texts()[0]
        assert (await line_of(client))["late"] == 1
        (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
        assert (alert["rule"], alert["state"], alert["severity"]) == ("a-miss", "firing", "crit")
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["problems"]) == (200, [])

    play(tmp_path, scene)


def test_a_restart_goes_on_where_it_was_and_tells_nothing_twice(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        for turn in range(3):
            async with living(tmp_path, clock) as (it, client, wecom):
                await post(client, message(turn, clock.now_ms()), message(0, TEN_MS))
                await pass_time(clock, clock.now_ms() + 4_000, it.running.settled)
                line = await line_of(client)
                assert (line["asked"], line["late"]) == (turn + 1, turn + 1)
                assert len(wecom.inbox) == (1 if turn == 0 else 0)

    asyncio.run(scene())


def test_midnight_ends_the_day_of_a_shop(tmp_path):
    async def scene():
        midnight_ms = TEN_MS + 14 * 3_600_000
        clock = ManualClock(midnight_ms - 60_000)
        async with living(tmp_path, clock) as (it, client, _):
            await post(client, message(1, clock.now_ms()))
            await pass_time(clock, midnight_ms - 10_000, it.running.settled)
            assert (await line_of(client))["asked"] == 1
            await pass_time(clock, midnight_ms + 1_000, it.running.settled)
            assert (await line_of(client))["asked"] == 0
            assert (await client.get("/api/v1/alerts")).json()["alerts"] == []

    asyncio.run(scene())


def test_an_acknowledged_alert_says_who_has_it(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_miss(it, client, clock)
        (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
        answer = await client.post(f"/api/v1/alerts/{alert['id']}/ack", json={"comment": "on it"})
        assert answer.status_code == 200, answer.text
        await it.running.settled()
        (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
        assert alert["acknowledged_by"] == "local: on it"
        assert (await client.post("/api/v1/alerts/none/ack", json={})).status_code == 404

    play(tmp_path, scene)


def test_free_disk_under_the_mark_closes_ingest_while_alerts_go_on(tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(status.log, "warning", logged.append)

    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        it.running.journal._free_disk = lambda _: 0
        await pass_time(clock, TEN_MS + 1_000, it.running.settled)
        refused = await client.post("/api/v1/events", content=json.dumps(message(2, TEN_MS)))
        assert refused.status_code == 503
        assert "make room" in refused.json()["error"]["mend"]
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert "too little free disk" in ready.json()["problems"][0]
        await pass_time(clock, TEN_MS + 5_000, it.running.settled)
        assert len(wecom.inbox) == 1
        for _ in range(3):
            it.gauges.set()
        it.running.journal.disk_low = False
        it.gauges.set()
        assert logged == ["too little free disk, events refused", "events taken again"]

    play(tmp_path, scene)


def test_a_channel_that_is_down_stops_neither_shard_nor_ingest(tmp_path):
    async def scene(it, client, wecom, clock):
        await wecom.close()
        await post(client, message(1, TEN_MS))
        await pass_time(clock, TEN_MS + 10_000, it.running.settled)
        await post(client, message(2, clock.now_ms()))
        await pass_time(clock, TEN_MS + 20_000, it.running.settled)
        assert (await line_of(client))["asked"] == 2
        await wecom.start()

    play(tmp_path, scene)


def test_metrics_tell_of_the_journal_and_the_shard(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_miss(it, client, clock)
        text = (await client.get("/metrics")).text
        assert 'slawatch_transitions_total{severity="crit",to_state="firing"} 1.0' in text
        assert 'slawatch_deliveries_total{channel="group",result="ok"} 1.0' in text
        assert 'slawatch_delivery_seconds_count{channel="group"} 1.0' in text

    play(tmp_path, scene)


async def measured(it, client, *names):
    """Values of gauges by name, as of now."""
    it.gauges.set()
    text = (await client.get("/metrics")).text
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return [float(found[f"slawatch_{name}"]) for name in names]


def test_metrics_tell_what_waits(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        names = ("rounds_open", "intents_waiting", "checkpoint_seconds_count")
        async with living(tmp_path, clock) as (it, client, wecom):
            await post(client, message(1, TEN_MS), message(2, TEN_MS))
            await pass_time(clock, TEN_MS + 1_000, it.running.settled)
            await it.view.refresh()
            assert await measured(it, client, *names) == [2, 0, 0]
            wecom.suffer(*[Fault("bad_gateway")] * 100)
            await pass_time(clock, TEN_MS + 4_000, it.running.settled)
            assert await measured(it, client, "intents_waiting") == [1]
            await pass_time(clock, TEN_MS + 40_000, it.running.settled)
            assert await measured(it, client, "checkpoint_seconds_count") == [1]

    asyncio.run(scene())


async def crash(it):
    """Have the daemon end as a crash ends it: with no state stored."""
    it.running.shard_loop._save_slice = lambda: asyncio.sleep(0)


def test_what_the_shard_refuses_is_a_dead_letter_once_and_counted(tmp_path, monkeypatch):
    """The second shop is one too many; after a crash it is refused again, and nothing is told."""
    monkeypatch.setattr(engine_limits, "SHOPS_MAX", 1)

    async def letters(client):
        found = (await client.get("/api/v1/dead-letters")).json()["letters"]
        return [(one["source"], one["index"], one["code"]) for one in found]

    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, _):
            reused = message(1, TEN_MS) | {"agent_id": "other"}
            answer = await post(client, message(1, TEN_MS), message(2, TEN_MS, shop="s2"), reused)
            assert (answer["accepted"], [one["code"] for one in answer["rejected"]]) == (2, ["reused"])
            await it.running.settled()
            assert sorted(await letters(client)) == [("http", 1, "limit_shops"), ("http", 2, "reused")]
            text = (await client.get("/metrics")).text
            assert 'slawatch_rejected_total{code="limit_shops"} 1.0' in text
            assert 'slawatch_rejected_total{code="reused"} 1.0' in text
            assert 'slawatch_limit_reached_total{limit="shops"} 1.0' in text
            assert 'slawatch_events_total{result="rejected",source="http"} 2.0' in text
            await crash(it)
        async with living(tmp_path, clock) as (it, client, _):
            await post(client, message(3, TEN_MS, shop="s3"))
            await it.running.settled()
            assert len(await letters(client)) == 3

    asyncio.run(scene())


def sending(it):
    """An event that is set when the next message begins to be sent."""
    began, channel = asyncio.Event(), it.sender.lines["group"].channel
    deliver = channel.deliver

    async def tell(payload):
        began.set()
        return await deliver(payload)

    channel.deliver = tell
    return began


def test_a_message_that_is_being_sent_at_a_stop_is_finished_and_not_repeated(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, wecom):
            wecom.suffer(Fault("slow", 0.3))
            await post(client, message(1, TEN_MS))
            await it.running.settled()
            began = sending(it)
            clock.move_to(TEN_MS + 3_000)
            await began.wait()
            assert wecom.inbox == []
        async with living(tmp_path, clock) as (it, client, wecom):
            await pass_time(clock, TEN_MS + 60_000, it.running.settled)
            assert wecom.inbox == []
            steps = await why(client, rule="a-miss", shop="mall:s1")
            assert ("send", "accepted") in [step[:2] for step in steps]

    asyncio.run(scene())


def test_a_message_without_an_answer_at_a_stop_is_sent_once_more_and_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "FINISH_S", 0.1)

    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, wecom):
            wecom.suffer(Fault("silent"))
            await post(client, message(1, TEN_MS))
            await it.running.settled()
            began = sending(it)
            clock.move_to(TEN_MS + 3_000)
            await began.wait()
        async with living(tmp_path, clock) as (it, _, wecom):
            await pass_time(clock, TEN_MS + 60_000, it.running.settled)
            assert ["可能重复" in text for text in wecom.texts()] == [True]

    asyncio.run(scene())


def test_an_account_that_fails_is_told_until_it_is_served_again(tmp_path):
    async def scene(it, client, wecom, clock):
        deliver = it.sender.lines["group"].channel.deliver

        async def fail(_payload):
            raise RuntimeError("out of memory")

        it.sender.lines["group"].channel.deliver = fail
        await post(client, message(1, TEN_MS))
        await pass_time(clock, TEN_MS + 3_000, it.running.settled)
        ready = await client.get("/readyz")
        assert ready.json()["problems"] == ["account group: out of memory"]
        it.sender.lines["group"].channel.deliver = deliver
        await pass_time(clock, TEN_MS + 60_000, it.running.settled)
        assert (await client.get("/readyz")).json()["problems"] == []

    play(tmp_path, scene)


@pytest.mark.parametrize(("back_ms", "status"), [(9_000, 200), (3_600_000, 503)])
def test_a_clock_that_was_set_back_is_told_since_nothing_is_judged(tmp_path, back_ms, status):
    async def scene():
        async with living(tmp_path, ManualClock(TEN_MS)) as (it, client, _):
            await post(client, message(1, TEN_MS))
            await it.running.settled()
        async with running(tmp_path, ManualClock(TEN_MS - back_ms)) as (_, client):
            ready = await client.get("/readyz")
            problems = ready.json()["problems"]
            assert (ready.status_code, len(problems)) == (status, status == 503)
            assert all(
                one.startswith("the machine's clock is 3600 s behind what was written") for one in problems
            )

    asyncio.run(scene())


def plans(place):
    """The names of the plans in the journal, in order."""
    reader = JournalReader(place / "data" / "journal.db")
    try:
        return [row.plan for row in reader.read() if row.kind is Kind.PLAN]
    finally:
        reader.close()


@pytest.mark.parametrize("crashed", [False, True])
def test_a_rule_removed_between_two_runs_ends_its_alert_and_the_plan_is_a_record(tmp_path, crashed):
    """Also after a crash, when the state of the rule was not stored: the log is folded with it again."""

    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, _):
            await a_miss(it, client, clock)
            if crashed:
                await crash(it)
        async with living(tmp_path, clock) as (it, client, _):
            assert len((await client.get("/api/v1/alerts")).json()["alerts"]) == 1
            if crashed:
                await crash(it)
        assert plans(tmp_path) == [], "the log begins under the first plan"
        wecom = FakeWecom(clock.now_ms)
        folder(tmp_path, await wecom.start())
        (tmp_path / "rules" / "rules.yaml").write_text(RULES.replace("a-miss", "misses"), "utf-8")
        async with (
            daemon(configured(tmp_path), clock) as it,
            client_of(it) as client,
        ):
            await pass_time(clock, TEN_MS + 6_000, it.running.settled)
            alerts = (await client.get("/api/v1/alerts")).json()["alerts"]
            assert [alert["rule"] for alert in alerts] == ["misses"]
            steps = await why(client, rule="a-miss", shop="mall:s1")
            assert ("verdict", "removed", "no rule of this name is in force") in steps
            assert any(step[:2] == ("rule", "ok crit") and "rule_removed" in step[2] for step in steps)
        await wecom.close()
        assert plans(tmp_path) == [f"000002-{configured(tmp_path).plan.name}"]

    asyncio.run(scene())


def test_a_full_disk_under_which_nothing_is_judged_is_told_once_an_outage(tmp_path):
    """No tick is written for 5 s: one message, without a record. Then what was missed is told."""

    def fail(_heard):
        refused = Future()
        refused.set_exception(JournalError("journal: not written (disk is full)", mend="free some disk"))
        return refused

    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        tick = it.running.journal.tick
        for outage in (1, 2):
            it.running.journal.tick = fail
            await pass_time(clock, clock.now_ms() + 5_000, it.running.settled)
            assert len(wecom.inbox) == 2 * (outage - 1)
            await pass_time(clock, clock.now_ms() + 30_000, it.running.settled)
            text = wecom.texts()[-1]
            assert "监控程序 slawatch：磁盘已满，暂停一切判断" in text
            assert "not written (disk is full)" in text
            assert len(wecom.inbox) == 2 * outage - 1
            it.running.journal.tick = tick
            await pass_time(clock, clock.now_ms() + 70_000, it.running.settled)
            await post(client, message(1 + outage, clock.now_ms(), shop=f"s{1 + outage}"))
        assert "mall:s1" in wecom.texts()[1]

    play(tmp_path, scene)


def test_a_platform_without_a_pack_is_taken_and_warned_of_once_a_run(tmp_path, monkeypatch):
    """By a line in the log, at /readyz, which stays ready, at /api/v1/status, on the page, by a metric."""
    logged = []
    monkeypatch.setattr(
        packless.log, "warning", lambda what, **about: logged.append((what, about["platform"]))
    )

    async def scene():
        clock = ManualClock(TEN_MS)
        for turn in range(1, 3):
            async with living(tmp_path, clock) as (it, client, _):
                for n, shop in enumerate(("s1", "s2")):
                    bazaar = message(f"{turn}{n}", clock.now_ms(), shop=shop) | {"platform": "bazaar"}
                    assert (await post(client, bazaar, message(f"{turn}{n}", clock.now_ms())))[
                        "accepted"
                    ] == 2
                    await pass_time(clock, clock.now_ms() + 1_000, it.running.settled)
                assert logged == [("platform without a pack", "bazaar")] * turn
                ready = await client.get("/readyz")
                assert (ready.status_code, ready.json()["problems"]) == (200, [])
                (notice,) = ready.json()["notices"]
                assert notice.startswith("platform bazaar: no pack, so its shops have no measures; ")
                assert (await client.get("/api/v1/status")).json()["notices"] == [notice]
                assert "平台 bazaar：没有规则包" in (await client.get("/")).text
                assert "platform bazaar: no pack" in (await client.get("/?lang=en")).text
                assert "slawatch_platforms_without_pack 1.0" in (await client.get("/metrics")).text
                assert (await line_of(client))["asked"] == 2 * turn

    asyncio.run(scene())
