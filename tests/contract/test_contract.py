"""What holds of slawatch however it runs: in one process, or on Kafka in many."""

from __future__ import annotations

import time
from urllib.parse import quote

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
    eventually(lambda: it.told("alpha"), what="the miss told")
    eventually(lambda: it.alerts("alpha"), what="the alert shown")
    (alert,) = it.alerts("alpha")
    assert (alert["rule"], alert["severity"]) == ("a-miss", "crit")
    assert it.acknowledge(alert) == 200
    eventually(lambda: it.alerts("alpha")[0]["acknowledged_by"] == "local", what="it is acknowledged")
    pass_real_time(2)
    assert len(it.told("alpha")) == 1
    assert it.acknowledge({"id": "nobody's"}) == 404


def test_who_is_answered_in_time_is_no_alert_and_a_repeat_changes_nothing(it):
    asked = message("b1", "beta", "u1")
    it.send(asked, asked, message("b2", "beta", "u1", "agent", agent_id="a1"))
    it.send(asked)
    it.send(message("g1", "gamma", "u1"))  # in the same second, and late
    eventually(lambda: it.told("gamma"), what="the other shop's miss")
    pass_real_time(1)
    assert it.alerts("beta") == it.told("beta") == []


def test_what_is_bad_is_kept_aside_and_stops_nothing(it):
    before = it.refused()
    far = time.time_ns() // 1_000_000 + 3_600_000
    it.send(message("d1", "delta", "u1", at=far), message("d2", "delta", "u2"))
    eventually(lambda: it.told("delta"), what="the good one's miss")
    eventually(lambda: it.refused() == before + 1, what="the one from the future kept aside")


def test_rules_are_put_in_force_all_or_none(it):
    more = RULES + "\n  - id: asked\n    title: {zh: 有人问}\n    measure: reply\n    warn: {asked: '>= 1'}\n"
    it.send(message("e1", "epsilon", "u1"))
    eventually(lambda: it.alerts("epsilon"), what="the miss")
    status, answer = it.apply(more.replace("asked: '", "axed: '"))
    assert status == 422
    assert "rules.yaml:" in answer["error"]["what"]
    status, answer = it.apply(more)
    assert (status, answer["rules"]) == (200, 2)
    eventually(lambda: {a["rule"] for a in it.alerts("epsilon")} == {"a-miss", "asked"}, what="both rules")
    assert it.apply(RULES)[0] == 200
    eventually(lambda: {a["rule"] for a in it.alerts("epsilon")} == {"a-miss"}, what="the rule gone")


def test_a_shops_figures_and_why_and_what_they_are_made_of_can_be_asked_for(it):
    """In a cluster of a desk, which reads them of the store and the log, and does not judge shops itself."""
    answer = message("f3", "phi", "u1", "agent", agent_id="a7")
    it.send(message("f1", "phi", "u1"), message("f2", "phi", "u2"), answer)
    eventually(lambda: it.told("phi"), what="the miss")

    def late() -> int:
        shop = it.front.get("/api/v1/shops/mall/phi")
        return max([line["late"] for line in shop.get("lines", ())], default=0)

    eventually(lambda: late() == 1, what="the miss in the shop's figures")
    shop = it.front.get("/api/v1/shops/mall/phi")
    assert [(line["asked"], line["late"]) for line in shop["lines"]] == [(2, 1)]
    assert {(one["measure"], one["period"]) for one in shop["figures"]} == {("reply", "day")}
    steps = it.front.get("/api/v1/why?rule=a-miss&shop=mall:phi")["steps"]
    verdicts = [step for step in steps if step["step"] == "verdict"]
    assert [one["verdict"] for one in verdicts] == ["crit"]
    assert "late 1" in verdicts[0]["reason"]
    assert any(step["step"] == "settle" or step["step"] == "send" for step in steps), "and who was told"
    found = it.front.get("/api/v1/shops/mall/phi/explain?measure=reply")
    assert found["figure"] == {"asked": 2, "late": 1, "open": 0}
    assert sorted(unit["state"] for unit in found["units"]) == ["good", "late"]
    assert {wait["by"] for unit in found["units"] for wait in unit["waits"]} == {"a7", ""}
    for nobody in ("/shops/mall/nobody", "/shops/mall/nobody/explain?measure=reply"):
        status, answer = it.front._ask("GET", f"/api/v1{nobody}")
        assert (status, answer["error"]["code"]) == (404, "not_found")
    assert it.front._ask("GET", "/api/v1/why?rule=a-miss&shop=mall:nobody")[0] == 404


