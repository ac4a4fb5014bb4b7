"""A compiled plan as it is kept: it comes back whole, and nothing else is taken for it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitor.errors import MonitorError
from monitor.plan_text import decode_plan, encode_plan
from monitor.rulebook import Plan, ShopPlan, SourcePlan
from monitor.runtime.plan_book import PlanBook
from monitor.store.sqlite import SqliteStore
from rules.load import load_packs, load_rules, starter_rules


@pytest.fixture(scope="module")
def plan() -> Plan:
    packs = load_packs(None)
    line = next(iter(packs["pinduoduo"][0].lines.values()))
    shops = {
        "pinduoduo:s1": ShopPlan("east", (("tier", "A"), ("city", "杭州")), lines=(line,)),
        "taobao:7": ShopPlan(pack="pinduoduo"),
    }
    sources = {"erp": SourcePlan(10_000, 60_000)}
    return Plan(packs, load_rules(starter_rules(), packs), shops, sources, SourcePlan(0, 120_000), 30_000)


def test_a_plan_comes_back_whole(plan):
    again = decode_plan(plan.name, encode_plan(plan))
    assert again.rules.rules == plan.rules.rules
    assert (again.shops, again.sources, again.other_sources) == (
        plan.shops,
        plan.sources,
        plan.other_sources,
    )
    assert {name: list(packs) for name, packs in again.packs.items()} == {
        name: [replace(pack, path="") for pack in packs] for name, packs in plan.packs.items()
    }
    assert encode_plan(again) == encode_plan(plan)


def test_what_plans_have_in_common_is_held_once(plan, tmp_path):
    """Every plan stays at hand: one a day of 20,000 shops would be 5 GB a year."""
    store, book = SqliteStore(tmp_path / "store.db"), PlanBook()
    more = {**plan.shops, "taobao:8": ShopPlan("west")}
    changed = [plan, replace(plan, lateness_ms=60_000), replace(plan, shops=more)]
    names = [book.apply(store, one) for one in changed]
    first, rule, shop = (book.known[name] for name in names)
    assert rule.shops is first.shops
    assert rule.packs is first.packs
    assert all(shop.shops[key] is first.shops[key] for key in first.shops)
    assert [encode_plan(book.known[name]) for name in names] == [encode_plan(one) for one in changed]
    store.close()


def test_where_a_pack_lies_is_no_part_of_what_decides(plan):
    moved = {name: [replace(pack, path="/elsewhere") for pack in packs] for name, packs in plan.packs.items()}
    assert replace(plan, packs=moved).name == plan.name


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: found | {"lateness_ms": 1}, "it reads as another one"),
        (lambda found: found | {"from_the_future": 1}, "from_the_future"),
        (lambda found: found | {"other_sources": {"=": "Popen", "args": "x"}}, "Popen"),
        (lambda found: [found], "it reads as another one"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused_with_the_mend(plan, change, why):
    body = json.dumps(change(json.loads(encode_plan(plan)))).encode()
    with pytest.raises(MonitorError, match=why) as refused:
        decode_plan(plan.name, body)
    assert "apply the rules again" in refused.value.mend
