"""Rules put in force while the daemon runs: at one record of the log, all of them or none."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from types import SimpleNamespace

from alerting.errors import StoreDown
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.health import Health
from monitor.runtime.passing import pass_time
from monitor.runtime.reload import Reload
from monitor.runtime.worker_thread import WorkerThread
from tests.runtime.live import RULES
from tests.runtime.scenes import TEN_MS, a_miss, living, message, play, post
from tests.waiting import until

TWO = (
    RULES
    + """
  - id: anybody
    title: {zh: 有人问, en: anybody}
    measure: reply
    period: day
    warn: {asked: ">= 1"}
"""
)
APPLY = "/api/v1/rules/apply"


def write(place, text):
    (place / "rules" / "rules.yaml").write_text(text, "utf-8")


async def rules_of(client):
    return sorted(one["rule"] for one in (await client.get("/api/v1/alerts")).json()["alerts"])


def test_new_rules_look_at_every_shop_at_once_and_those_that_mean_the_same_go_on(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_miss(it, client, clock)
        assert await rules_of(client) == ["a-miss"]
        since = (await client.get("/api/v1/alerts")).json()["alerts"][0]["since_ms"]
        write(tmp_path, TWO.replace("有超时", "有人漏答"))
        applied = (await client.post(APPLY)).json()
        assert (applied["changed"], applied["rules"]) == (True, 2)
        assert (await client.post(APPLY)).json() == applied | {"changed": False}
        await pass_time(clock, TEN_MS + 7_000, it.running.settled)
        alerts = (await client.get("/api/v1/alerts")).json()["alerts"]
        assert (alerts[0]["rule"], alerts[0]["since_ms"]) == ("a-miss", since), "as it was"
        assert await rules_of(client) == ["a-miss", "anybody"]
        await post(client, message(2, clock.now_ms(), shop="s2"))
        await pass_time(clock, TEN_MS + 12_000, it.running.settled)
        assert any("有人漏答" in text for text in wecom.texts()), "with its new title"

    play(tmp_path, scene)


def test_a_rule_that_is_gone_resolves_its_alerts_at_that_record_also_when_it_is_folded_again(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, _):
            await a_miss(it, client, clock)
            write(tmp_path, TWO.replace("a-miss", "misses"))
            await client.post(APPLY)
            await pass_time(clock, TEN_MS + 8_000, it.running.settled)
            assert await rules_of(client) == ["anybody", "misses"]
            traces = await client.get("/api/v1/why", params={"rule": "a-miss", "shop": "mall:s1"})
            told = traces.json()["steps"]
            it.running.shard_loop.save_all = nothing  # as after a crash: no state was stored
        async with living(tmp_path, clock) as (it, client, _):
            assert it.running.shard_loop.shard.plan_name.startswith("000002-")
            again = await client.get("/api/v1/why", params={"rule": "a-miss", "shop": "mall:s1"})
            assert [step for step in again.json()["steps"] if step["step"] == "rule"] == [
                step for step in told if step["step"] == "rule"
            ]

    async def nothing():
        return None

    asyncio.run(scene())


def test_one_mistake_changes_nothing_and_is_named(tmp_path):
    async def scene(it, client, wecom, clock):
        before = it.running.plans.in_force
        write(tmp_path, TWO.replace("asked:", "axed:"))
        refused = await client.post(APPLY)
        assert refused.status_code == 422
        error = refused.json()["error"]
        assert "rules/rules.yaml:" in error["what"]
        assert "asked" in error["what"], "did you mean"
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        (notice,) = ready.json()["notices"]
        assert notice.startswith("rules not taken, those in force stay: ")
        assert "新规则有误，未采用，原规则继续生效：" in (await client.get("/")).text
        await a_miss(it, client, clock)
        assert (await rules_of(client), it.running.plans.in_force) == (["a-miss"], before)
        write(tmp_path, TWO)
        assert (await client.post(APPLY)).status_code == 200
        assert (await client.get("/readyz")).json()["notices"] == []

    play(tmp_path, scene)


def test_a_rule_on_conversations_looks_at_those_that_wait_already(tmp_path):
    near = """
rules:
  - id: near
    title: {zh: 快超时, en: near}
    measure: reply
    each: conversation
    warn: {seconds_left: "<= 1"}
"""

    async def scene(it, client, wecom, clock):
        await post(client, message(1, TEN_MS))
        write(tmp_path, near)
        await client.post(APPLY)
        await pass_time(clock, TEN_MS + 2_000, it.running.settled)
        assert await rules_of(client) == ["near"]

    play(tmp_path, scene)


def test_changed_files_are_taken_once_they_stand_still(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "RULES_LOOK_S", 0.02)

    async def scene(it, client, wecom, clock):
        watching = asyncio.create_task(it.reload.watch([tmp_path / "rules", tmp_path / "shops.yaml"]))
        before = it.running.plans.in_force
        await asyncio.sleep(0.1)
        assert it.running.plans.in_force == before
        write(tmp_path, TWO)
        await until(lambda: it.running.plans.in_force != before)
        (tmp_path / "shops.yaml").write_text("shops: {'mall:s1': {pack: bazaar}}\n")
        notices = await until(lambda: it.running.health.notices)
        assert "bazaar" in notices["rules"].en
        watching.cancel()

    play(tmp_path, scene)


def test_who_follows_says_that_the_store_is_away_and_is_well_as_soon_as_it_is_back(monkeypatch):
    """It was well only after a minute without a failure: so long was a desk not ready."""
    monkeypatch.setattr(limits, "RULES_LOOK_S", 0.01)
    health, answers = Health(), chain([StoreDown("no answer"), "1"], repeat("2"))

    class Plans:
        in_force = "1"
        plan = SimpleNamespace(packs={}, rules={})

        def look(self, _store):
            if isinstance(found := next(answers), Exception):
                raise found
            self.in_force = found
            return found

    async def scene():
        thread, names = WorkerThread("store"), []
        used = SimpleNamespace(use=lambda *texts: names.append(texts))
        following = asyncio.create_task(Reload(None, Plans(), used, None, thread, health).follow())
        await until(lambda: health.problems == {"rules": "rules: no answer"})
        await until(lambda: health.problems == {})
        await until(lambda: len(names) == 1, what="the plan that came")
        following.cancel()
        thread.close()

    asyncio.run(scene())
