"""The daemon in process, with real HTTP on both sides and a clock that is told."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from pathlib import Path

import pytest

from alerting.errors import ConfigError
from alerting.fakes.http import Fault
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.configuration import ConfigurationError
from monitor.configured import configure
from monitor.engine import limits as engine_limits
from monitor.errors import MonitorError
from monitor.runtime import limits, packless
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time, refuse_real_channels
from monitor.settings import Settings, load_settings
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


def test_free_disk_under_the_mark_closes_ingest_while_alerts_go_on(tmp_path):
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


def test_an_address_in_use_is_told_with_the_mend(tmp_path):
    async def scene():
        async with living(tmp_path, ManualClock(TEN_MS)) as (it, _, _):
            other = tmp_path / "other"
            other.mkdir()
            folder(other, "http://127.0.0.1:1", "")
            settings = load_settings(other / "slawatch.yaml").model_copy(
                update={"listen": it.url.removeprefix("http://")}
            )
            with pytest.raises(MonitorError, match="Address already in use; stop who listens there"):
                async with daemon(configure(settings, other), ManualClock(TEN_MS)):
                    pass

    asyncio.run(scene())


def test_a_told_clock_is_refused_with_channels_that_reach_people(tmp_path):
    refuse_real_channels(configured(folder(tmp_path, "http://127.0.0.1:9")).alerting)
    real = configured(folder(tmp_path, "https://qyapi.weixin.qq.com")).alerting
    with pytest.raises(ConfigurationError, match=r"accounts.group: --clock is for tests"):
        refuse_real_channels(real)


def test_without_alerting_yaml_everything_is_told_on_the_terminal(tmp_path):
    (folder(tmp_path, "http://127.0.0.1:9") / "alerting.yaml").unlink()
    alerting = configured(tmp_path).alerting
    assert [account.type for account in alerting.accounts.values()] == ["console"]
    assert alerting.policy().default == "console"


def test_a_shop_that_names_what_there_is_not_is_told(tmp_path):
    folder(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "shops.yaml").write_text(
        "shops:\n  mall:s1: {pack: moll}\n  mall:s2: {lines: {mall-51: {at_least: 60%}}}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path)
    assert caught.value.problems == (
        "shop mall:s1: no pack 'moll'; there are mall",
        "shop mall:s2: no line 'mall-51' in its pack",
    )


def test_listening_to_others_needs_a_token(tmp_path):
    folder(tmp_path, "http://127.0.0.1:9")
    settings = Settings(listen="0.0.0.0:0", packs=Path("packs"))

    async def scene():
        async with daemon(configure(settings, tmp_path), ManualClock(TEN_MS)):
            pass

    with pytest.raises(ConfigurationError, match="there is no token"):
        asyncio.run(scene())


async def why(client, **query):
    answer = await client.get("/api/v1/why", params=query)
    assert answer.status_code == 200, answer.text
    return [(step["step"], step["verdict"], step["reason"]) for step in answer.json()["steps"]]


def test_why_says_what_a_silent_rule_lacks_and_then_how_its_alert_reached_the_group(tmp_path):
    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        await pass_time(clock, TEN_MS + 2_000, it.running.settled)
        verdict, stands, would = await why(client, rule="a-miss", shop="mall:s1")
        assert verdict[:2] == ("verdict", "partial")  # the day began before the daemon did
        assert verdict[2].startswith("idle; asked 1, late 0, open 1, waiting 1, oldest_wait_ms 2000")
        assert verdict[2].endswith("; crit if late >= 1")
        assert stands == ("rule", "ok", "it does not fire")
        assert would == ("route", "would", "the default receiver → managers on group")
        await pass_time(clock, TEN_MS + 4_000, it.running.settled)
        steps = await why(client, rule="a-miss", shop="mall:s1")
        noted = [("rule", "firing crit"), ("route", "routed"), ("intent", "queued"), ("send", "accepted")]
        assert [step[:2] for step in steps[:4]] == noted
        now = next(step for step in steps if step[0] == "verdict")
        assert now[1] == "crit"
        assert now[2].startswith("firing crit; asked 1, late 1, open 0")
        assert steps[-1][:2] == ("send", "told")

    play(tmp_path, scene)


def test_why_of_what_there_is_not_says_so(tmp_path):
    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        await it.running.settled()
        for query, what in [
            ({"rule": "a-mis", "shop": "mall:s1"}, "no rule 'a-mis'; did you mean a-miss?"),
            ({"rule": "a-miss", "shop": "mall:s9"}, "shop mall:s9 was never seen"),
            ({"rule": "a-miss", "source": "erp"}, "source erp was never heard"),
        ]:
            answer = await client.get("/api/v1/why", params=query)
            error = answer.json()["error"]
            assert (answer.status_code, f"{error['what']}; {error['mend']}"[: len(what)]) == (404, what)
        (verdict, *_) = await why(client, rule="a-miss", source="http")
        assert verdict[1] == "not_watched"

    play(tmp_path, scene)


SOURCE_RULE = """
  - id: silent
    title: {zh: 无数据, en: silent}
    each: source
    no_data: {for: 5m, during: service_hours}