TEAM_RULES = """
  - id: team-misses
    title: {zh: 小组超时多, en: many misses in a team}
    each: team
    line: mall-50
    warn: {late: ">= 2"}
  - id: all-misses
    title: {zh: 平台超时, en: misses of a platform}
    each: platform
    measure: reply
    warn: {late: ">= 3"}
  - id: agents-misses
    title: {zh: 客服超时, en: misses of an agent}
    each: agent
    measure: reply
    warn: {late: ">= 2"}
"""
TEAMS = "shops:\n" + "".join(f"  mall:{shop}: {{team: 红队}}\n" for shop in ("kappa", "lambda", "my"))


def test_rules_on_teams_platforms_and_agents_see_all_shops_together(it):
    """Each shop has one miss, which is few; their shops may lie in different shards."""
    (it.front.folder / "shops.yaml").write_text(TEAMS, "utf-8")
    (it.front.folder / "people.yaml").write_text("people:\n  li: {name: 小李, agent_ids: [a1]}\n", "utf-8")
    assert it.apply(RULES + TEAM_RULES)[0] == 200

    def over() -> dict[str, dict]:
        found = it.front.get("/api/v1/alerts")["alerts"]
        return {alert["rule"]: alert for alert in found if "shop" not in alert["subject"]}

    for shop in ("kappa", "lambda", "nu"):  # nu is of no team
        asked = message(f"{shop}-1", shop, "u1")
        taken = {name: asked[name] for name in ("at", "platform", "shop_id", "conversation_id")}
        taken |= {"type": "conversation", "id": f"{shop}-2", "action": "assigned", "agent_id": "a1"}
        it.send(asked, taken)
    eventually(lambda: it.told("nu"), what="the shops' own misses")
    eventually(lambda: over().keys() >= {"team-misses", "agents-misses", "all-misses"}, what="the sums")
    found = over()
    assert found["team-misses"]["subject"] == {"team": "红队"}
    assert found["agents-misses"]["subject"] == {"agent": "li"}
    assert found["all-misses"]["subject"] == {"platform": "mall"}
    shown = it.front.get("/api/v1/sums?each=team")
    (red,) = [one for one in shown["sums"] if one["team"] == "红队" and one["line"] == "mall-50"][:1]
    assert (red["shops"], red["asked"], red["late"], red["value"]) == (2, 2, 2, "0.0000")
    assert shown["missing"] == 0
    assert time.time_ns() // 1_000_000 - shown["as_of_ms"] < 60_000
    steps = it.front.get(f"/api/v1/why?rule=team-misses&team={quote('红队')}")["steps"]
    assert any(one["step"] == "verdict" and one["verdict"] == "warn" for one in steps)
    for name in ("小组 红队", "客服 小李", "平台 mall"):
        eventually(lambda name=name: [t for t in it.wecom.fake.texts() if name in t], what=f"{name} told")
    it.kill()
    it.send(message("k9", "my", "u1"))
    eventually(lambda: it.told("my"), what="another miss")
    assert it.apply(RULES)[0] == 200
    eventually(lambda: not over(), what="rules that are gone end their alerts")
    assert len([t for t in it.wecom.fake.texts() if "小组超时多" in t and "已移除" not in t]) == 1


def test_killed_it_goes_on_where_it_was(it):
    it.send(message("z1", "zeta", "u1"))
    eventually(lambda: it.told("zeta"), what="the miss")
    it.send(message("z2", "eta", "u1"))
    it.kill()
    eventually(lambda: it.told("eta"), what="what was waiting when it was killed")
    it.send(message("z1", "zeta", "u1"), message("y1", "theta", "u1"))
    eventually(lambda: it.told("theta"), what="the next miss")
    assert [len(it.told(shop)) for shop in ("zeta", "theta")] == [1, 1]
    plain = [text for text in it.told("eta") if "可能重复" not in text]
    assert len(plain) <= 1, "once; again only where the kill met it in flight, and then marked"
