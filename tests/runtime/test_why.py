"""Why a rule of the running daemon tells of a subject, or does not."""

from __future__ import annotations

import asyncio

from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from tests.runtime.live import RULES
from tests.runtime.scenes import TEN_MS, client_of, configured, folder, message, play, post, why


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
