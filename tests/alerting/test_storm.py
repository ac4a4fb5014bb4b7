"""Thousands of alerts at once: all are named, the critical ones first, and each says where it stands."""

import pytest

from alerting.policy.records import Silence
from tests.alerting.worlds import MINUTE, SECOND, T0, play


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
