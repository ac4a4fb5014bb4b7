"""An idle rule that is not judged would have said nothing: rules that are judged at all times tell the same.

Rules on every figure, over days of every kind. Who never spares a rule judges it whenever the shop is
looked at: after each record, and whenever a timer is due. The others spare idle rules, put shops to rest,
are stored, killed and told other rules. TEST_SEEDS=1000 asks for more than the usual logs.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from monitor.engine.events import Event
from monitor.engine.figures import SPANS
from monitor.engine.records import Record
from monitor.rulebook import Plan, SourcePlan
from monitor.shard.lookout import NONE
from monitor.shard.shard import Shard
from rules.figures import ANY, COUNT, FLAG, ORDERS, RATE, SECONDS, SHARE, TIMES, Figure
from rules.pack import DAY_MS, Line, Pack, Share, Span, Text
from rules.rule import All, Compare, Condition, Level, Rule, RuleSet
from rules.rule import Any as AnyOf
from rules.transition import Transition
from tests.shard.suited import MORNING_MS, a_pack, figures_for
from tests.shard.test_slumber_days import a_log, answered, told_through_kills
from tests.shard.test_when_judged import FIRST_SEED, SEEDS

FOUND = (30082,)  # an ask of a minute before midnight was dated after it, and no rule looked when it was

KINDS = {"reply_rate": RATE, "response_time": TIMES, "order_rate": ORDERS}
COUNTED = ("asked", "late", "value", "budget_left", "budget_left_today", "breach_in")
OPS = ("<", "<", "<=", "<=", "<=", ">", ">=", ">=", "==", "!=")
COUNTS = (-2, -1, 0, 0, 1, 1, 2, 3, 5, 9)
SHARES = ((0, 1), (3, 10), (1, 2), (2, 3), (4, 5), (9, 10), (1, 1))
SECONDS_LONG = (0, 4, 20, 60, 200, 600, 1_800, 3_600, 9_000)
UNITS = ("message", "round", "session", "customer_day")
RULES = (1, 1, 2, 12)  # of one log


def a_busy_pack(rng: random.Random, name: str = "pdd", zone: str = "Asia/Shanghai") -> Pack:
    """A pack of random units, and lines of random limits on its rates over every period."""
    pack = a_pack(rng, name, zone)
    measures = {
        one.id: replace(one, unit=rng.choice(UNITS), late_if="any_round") if rng.random() < 0.4 else one
        for one in pack.measures.values()
        if one.kind == "reply_rate"
    }
    lines = {}
    for measure in pack.measures.values():
        for period in (*measure.periods, "30d") if measure.kind in ("reply_rate", "order_rate") else ():
            share, least = rng.choice([Share(1, 2), Share(2, 3), Share(99, 100)]), rng.choice([1, 1, 3, 8])
            line = Line(f"{measure.id} {period}", measure.id, period, at_least=share, min_count=least)
            if measure.kind == "order_rate" or rng.random() < 0.1:
                line = replace(line, at_least=None, at_most=share)
            lines[line.id] = line
    return replace(pack, measures=pack.measures | measures, lines=lines)


def a_compare(rng: random.Random, figure: Figure) -> Compare:
    op, number = rng.choice(OPS), rng.choice(SECONDS_LONG) * 1_000
    if figure.type == FLAG:
        return Compare(figure.name, "==", (rng.choice([0, 1, 1]), 1), "")
    if figure.type == SHARE:
        return Compare(figure.name, op, rng.choice(SHARES), "")
    if figure.type == COUNT:
        number = rng.choice(COUNTS)
    if figure.type == SECONDS:
        number = max(number, 3_000)
    return Compare(figure.name, op, (number, 1), "")


def a_condition(rng: random.Random, figures: list[Figure], depth: int = 2) -> Condition:
    if not depth or rng.random() < 0.5:
        return a_compare(rng, rng.choice(figures))
    parts = [a_condition(rng, figures, depth - 1) for _ in range(rng.choice([1, 2, 2, 3]))]
    if rng.random() < 0.3 and any(one.name == "late" for one in figures):
        return All((Compare("late", ">=", (rng.choice([1, 1, 2]), 1), ""), *parts[:1]))
    return rng.choice([All, AnyOf])(tuple(parts))


def a_level(rng: random.Random, figures: list[Figure]) -> Level:
    return Level(
        a_condition(rng, figures),
        for_ms=rng.choice([0, 0, 0, 10_000, 60_000]),
        during=rng.choice(["", "", "", "service_hours"]),
        min_count=rng.choice([0, 0, 0, 2, 5]),
    )


def a_rule(rng: random.Random, name: str, pack: Pack) -> Rule:
    """A rule on some figures of a rate over days; now and then of another measure, or on who is there."""
    measure = pack.measures[rng.choice(["by_customer", "by_customer", "by_message", *pack.measures])]
    kind = KINDS[measure.kind] if rng.random() < 0.9 else ANY
    each = "conversation" if kind == RATE and rng.random() < 0.2 else "shop"
    periods = [one for one in measure.periods if one in SPANS or rng.random() < 0.1]
    period = rng.choice([*periods, "day"]) if kind != ANY else "day"
    line = rng.choice(["", f"{measure.id} {period}"]) if kind in (RATE, ORDERS) else ""
    figures = [
        one
        for one in figures_for(kind, each, line, period)
        if not (each == "conversation" and one.name == "oldest_wait")  # has timers on shops alone
        and not (period not in SPANS and one.name == "oldest_wait")  # set from asks not yet in a window
    ]
    counted = [one for one in figures if one.name in COUNTED]
    figures = counted if counted and rng.random() < 0.6 else figures
    plain = [one for one in figures if one.item is None] or counted
    levels = rng.choice([("warn",), ("warn",), ("crit",), ("warn", "crit")])
    return Rule(
        name,
        Text(name),
        line=line,
        measure="" if line or kind == ANY else measure.id,
        period=period,
        each=each,
        warn=a_level(rng, figures) if "warn" in levels else None,
        crit=a_level(rng, figures) if "crit" in levels else None,
        clear=a_level(rng, plain) if rng.random() < 0.2 and each == "shop" else None,
        only_if=All((a_compare(rng, rng.choice(figures)),)) if rng.random() < 0.15 else None,
        keep_firing_for_ms=rng.choice([0, 0, 0, 90_000]),
        min_count=rng.choice([0, 0, 0, 3, 6]),
    )


def plans_of(rng: random.Random, records: list[Record]) -> dict[str, Plan]:
    """The plan at the beginning, and at times one that a record names: fewer rules, and others."""
    packs = {"pdd": (a_busy_pack(rng),), "far": (a_busy_pack(rng, "far", "Europe/Berlin"),)}
    rules = {
        f"r{n}": a_rule(rng, f"r{n}", packs[rng.choice(["pdd", "far"])][0]) for n in range(rng.choice(RULES))
    }
    silence = SourcePlan(silent_after_ms=rng.choice([0, 60_000]))
    plan = Plan(packs, RuleSet(rules), other_sources=silence, quiet_gaps=rng.random() < 0.2)
    plans = {"": replace(plan, lateness_ms=rng.choice([60_000, 600_000]))}
    if rng.random() < 0.3:
        kept = {name: rule for name, rule in rules.items() if rng.random() < 0.6}
        more = a_rule(rng, "more", packs["pdd"][0])
        plans["1-x"] = replace(plans[""], rules=RuleSet({**kept, "more": more}))
        rng.choice(records[1:]).plan = "1-x"
    return plans


def a_busy_log(rng: random.Random) -> list[Record]:
    """Days on which some are taken out of what is counted, and customers write in several conversations."""
    records, share = a_log(rng), rng.choice([0.0, 0.03, 0.2])
    for event in (event for record in records for event in record.events):
        event.exclude = "spam" if event.conversation_id and rng.random() < share else ""
        if event.customer_id and rng.random() < 0.4:
            event.customer_id = f"u{rng.randrange(30)}"
    return records


def spare_nothing(shard: Shard) -> None:
    """Have every rule of the plan in force be judged at every look.

    But one on the pace, where nobody more or fewer asked or was late: when the first ask of a unit becomes
    another, which the half hour may not cover, it says so at the next half minute.
    """
    for shop in shard.engine.shops.values():
        today = shop.day_number(shard.now_ms)
        for day in (today, today + 1):
            for watched in shard.rules_of(shop, day)[0]:
                watched.bounded = watched.by_orders = watched.by_items = False
                watched.by_counts &= "breach_in" in repr(watched.rule)
                watched.gate = NONE


def told_at_all_times(plans: dict[str, Plan], records: list[Record]) -> list[Transition]:
    """What is told where every rule is judged after each record, and whenever a timer is due."""
    shard = Shard(plans[""], 0, plans)
    found: list[Transition] = []
    for record in records:
        for watch in shard.watches.values():
            watch.shop.touched()
        found += shard.step([record]).transitions
        spare_nothing(shard)
    return found


@pytest.mark.parametrize("seed", sorted({*range(FIRST_SEED, FIRST_SEED + SEEDS), *FOUND}))
def test_who_spares_idle_rules_tells_what_who_judges_all_at_all_times_tells(seed):
    rng = random.Random(f"spared {seed}")
    records = a_busy_log(rng)
    plans = plans_of(rng, records)
    wanted = told_at_all_times(plans, records)
    assert list(Shard(plans[""], 0, plans).step(records).transitions) == wanted
    if not plans[""].quiet_gaps:
        killed = Shard(plans[""], 0, plans, rest_ms=rng.choice([1_000, 30_000]))
        assert told_through_kills(killed, records, rng) == wanted


def test_a_rule_on_who_is_online_that_asks_for_something_else_looks_at_that_too():
    nobody = Level(Compare("agents_online", "==", (0, 1), "== 0"))
    waits = All((Compare("waiting", "<", (1, 1), "< 1"),))
    rules = RuleSet({"nobody": Rule("nobody", crit=nobody, only_if=waits)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules))
    ask, answer = answered(MORNING_MS + 1_000, 1, 9_000)
    gone = Event(type="agent", id="gone", at=MORNING_MS, platform="pdd", shop_id="A", agent_id="x")
    gone.action = "offline"
    log = [Record(n, MORNING_MS + n * 1_000, heard={"erp": 0}) for n in range(20)]
    for number, event in ((2, ask), (3, gone), (10, answer)):
        log[number].events, log[number].source, log[number].heard = [event], "erp", None
    told = shard.step(log).transitions
    assert [(one.at_ms - MORNING_MS, one.to_state) for one in told] == [(11_000, "firing")]


@pytest.mark.parametrize("measure", ["by_customer", "times"])
def test_a_window_is_looked_at_when_what_is_dated_ahead_of_the_clock_comes_into_it(measure):
    """A rule that reads nothing yet waits for what is to come: nobody else wakes the shop."""
    some = Level(Compare("asked", ">=", (1, 1), ">= 1"))
    rules = RuleSet({"some": Rule("some", measure=measure, period="5m", warn=some)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules))
    ahead = answered(MORNING_MS + 202_000, 1, 1_000)
    shard.step([Record(0, MORNING_MS + 1_000, ahead, "erp")])
    ticks = [Record(n, MORNING_MS + 1_000 + n * 1_000, heard={"erp": 0}) for n in range(1, 300)]
    told = shard.step(ticks).transitions
    assert [(one.at_ms - MORNING_MS, one.to_state) for one in told] == [(200_000, "firing")]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_spared_rule_is_judged_when_fewer_have_asked(rest_ms):
    """One of ten is late; six conversations are taken out, and it is one of four."""
    low = Level(Compare("value", "<", (8, 10), "< 80%"))
    rules = RuleSet({"low": Rule("low", measure="by_message", period="day", warn=low)})
    shard = Shard(Plan({"pdd": (a_pack(random.Random(0)),)}, rules), rest_ms=rest_ms)
    said = [answered(MORNING_MS, number, 1_000 if number else 200_000) for number in range(10)]
    log = [Record(0, MORNING_MS + 201_000, [event for pair in said for event in pair], "erp")]
    log += [Record(n, MORNING_MS + (200 + n) * 1_000, heard={"erp": 0}) for n in range(2, 40)]
    spam = [answered(MORNING_MS, number, 2_000)[1] for number in range(1, 7)]
    for event in spam:
        event.id, event.exclude = f"spam {event.id}", "spam"
    log[20] = Record(21, log[20].arrival_ms, spam, "erp")
    told = shard.step(log).transitions
    assert [(one.at_ms - MORNING_MS, one.to_state) for one in told] == [(222_000, "firing")]


@pytest.mark.parametrize("rest_ms", [0, 1_000])
def test_a_spared_rule_is_judged_when_the_day_begins_on_which_nobody_has_asked(rest_ms):
    few = Level(Compare("asked", "<=", (5, 1), "<= 5"), during="service_hours")
    rules = RuleSet({"few": Rule("few", measure="by_message", period="day", warn=few)})
    pack = replace(a_pack(random.Random(0)), service_hours=(Span(0, DAY_MS),))
    shard = Shard(Plan({"pdd": (pack,)}, rules), rest_ms=rest_ms)
    evening_ms = MORNING_MS + 15 * 3_600_000 + 50 * 60_000
    good = [event for number in range(10) for event in answered(evening_ms, number, 1_000)]
    log = [Record(0, evening_ms + 2_000, good, "erp")]
    log += [Record(n, evening_ms + n * 5_000, heard={"erp": 0}) for n in range(1, 200)]
    told = shard.step(log).transitions
    assert [(one.at_ms - evening_ms, one.to_state) for one in told] == [(600_000, "firing")]
