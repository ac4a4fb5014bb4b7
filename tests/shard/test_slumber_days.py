"""Shops sleep through midnights, jumps of the clock, changes of rules and restarts; nobody can tell.

Rules are made for what the log leads to; whoever sleeps at every chance, and is killed and restored between,
tells what a shard tells whose shops never sleep. TEST_SEEDS=1000 asks for more than the usual logs.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from monitor.engine.events import Event
from monitor.engine.figures import SPANS
from monitor.engine.records import Record
from monitor.rulebook import Plan, Rulebook, SourcePlan
from monitor.shard.readings import PageReading
from monitor.shard.shard import Shard
from rules.reading import FixedReading
from rules.rule import All, Compare, Level, NoData, Rule, RuleSet
from tests.shard.suited import MINUTE_MS, MORNING_MS, a_pack, a_rule, events
from tests.shard.test_checkpoint import Disk
from tests.shard.test_when_judged import FIRST_SEED, SEEDS

if TYPE_CHECKING:
    from monitor.engine.shop import Shop
    from rules.transition import Transition

HOUR_MS = 3_600_000
EVENING_MS = 1_792_854_000_000  # 2026-10-24 23:00 in Shanghai; summer time ends in Berlin on the next day
SHOPS = (("pdd", "A", "erp"), ("pdd", "B", "crm"), ("far", "C", "crm"))
JUMPS_MS = (0, 0, 20_000, 25 * MINUTE_MS, 40 * MINUTE_MS, 6 * HOUR_MS, 13 * HOUR_MS, 24 * HOUR_MS)


def a_log(rng: random.Random) -> list[Record]:
    """Minutes in which something happens, ticks, and jumps of the clock between; often about a midnight."""
    records: list[Record] = []
    now_ms = EVENING_MS + rng.choice([0, 50, 58, 65, -840]) * MINUTE_MS
    for _ in range(rng.choice([2, 3, 4])):
        some = rng.sample(SHOPS, rng.choice([1, 2, 3]))
        found = [(at, one, source) for p, s, source in some for at, one in events(rng, now_ms, p, s)]
        found.sort(key=lambda one: one[0])
        if records and rng.random() < 0.3:  # what happened yesterday
            for _, event, _ in found:
                event.at -= rng.choice([30 * MINUTE_MS, 24 * HOUR_MS])
        silent = rng.choice(["", "", "crm"])
        for second in range(rng.choice([60, 300])):
            tick_ms = now_ms + second * 1_000
            heard = {name: tick_ms for name in ("erp", "crm") if name != silent}
            records.append(Record(len(records), tick_ms, heard=heard))
            while found and found[0][0] < tick_ms + 1_000:
                arrival_ms, event, source = found.pop(0)
                records.append(Record(len(records), arrival_ms, [event], source))
        now_ms = records[-1].arrival_ms // 1_000 * 1_000
        for _ in range(rng.choice([0, 100, 500])):  # nothing but the clock
            now_ms += 5_000
            heard = {name: now_ms for name in ("erp", "crm") if name != silent}
            records.append(Record(len(records), now_ms, heard=heard))
        now_ms += 1_000 + rng.choice(JUMPS_MS)
    return records


def begins_to_hold(shard: Shard, shop: Shop, rule: Rule, seconds: list[int]) -> bool:
    """Whether time alone makes a level hold that does not hold yet, nor of a shop with nothing in it."""
    day = shop.day_number(shard.now_ms)
    book = Rulebook(replace(shard.plan, rules=RuleSet({rule.id: rule})))
    rules, sums = book.of_shop(shop.platform, shop.shop_id, day)
    for one in rules:
        readings = [PageReading(shop, one.measure, one.period, sums, at_ms, day) for at_ms in seconds]
        held = [bool(one.judge(reading).severity) for reading in readings]
        return not held[0] and any(held) and not one.judge(FixedReading(now_ms=seconds[0])).severity
    return False


def suited(rng: random.Random, plan: Plan, records: list[Record], count: int) -> dict[str, Rule]:
    """Rules that have something to say of the shops of a log, most of them when nothing happens."""
    shard, rules = Shard(plan), dict[str, Rule]()
    quiet = [one.position for one in records if one.events and not any(r.events for r in near(records, one))]
    shard.step(records[: rng.choice(quiet or [len(records)])])
    now_ms = shard.engine.judged_ms
    seconds = [now_ms + rng.randrange(1_000) * 1_000 for _ in range(12)] + [now_ms + 2_400_000]
    for number in range(count if shard.engine.shops else 0):
        shop = rng.choice(list(shard.engine.shops.values()))
        tried = [a_rule(rng, shard, shop, seconds) for _ in range(60)]
        # The oldest wait has timers of its own; over a window they are set from asks that are not yet in it.
        also = rng.random() < 0.2
        tried = [one for one in tried if "oldest_wait" not in repr(one) or (also and one.period in SPANS)]
        rule = next((one for one in tried if begins_to_hold(shard, shop, one, sorted(seconds))), None)
        if rule is None:
            continue
        warn = replace(rule.warn or Level(rule.crit.condition), for_ms=rng.choice([0, 0, 15_000, 90_000]))
        clear = Level(warn.condition, for_ms=20_000) if rule.each == "shop" and rng.random() < 0.1 else None
        rules[f"r{number}"] = replace(
            rule, id=f"r{number}", warn=warn, clear=clear, keep_firing_for_ms=rng.choice([0, 0, 0, 50_000])
        )
    if rng.random() < 0.3:
        rules["silent"] = Rule("silent", each="source", no_data=NoData(60_000))
    return rules


def near(records: list[Record], one: Record) -> list[Record]:
    """Those that come next."""
    return records[one.position + 1 : one.position + 90]


def plans_of(rng: random.Random, records: list[Record]) -> dict[str, Plan]:
    """The plan at the beginning, and at times one that a record of the log names."""
    packs = {"pdd": (a_pack(rng),), "far": (a_pack(rng, "far", "Europe/Berlin"),)}
    silence = SourcePlan(silent_after_ms=rng.choice([0, 60_000]))
    plan = Plan(packs, other_sources=silence, lateness_ms=rng.choice([60_000, 600_000]))
    rules = suited(rng, plan, records, rng.choice([1, 2, 4]))
    plans = {"": replace(plan, rules=RuleSet(rules))}
    if rng.random() < 0.3:
        kept = {name: rule for name, rule in rules.items() if rng.random() < 0.6}
        more = {f"n{name}": rule for name, rule in suited(rng, plan, records, 1).items()}
        plans["1-x"] = replace(plan, rules=RuleSet(kept | {k: replace(r, id=k) for k, r in more.items()}))
        rng.choice(records[1:]).plan = "1-x"
    return plans


def told_through_kills(shard: Shard, records: list[Record], rng: random.Random) -> list[Transition]:
    """What is told by whoever is stored and killed now and then; what was told before a kill is dropped."""
    disk, rest_ms = Disk(), shard.slumber.rest_ms
    told: dict[tuple[int, int], Transition] = {}
    start = done = 0
    while start < len(records):
        end = start + rng.choice([1, 10, 60])
        for one in shard.step(records[start:end]).transitions:
            if one.position >= done:
                told[one.position, one.n] = one
        start, done = end, max(done, min(end, len(records)))
        if rng.random() < 0.4 and (taken := shard.checkpoint(rng.choice([1, 100]))) is not None:
            disk.take(taken)
        for _ in range(rng.choice([0] * 12 + [1, 2]) if disk.rows else 0):
            shard = disk.restored(shard.plans[""], shard.plans, rest_ms)
            start = disk.floor
    return list(told.values())


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_nobody_can_tell_whether_shops_slept(seed, monkeypatch):
    rng = random.Random(f"days {seed}")
    monkeypatch.setattr("monitor.shard.slumber.AGAIN_MS", 1_000)
    monkeypatch.setattr("monitor.engine.engine.LEFT_MAX", 5)
    records = a_log(rng)
    plans = plans_of(rng, records)
    wanted = list(Shard(plans[""], 0, plans).step(records).transitions)
    resting = Shard(plans[""], 0, plans, rest_ms=rng.choice([1_000, 5_000]))
    assert wanted == list(resting.step(records).transitions)
    killed = Shard(plans[""], 0, plans, rest_ms=rng.choice([1_000, 30_000]))
    assert wanted == told_through_kills(killed, records, rng)


def answered(start_ms: int, number: int, after_ms: int) -> list[Event]:
    """A question and, so long after it, its answer; together they arrive as soon as they are known."""
    fields = {"type": "message", "platform": "pdd", "shop_id": "A", "conversation_id": f"{start_ms} {number}"}
    ask = Event(id=f"ask {start_ms} {number}", at=start_ms, actor="customer", customer_id="", **fields)
    answer_ms = start_ms + after_ms
    return [ask, Event(id=f"answer {start_ms} {number}", at=answer_ms, actor="agent", agent_id="x", **fields)]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_miss_dated_ahead_of_the_clock_counts_for_the_pace_when_the_clock_is_there(rest_ms):
    """It is late at once, by its answer; the pace is that of the last half hour, in which it is not yet."""
    pace = Level(Compare("breach_in", "<=", (30 * MINUTE_MS, 1), "<= 30m"))
    rules = RuleSet({"pace": Rule("pace", line="week", warn=pace)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules), rest_ms=rest_ms)
    good = [event for number in range(30) for event in answered(MORNING_MS, number, 1_000)]
    shard.step([Record(0, MORNING_MS + 5_000, good, "erp")])
    start_ms = MORNING_MS + 31 * MINUTE_MS  # nothing in the last half hour
    ticks = [Record(n, MORNING_MS + n * 5_000) for n in range(2, 373)]
    misses = [event for number in range(4) for event in answered(start_ms + 200_000, number, 60_000)]
    shard.step([*ticks, Record(400, start_ms, misses, "erp")])
    told = shard.step([Record(400 + n, start_ms + n * 1_000) for n in range(1, 600)]).transitions
    assert [(one.at_ms - start_ms, one.to_state) for one in told] == [(210_000, "firing")]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
@pytest.mark.parametrize("figure", ["budget_left_today", "value"])
def test_a_shop_that_was_calm_is_looked_at_when_a_good_day_leaves_its_week(figure, rest_ms):
    low = Compare(figure, "<", {"value": (8, 10)}.get(figure, (0, 1)), "")
    warn = Level(All((Compare("late", ">=", (1, 1), ">= 1"), low)))
    rules = RuleSet({"week": Rule("week", line="week", warn=warn)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules), rest_ms=rest_ms)
    good = [event for number in range(10) for event in answered(MORNING_MS, number, 1_000)]
    evening_ms = MORNING_MS + 6 * 24 * HOUR_MS + 15 * HOUR_MS + 50 * MINUTE_MS
    missed = [*answered(evening_ms, 1, 1_000), *answered(evening_ms, 2, 60_000)]
    first = [Record(0, MORNING_MS + 5_000, good, "erp"), Record(1, evening_ms + 70_000, missed, "erp")]
    ticks = [Record(n, evening_ms + n * 5_000, heard={"erp": 0}) for n in range(16, 200)]
    told = shard.step([*first, *ticks]).transitions
    assert [(one.at_ms - evening_ms, one.to_state) for one in told] == [(10 * MINUTE_MS, "firing")]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_shop_calm_until_midnight_is_looked_at_when_a_backfill_ends_after_it_between_two_records(rest_ms):
    few = Level(Compare("asked", "<=", (3, 1), "<= 3"))
    rules = RuleSet({"few": Rule("few", measure="by_customer", period="day", warn=few)})
    plan = Plan({"pdd": (a_pack(random.Random(1)),)}, rules, other_sources=SourcePlan(silent_after_ms=0))
    shard, midnight_ms = Shard(plan, rest_ms=rest_ms), EVENING_MS + HOUR_MS
    good = [event for number in range(10) for event in answered(midnight_ms - 600_000, number, 1_000)]
    # Down for 10 s before 23:59:50.5, so that the backfill ends in the first second of the day.
    seconds = [*range(-590, -20), -9.5, *range(-9, -1), 3, 4]
    log = [Record(0, midnight_ms - 595_000, good, "erp")]
    for second in seconds:
        at_ms = midnight_ms + int(second * 1_000)
        log.append(Record(len(log), at_ms, heard={"erp": at_ms}))
    told = shard.step(log).transitions
    assert [(one.at_ms - midnight_ms, one.to_state) for one in told] == [(1_000, "firing")]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_shop_in_alert_sleeps_until_its_rules_are_to_look_and_tells_to_the_second(rest_ms):
    """It fires after its wait, is eased by later customers, ends when it was clear for long enough."""
    warn = Level(Compare("value", "<", (8, 10), "< 80%"), for_ms=90_000)
    clear = Level(Compare("value", ">=", (8, 10), ">= 80%"), for_ms=45_000)
    rules = RuleSet({"low": Rule("low", line="day", warn=warn, clear=clear)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules), rest_ms=rest_ms)
    misses = [event for number in range(8) for event in answered(MORNING_MS, number, 60_000)]
    good = [event for number in range(40) for event in answered(MORNING_MS + 300_000, number, 1_000)]
    records, slept = [Record(0, MORNING_MS + 60_500, misses, "erp")], []
    records += [Record(n, MORNING_MS + n * 1_000, heard={"erp": 0}) for n in range(61, 500)]
    records.insert(241, Record(301, MORNING_MS + 301_500, good, "erp"))
    told = []
    for number, record in enumerate(records):
        record.position = number
        told += shard.step([record]).transitions
        (shop,) = shard.engine.shops.values()
        slept.append(bool(shop.packed))
    assert [((one.at_ms - MORNING_MS) // 1_000, one.from_state, one.to_state) for one in told] == [
        (61, "ok", "pending"),
        (151, "pending", "firing"),
        (302, "firing", "holding"),
        (347, "holding", "ok"),
    ]
    assert sum(slept) > 0.8 * len(slept) or not rest_ms


@pytest.mark.parametrize(("shops", "awake"), [(10, 10), (1_000, 0)])
def test_the_more_shops_are_awake_the_sooner_they_sleep(shops, awake):
    """They would after 10 s; 1,000 are twice as many as may be awake as long as that, and do after 5 s."""
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}), rest_ms=10_000)
    asked = [event for number in range(shops) for event in answered(MORNING_MS, number, 1_000)]
    for number, event in enumerate(asked):
        event.shop_id = f"{number // 2}"
    shard.step([Record(0, MORNING_MS + 1_000, asked, "erp")])
    shard.step([Record(n, MORNING_MS + n * 1_000, heard={"erp": 0}) for n in range(1, 10)])
    assert sum(not shop.packed for shop in shard.engine.shops.values()) == awake
    assert len(shard.engine.shops) == shops
