"""When rules on a shop are judged: by what is counted, by time, and by what is known of its sources."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.rulebook import Plan, Rulebook, ShopPlan, SourcePlan
from monitor.shard.shard import Shard
from monitor.shard.turnover import turn_to
from rules.pack import Limit, Line, Measure, Pack, Share, Span, Text
from rules.rule import All, Compare, Level, Rule, RuleSet, Selector

HOUR_MS = 3_600_000
MIDNIGHT_MS = 20_757 * 24 * HOUR_MS - 8 * HOUR_MS  # in Shanghai
LATE = Compare("late", ">=", (1, 1), ">= 1")


def pack(kind: str = "reply_rate", *, unit: str = "round", opens_ms: int = 0) -> Pack:
    within_ms = 180_000 if kind == "reply_rate" else None
    event = None if kind == "reply_rate" else "dispute.opened"
    measure = Measure(
        id="m", title=Text("m"), kind=kind, within_ms=within_ms, unit=unit, periods=("day",), event=event
    )
    hours = (Span(opens_ms, 24 * HOUR_MS),)
    return Pack(
        id="mall", version="1", timezone="Asia/Shanghai", service_hours=hours, measures={"m": measure}
    )


def said(number: int, at_ms: int, shop: str = "A", **fields: object) -> Event:
    talk = {"type": "message", "conversation_id": "c", "customer_id": "u", "actor": "customer"}
    return Event(id=str(number), at=at_ms, platform="mall", shop_id=shop, **(talk | fields))


def test_a_shop_s_own_line_is_that_of_no_other_shop():
    """Whoever is asked for first: rules on the same lines are shared, those on other lines are not."""
    line = Line("half", "m", "day", at_least=Share(1, 2))
    own = replace(line, at_least=Share(99, 100))
    mall = replace(pack(), lines={"half": line})
    rules = RuleSet({"late": Rule("late", Text("late"), line="half", warn=Level(LATE))})
    plan = Plan({"mall": (mall,)}, rules, shops={"mall:A": ShopPlan(lines=(own,))})
    for shops in ("ABC", "BAC"):
        book = Rulebook(plan)
        found = {shop: book.of_shop("mall", shop, 20_757)[0] for shop in shops}
        limits = {shop: watched[0].judge.limit for shop, watched in found.items()}
        assert limits == {"A": Limit(1, 100), "B": Limit(1, 2), "C": Limit(1, 2)}
        assert found["B"] is found["C"]


def test_a_shop_first_heard_through_a_source_that_catches_up_holds_its_alert():
    """It pends from the miss on; while its figures are unknown no second counts, so it never fires."""
    rule = Rule("late", Text("late"), measure="m", warn=Level(LATE, 120_000))
    plan = Plan({"mall": (pack(),)}, RuleSet({"late": rule}), sources={"g": SourcePlan(promised_ms=60_000)})
    begin_ms = MIDNIGHT_MS + 10 * HOUR_MS
    events = {
        0: ("f", said(0, begin_ms)),
        1: ("g", said(1, begin_ms, "B")),
        200: ("g", said(2, begin_ms + 200_000, "B")),  # it was blind since 61 s
        220: ("g", said(3, begin_ms + 220_000, conversation_id="d", actor="agent")),
        225: ("f", said(4, begin_ms + 225_000, actor="agent")),
    }
    old = {s: ("g", said(s, begin_ms - 700_000 + s, "B", actor="system")) for s in range(203, 280, 5)}
    shard, told = Shard(plan), []
    for second in range(600):
        source, *found = (events | old).get(second, ("",))
        at_ms = begin_ms + second * 1_000
        outputs = shard.step([Record(second, at_ms, found, source, heard={"f": at_ms})])
        of_a = [t for t in outputs.transitions if t.subject == {"shop": "mall:A"}]
        told += [((t.at_ms - begin_ms) // 1_000, t.to_state) for t in of_a]
    assert told == [(181, "pending")], "the source catches up until 288 s and is blind again from 336 s on"


@pytest.mark.parametrize(
    ("level", "hour"),
    [
        (Level(LATE, 0, "service_hours"), 8),
        (Level(All((LATE, Compare("agents_online", "==", (0, 1), "== 0")))), 12),
    ],
)
def test_a_rule_on_orders_is_judged_for_more_than_orders(level, hour):
    """Crossed at 01:00; the shop opens at 08:00, its only agent leaves at 12:00."""
    rule = Rule("orders", Text("orders"), measure="m", crit=level)
    plan = Plan({"mall": (pack("order_rate", opens_ms=8 * HOUR_MS),)}, RuleSet({"orders": rule}))

    def event(number: int, at_hour: int, **fields: object) -> Record:
        at_ms = MIDNIGHT_MS + at_hour * HOUR_MS
        one = Event(id=str(number), at=at_ms, platform="mall", shop_id="A", **fields)
        return Record(number, at_ms, [one], "f")

    records = [
        event(0, 0, type="agent", action="online", agent_id="z"),
        event(1, 1, type="order", action="paid", order_id="1"),
        event(2, 1, type="dispute", action="opened", order_id="1"),
        event(3, 12, type="agent", action="offline", agent_id="z"),
        event(4, 13, type="agent", action="away", agent_id="z"),
    ]
    plan = Plan(plan.packs, plan.rules, quiet_gaps=True)
    told = Shard(plan).step(records).transitions
    assert [(t.at_ms - MIDNIGHT_MS) // HOUR_MS for t in told if t.to_state == "firing"] == [hour]


def near(seconds: int, *shops: str) -> RuleSet:
    """One rule, which looks at conversations with so many seconds left; of some shops or of all."""
    level = Level(Compare("seconds_left", "<=", (seconds * 1_000, 1), f"<= {seconds}"))
    chosen = Selector(ids=shops)
    return RuleSet(
        {"near": Rule("near", Text("near"), measure="m", each="conversation", shops=chosen, warn=level)}
    )


@pytest.mark.parametrize(
    ("more", "fires_s"),
    [
        ((), 1),  # as soon as somebody waits
        ((Compare("wait", ">=", (60_000, 1), ">= 1m"),), 61),
        ((Compare("oldest_wait", ">=", (60_000, 1), ">= 1m"),), 61),
        ((Compare("seconds_left", "<=", (80_000, 1), "<= 80"),), 101),
    ],
)
def test_a_rule_on_conversations_sees_them_from_when_it_can_hold(more, fires_s):
    level = Level(All((Compare("costs_budget", "==", (1, 1), "true"), *more)))
    rule = Rule("r", Text("r"), measure="m", each="conversation", warn=level)
    shard = Shard(Plan({"mall": (pack(),)}, RuleSet({"r": rule}), quiet_gaps=True))
    begin_ms = MIDNIGHT_MS + 10 * HOUR_MS
    told = list(shard.step([Record(1, begin_ms + 500, [said(1, begin_ms + 500)], "f")]).transitions)
    for second in range(1, 240):
        at_ms = begin_ms + 1_000 * second
        told += shard.step([Record(1 + second, at_ms, [])]).transitions
    assert [(t.to_state, (t.at_ms - begin_ms) // 1_000) for t in told] == [("firing", fires_s), ("ok", 181)]


def test_a_customer_who_writes_a_thousand_messages_costs_no_more_than_their_number():
    """Each has a deadline of its own, and rules look at each: one timer a round, not one a message."""
    shard = Shard(Plan({"mall": (pack(unit="message"),)}, near(80), quiet_gaps=True))
    begin_ms, count = MIDNIGHT_MS + 10 * HOUR_MS, 1_000
    records = [Record(n, begin_ms + n * 100, [said(n, begin_ms + n * 100)], "f") for n in range(count)]
    began_s = time.process_time()
    shard.step(records)
    shard.advance(begin_ms + count * 100 + 200_000)
    assert time.process_time() - began_s < 5, "30 s when each message set a timer that looks at all of them"


def test_a_shop_that_no_rule_watches_keeps_no_round_that_waits_no_longer():
    """A rule on conversations of another shop has rounds of this one marked as well: they have one pack."""
    shard = Shard(Plan({"mall": (pack(),)}, near(60, "B")))
    begin_ms, number = MIDNIGHT_MS + 10 * HOUR_MS, 0
    for second in range(2_000):
        at_ms, found = begin_ms + second * 1_000, []
        if second % 150 == 0:  # each answer 150 s after its question, the next conversation begun by then
            talk = second // 150
            found = [said(2 * talk, at_ms, conversation_id=f"c{talk}")]
            found += [said(2 * talk - 1, at_ms, conversation_id=f"c{talk - 1}", actor="agent")] * (talk > 0)
        shard.step([Record(number := number + 1, at_ms, found, "f", heard={"f": at_ms})])
    assert len(shard.engine.shops["mall:A"].near) <= 1


def test_a_plan_with_another_lateness_holds_from_its_record_on():
    """Five minutes old is a backfill then, and the source is not caught up while such events come."""
    begin_ms = MIDNIGHT_MS + 10 * HOUR_MS
    shard = Shard(Plan({"mall": (pack(),)}, RuleSet()))
    shard.step([Record(1, begin_ms, [said(1, begin_ms)], "f")])
    turn_to(shard, "shorter", Plan({"mall": (pack(),)}, RuleSet(), lateness_ms=60_000))
    after_a_gap_ms = begin_ms + 10_000
    shard.step([Record(2, after_a_gap_ms, [said(2, after_a_gap_ms)], "f")])
    for second in range(4, 30, 4):
        at_ms = after_a_gap_ms + second * 1_000
        old = said(100 + second, at_ms - 300_000, conversation_id=f"c{second}")
        shard.step([Record(2 + second, at_ms, [old], "f")])
    assert shard.sources["f"].source.dark
