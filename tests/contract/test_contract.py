"""What holds of slawatch however it runs: in one process, or on Kafka in many."""

from __future__ import annotations

import time

import pytest

from tests.runtime.live import RULES
from tests.waiting import eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]


def message(name, shop, customer, actor="customer", **more):
    event = {"type": "message", "id": name, "at": time.time_ns() // 1_000_000, "platform": "mall"}
    event |= {"shop_id": shop, "conversation_id": f"c-{customer}", "customer_id": customer, "actor": actor}
    return event | more


def test_a_miss_is_told_once_and_shown_until_somebody_has_it(it):
    it.send(message("a1", "alpha", "u1"))
    eventually(lambda: it.told("alpha"), 30, "the miss told")
    eventually(lambda: it.alerts("alpha"), 10, "the alert shown")
    (alert,) = it.alerts("alpha")
    assert (alert["rule"], alert["severity"]) == ("a-miss", "crit")
    assert it.acknowledge(alert) == 200
    eventually(lambda: it.alerts("alpha")[0]["acknowledged_by"] == "local", 10, "it is acknowledged")
    pass_real_time(2)
    assert len(it.told("alpha")) == 1
    assert it.acknowledge({"id": "nobody's"}) == 404


def test_who_is_answered_in_time_is_no_alert_and_a_repeat_changes_nothing(it):
    asked = message("b1", "beta", "u1")
    it.send(asked, asked, message("b2", "beta", "u1", "agent", agent_id="a1"))
    it.send(asked)
    it.send(message("g1", "gamma", "u1"))  # in the same second, and late
    eventually(lambda: it.told("gamma"), 30, "the other shop's miss")
    pass_real_time(1)
    assert it.alerts("beta") == it.told("beta") == []


def test_what_is_bad_is_kept_aside_and_stops_nothing(it):
    before = it.refused()
    far = time.time_ns() // 1_000_000 + 3_600_000
    it.send(message("d1", "delta", "u1", at=far), message("d2", "delta", "u2"))
    eventually(lambda: it.told("delta"), 30, "the good one's miss")
    eventually(lambda: it.refused() == before + 1, 10, "the one from the future kept aside")


def test_rules_are_put_in_force_all_or_none(it):
    more = RULES + "\n  - id: asked\n    title: {zh: 有人问}\n    measure: reply\n    warn: {asked: '>= 1'}\n"
    it.send(message("e1", "epsilon", "u1"))
    eventually(lambda: it.alerts("epsilon"), 30, "the miss")
    status, answer = it.apply(more.replace("asked: '", "axed: '"))
    assert status == 422
    assert "rules.yaml:" in answer["error"]["what"]
    status, answer = it.apply(more)
    assert (status, answer["rules"]) == (200, 2)
    eventually(lambda: {a["rule"] for a in it.alerts("epsilon")} == {"a-miss", "asked"}, 20, "both rules")
    assert it.apply(RULES)[0] == 200
    eventually(lambda: {a["rule"] for a in it.alerts("epsilon")} == {"a-miss"}, 20, "the rule gone")


def test_killed_it_goes_on_where_it_was(it):
    it.send(message("z1", "zeta", "u1"))
    eventually(lambda: it.told("zeta"), 30, "the miss")
    it.send(message("z2", "eta", "u1"))
    it.kill()
    eventually(lambda: it.told("eta"), 60, "what was waiting when it was killed")
    it.send(message("z1", "zeta", "u1"), message("y1", "theta", "u1"))
    eventually(lambda: it.told("theta"), 30, "the next miss")
    assert [len(it.told(shop)) for shop in ("zeta", "eta", "theta")] == [1, 1, 1]
