"""What page and API tell of a daemon in process: alerts in words, and what came too late of which source."""

from __future__ import annotations

import asyncio

from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from tests.runtime.scenes import TEN_MS, a_miss, living, message, play

MINUTE_MS = 60_000


def test_an_alert_says_in_both_languages_why_it_stands_and_when_that_was(tmp_path):
    """The shop by its name, the figure against its line, and the second at which it was so."""

    async def scene():
        clock = ManualClock(TEN_MS)
        (tmp_path / "shops.yaml").write_text("shops:\n  mall:s1: {name: 晨光旗舰店}\n", "utf-8")
        async with living(tmp_path, clock) as (it, client, _):
            await a_miss(it, client, clock)
            (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
            assert alert["reason"] == {
                "zh": "回复率 0%（1 个，漏 1 个），红线 ≥50%",
                "en": "reply rate 0% (1 asked, 1 missed), line ≥50%",
            }
            assert alert["name"] == {"zh": "晨光旗舰店", "en": "晨光旗舰店"}
            assert (alert["reason_ms"], alert["timezone"]) == (TEN_MS + 3_000, "Asia/Shanghai")
            page = (await client.get("/")).text
            assert "晨光旗舰店</b> · 告警中" in page
            assert "10:00</time> 回复率 0%" in page
            assert "已越线" in page

    asyncio.run(scene())


def test_a_shop_with_a_line_of_its_own_is_told_of_that_one(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        (tmp_path / "shops.yaml").write_text("shops:\n  mall:s1: {lines: {mall-50: {at_least: 90%}}}\n")
        async with living(tmp_path, clock) as (it, client, _):
            await a_miss(it, client, clock)
            (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
            assert alert["reason"]["en"] == "reply rate 0% (1 asked, 1 missed), line ≥90%"

    asyncio.run(scene())


def test_what_came_too_late_is_told_by_source(tmp_path):
    """An answer 20 minutes old, when later ones of its conversation are settled, changes no figure."""

    async def scene(it, client, wecom, clock):
        await client.post("/api/v1/events?source=erp", json=message(1, TEN_MS))
        await pass_time(clock, TEN_MS + 21 * MINUTE_MS, it.running.settled)
        for n in (2, 3):
            old = message(n, TEN_MS - MINUTE_MS) | {"conversation_id": "c1", "actor": "agent"}
            answer = await client.post("/api/v1/events?source=front", json=old)
            assert answer.json()["accepted"] == 1
        await it.running.settled()
        sources = {one["name"]: one for one in (await client.get("/api/v1/status")).json()["sources"]}
        assert {name: one["late_dropped"] for name, one in sources.items()} == {"erp": 0, "front": 2}
        metrics = (await client.get("/metrics")).text
        assert 'slawatch_events_total{result="late_dropped",source="front"} 2.0' in metrics
        assert "2 条事件来得太晚，未计入：front" in (await client.get("/")).text

    play(tmp_path, scene)
