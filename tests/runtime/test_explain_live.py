"""``explain`` over a live journal: units that add up to the figure that is shown, whatever became of it."""

from __future__ import annotations

import asyncio
import json
import threading

from monitor import limits
from monitor.runtime import evidence as evidence_module
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from tests.commands.test_cli import slawatch
from tests.runtime.scenes import TEN_MS, line_of, living, message, play, post
from tests.waiting import PATIENCE_S, until

MINUTE_MS = 60_000
MIDNIGHT_MS = TEN_MS + 14 * 60 * MINUTE_MS


async def explained(client, shop="s1", **query):
    answer = await client.get(f"/api/v1/shops/mall/{shop}/explain", params={"measure": "reply", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def buyer(n, at_ms, **fields):
    return message(n, at_ms) | {"customer_id": f"buyer-{n:03}", "conversation_id": f"chat-{n:03}"} | fields


async def a_busy_minute(it, client, clock):
    """Three customers: answered in time, answered late, still waiting; a repeat, and a neighbour's shop."""
    began_ms = clock.now_ms()
    await post(client, *[buyer(n, began_ms) for n in (1, 2)], message(9, began_ms, shop="s2"))
    await pass_time(clock, began_ms + 1_000, it.running.settled)
    await post(client, buyer(1, began_ms + 1_000, actor="agent", id="a1", agent_id="lin"), buyer(1, began_ms))
    await pass_time(clock, began_ms + 5_000, it.running.settled)
    await post(client, buyer(2, began_ms + 5_000, actor="agent", id="a2"), buyer(3, began_ms + 5_000))
    await it.running.settled()


def test_the_units_add_up_to_the_live_figure_before_and_after_a_restart(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, _):
            await a_busy_minute(it, client, clock)
            found = await explained(client)
            line = await line_of(client)
            assert found["figure"] == {"asked": line["asked"], "late": line["late"], "open": 1}
            assert [(unit["unit"], unit["state"]) for unit in found["units"]] == [
                ("b***01", "good"),
                ("b***02", "late"),
                ("b***03", "open"),
            ]
            assert found["units"][0]["waits"][0]["by"] == "lin"
            assert [wait["why"] for wait in found["left_out"]] == ["a repeat of an event that came before"]
            assert (found["day"], found["as_of"]) == ("2026-11-11", "2026-11-11T10:00:05+08:00")
            assert found["since"].startswith("2026-11-11T10:00:0")  # the day began before the journal did
        async with living(tmp_path, clock) as (it, client, _):
            assert await explained(client) | {"as_of": ""} == found | {"as_of": ""}

    asyncio.run(scene())


def test_an_earlier_day_is_explained_as_it_ended(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_busy_minute(it, client, clock)
        await pass_time(clock, MIDNIGHT_MS + 15 * MINUTE_MS, it.running.settled)
        await post(client, buyer(5, clock.now_ms()))
        await it.running.settled()
        before = await explained(client, day="2026-11-11")
        assert before["figure"] == {"asked": 3, "late": 2, "open": 0}
        today = await explained(client)
        assert (today["day"], today["since"]) == ("2026-11-12", None)
        assert today["figure"] == {"asked": 1, "late": 0, "open": 1}

    play(tmp_path, scene, MIDNIGHT_MS - MINUTE_MS)


def test_names_are_shown_to_a_lead_who_asks_and_to_nobody_else(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_busy_minute(it, client, clock)
        masked, clear = await explained(client), await explained(client, clear="true")
        assert "buyer-001" not in json.dumps(masked)
        assert "chat-001" not in json.dumps(masked)
        assert clear["units"][0]["unit"] == "buyer-001"

    play(tmp_path, scene)


def test_what_there_is_not_is_told(tmp_path):
    async def scene(it, client, wecom, clock):
        await a_busy_minute(it, client, clock)
        for shop, query, status, what in [
            ("s1", {"measure": "replies"}, 404, "no measure 'replies' of mall:s1 on that day"),
            ("s8", {"measure": "reply"}, 404, "nothing of shop mall:s8 in the journal about that day"),
            ("s1", {"measure": "reply", "day": "today"}, 422, "'today' is no date"),
            ("s1", {}, 422, ""),
        ]:
            answer = await client.get(f"/api/v1/shops/mall/{shop}/explain", params=query)
            assert answer.status_code == status, answer.text
            assert answer.json()["error"]["what"].startswith(what)

    play(tmp_path, scene)


def test_too_much_at_once_is_refused_and_ingest_goes_on(tmp_path, monkeypatch):
    """One is being made, as many as may wait do, one more is told to come again; events are taken."""
    made, go = threading.Event(), threading.Event()
    real = evidence_module.evidence_in

    def slow(*args, **kwargs):
        made.set()
        assert go.wait(PATIENCE_S)
        return real(*args, **kwargs)

    arrived, explain = [], evidence_module.Evidence.explain

    async def count(self, *args, **kwargs):
        arrived.append(1)
        return await explain(self, *args, **kwargs)

    monkeypatch.setattr(evidence_module, "evidence_in", slow)
    monkeypatch.setattr(evidence_module.Evidence, "explain", count)

    async def scene(it, client, wecom, clock):
        await a_busy_minute(it, client, clock)
        asked = [asyncio.create_task(explained(client)) for _ in range(limits.EXPLAINS_WAITING)]
        await until(lambda: made.is_set() and len(arrived) == limits.EXPLAINS_WAITING)
        refused = await client.get("/api/v1/shops/mall/s1/explain?measure=reply")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert (await post(client, buyer(7, clock.now_ms())))["accepted"] == 1
        go.set()
        assert {json.dumps(found["figure"]) for found in await asyncio.gather(*asked)}
        monkeypatch.setattr(limits, "EXPLAIN_EVENTS", 3)
        refused = await client.get("/api/v1/shops/mall/s1/explain?measure=reply")
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "too_much")

    play(tmp_path, scene)


def test_the_command_asks_the_daemon_or_reads_the_folder_of_one_that_is_stopped(tmp_path):
    args = ("explain", "mall:s1", "reply", "--format", "json")

    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(tmp_path, clock) as (it, client, _):
            await a_busy_minute(it, client, clock)
            return await asyncio.to_thread(slawatch, *args, "--url", it.url, cwd=tmp_path)

    live = asyncio.run(scene())
    stopped = slawatch(*args, "--data", "data", cwd=tmp_path)
    assert (live.returncode, stopped.returncode) == (0, 0), live.stderr + stopped.stderr
    assert json.loads(live.stdout)["figure"] == {"asked": 3, "late": 1, "open": 1}
    assert json.loads(stopped.stdout) == json.loads(live.stdout)
    table = slawatch("explain", "mall:s1", "reply", "--data", "data", "--clear", cwd=tmp_path)
    assert "buyer-002" in table.stdout
    assert "the journal begins at 2026-11-11T10:00:0" in table.stderr
    for wrong, says in [
        (("--data", "data", "--file", "x"), "two places of events"),
        (("--at", "2026-11-11T10:00:00+08:00"), "a running daemon has its own packs and clock"),
        (("--data", "packs"), "packs: no journal.db; name the folder of an embedded daemon"),
    ]:
        done = slawatch("explain", "mall:s1", "reply", *wrong, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert says in done.stderr
