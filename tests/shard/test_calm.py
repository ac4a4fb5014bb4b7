"""A shop is called calm only if no rule says anything of it at any second until then: each second is tried.

TEST_SEEDS=1000 asks for more than the usual shops.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from monitor.engine.records import Record
from monitor.rulebook import Plan, Rulebook
from monitor.shard.calm import calm_until_ms, due_ms
from monitor.shard.readings import PageReading
from monitor.shard.shard import Shard
from monitor.shard.watch import ShopWatch
from rules.rule import RuleSet
from tests.shard.suited import MINUTE_MS, MORNING_MS, a_pack, a_rule, events, seconds_until
from tests.shard.test_when_judged import FIRST_SEED, SEEDS

if TYPE_CHECKING:
    from monitor.engine.shop import Shop

RULES = 24  # of one shop


def a_shop(rng: random.Random, plan: Plan) -> tuple[Shard, Shop]:
    """A shop a while after something happened in it, now and then also half an hour before."""
    shard, position, start_ms = Shard(plan), 0, MORNING_MS + rng.choice([0, 115, 800]) * MINUTE_MS
    for part_ms in rng.choice([(0,), (0, 35 * MINUTE_MS)]):
        for arrival_ms, event in events(rng, start_ms + part_ms):
            position += 1
            shard.step([Record(position, arrival_ms, [event], "erp")])
    now_ms = shard.now_ms + rng.choice([1_000, 40_000, 300_000])
    shard.step([Record(position + 1, now_ms // 1_000 * 1_000)])
    (shop,) = shard.engine.shops.values()
    return shard, shop


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_no_rule_says_anything_of_a_calm_shop_until_it_is_due(seed):
    rng = random.Random(f"calm {seed}")
    plan = Plan({"pdd": (a_pack(rng),)}, lateness_ms=600_000)
    shard, shop = a_shop(rng, plan)
    now_ms = shard.engine.judged_ms
    day = shop.day_number(now_ms)
    seconds = seconds_until(now_ms, shop.zone.midnight(day + 1))
    calm = []
    for _ in range(RULES):
        rule = a_rule(rng, shard, shop, seconds)
        shard.book = Rulebook(replace(plan, rules=RuleSet({"r": rule})))
        shop.near.clear()
        shard.engine.use(shard.book.engine_spec())
        watch = ShopWatch(shop, shard)
        watch.begin(day)
        calm_ms = calm_until_ms(shop, watch, now_ms)
        assert calm_ms in (0, shop.zone.midnight(day + 1))
        due = min(calm_ms, due_ms(shop, watch, calm_ms, now_ms))
        (watched,) = [one.watched for one in watch.lookouts]
        calm.append((due, watched, watch.sums))
    for at_ms in seconds:  # as the clock goes by, what waits becomes late
        for conversation in shop.conversations.values():
            for r in conversation.open:
                if r.is_open():
                    r.judge(at_ms)
        for due, watched, sums in calm:
            if at_ms < due:
                reading = PageReading(shop, watched.measure, watched.period, sums, at_ms, day)
                rule = watched.rule
                assert not watched.judge(reading).severity, (rule.warn, rule.crit, at_ms - now_ms)