"""


def test_why_of_a_source_says_for_how_long_it_is_silent(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        wecom = FakeWecom(clock.now_ms)
        folder(tmp_path, await wecom.start())
        (tmp_path / "rules" / "rules.yaml").write_text(RULES + SOURCE_RULE, "utf-8")
        async with (
            daemon(configured(tmp_path), clock) as it,
            client_of(it) as client,
        ):
            await post(client, message(1, TEN_MS))
            await pass_time(clock, TEN_MS + 60_000, it.running.settled)
            (verdict, *_) = await why(client, rule="silent", source="http")
            assert verdict == ("verdict", "ok", "idle; silent 1m; crit if silent >= 5m during service_hours")
        await wecom.close()

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


BY_ENVIRONMENT = """
receivers:
  managers: {accounts: [group], group_wait: 0s}
default: managers
accounts:
  group: {type: wecom_bot, key_env: SLAWATCH_SECRET_BOT, base_url: WECOM}
  pager: {type: webhook, url_env: PAGER_URL, secret_env: PAGER_SECRET, allow_private: true}
"""


def test_secrets_of_channels_come_from_the_environment(tmp_path, monkeypatch):
    async def scene():
        clock = ManualClock(TEN_MS)
        wecom = FakeWecom(clock.now_ms)
        folder(tmp_path, await wecom.start())
        (tmp_path / "alerting.yaml").write_text(BY_ENVIRONMENT.replace("WECOM", wecom.server.url))
        with pytest.raises(ConfigError) as caught:
            async with daemon(configured(tmp_path), clock):
                pass
        assert [line.partition(";")[0] for line in caught.value.problems] == [
            "accounts.group: `key_env`: SLAWATCH_SECRET_BOT is not set",
            "accounts.pager: `url_env`: PAGER_URL is not set",
        ]
        monkeypatch.setenv("SLAWATCH_SECRET_BOT", "test-key")
        monkeypatch.setenv("PAGER_URL", "http://127.0.0.1:9/")
        monkeypatch.setenv("PAGER_SECRET", "hush")
        async with (
            daemon(configured(tmp_path), clock) as it,
            client_of(it) as client,
        ):
            await a_miss(it, client, clock)
            assert len(wecom.inbox) == 1
        await wecom.close()

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


def test_shops_of_a_webhook_are_known_to_the_desk_by_their_source(tmp_path):
    chat = "{secret: x, platform: mall, shops: {'7': s7}}"
    folder(tmp_path, "http://127.0.0.1:9", f"sources:\n  chat: {{chatwoot: {chat}}}\n")
    assert configured(tmp_path).settings.source_of_shops() == {"mall:s7": "chat"}


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
