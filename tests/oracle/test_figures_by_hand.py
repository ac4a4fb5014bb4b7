"""Figures over periods, windows, agents and orders."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.engine.events import Event
from rules.pack import Measure, Text
from tests.oracle.by_hand import HOUR, MINUTE, NEXT, Shop, ms, pack, pdd, rate, taobao
from tests.oracle.days import DayRule, window


def test_periods_are_sums_of_service_days_the_clocks_own_included():
    shop = taobao(periods=("7d", "30d"))
    for day in range(1, 12):
        shop.asks("10:00:00", day=f"2026-11-{day:02}")
    assert shop.counts("12:00:00") == (1, 1, 0)
    assert shop.counts("12:00:00", period="7d") == (7, 7, 0)
    assert shop.counts("12:00:00", period="30d") == (11, 11, 0)


def test_a_window_ends_at_the_next_bucket_edge_and_counts_rounds_by_ask():
    assert window(30 * MINUTE, 1_000_000) == range(1_020_000 - 30 * MINUTE, 1_020_000)
    assert window(5 * MINUTE, 1_000_000).stop == 1_005_000
    assert window(24 * HOUR, 0) == range(-24 * HOUR + 30 * MINUTE, 30 * MINUTE)
    shop = Shop(pack(rate(unit="customer_day", periods=("15m",))))
    shop.asks("10:00:00", "A")
    shop.answers("10:00:10")
    shop.asks("10:00:29.999", "A")
    # width 15 min: buckets of 30 s; at 10:15:00 the window is [10:00:30, 10:15:30)
    assert shop.counts("10:14:59.999", period="15m") == (2, 1, 0)
    assert shop.counts("10:15:00", period="15m") == (0, 0, 0)


def test_newly_asked_and_newly_late_are_units_by_first_ask_and_first_miss():
    shop = pdd()
    shop.asks("10:00:00", "A")
    shop.answers("10:20:00")  # first miss 10:03:00
    shop.asks("10:25:00", "A")  # second miss 10:28:00 changes nothing
    newly = {
        clock: shop.figures(clock)["newly"]["rate"]
        for clock in ("10:29:30", "10:30:00", "10:32:59", "10:33:00")
    }
    assert newly["10:29:30"] == {"newly_asked": 1, "newly_late": 1}
    assert newly["10:30:00"] == {"newly_asked": 0, "newly_late": 1}
    assert newly["10:32:59"] == {"newly_asked": 0, "newly_late": 1}
    assert newly["10:33:00"] == {"newly_asked": 0, "newly_late": 0}


def test_the_holder_at_the_deadline_is_who_was_given_it_else_who_wrote_last():
    shop = taobao()
    shop.asks("10:00:00")
    shop.answers("10:00:10", agent_id="writer")
    shop.asks("10:01:00")  # late at 10:04: the writer's
    shop.answers("10:10:00", agent_id="")
    shop.asks("10:20:00")
    shop.does("10:23:00", "assigned", agent_id="given")  # exactly at the deadline
    assert shop.figures()["agents"]["rate"] == {
        "given": {"answered": 0, "late": 1},
        "writer": {"answered": 1, "late": 1},
    }


def test_response_times_use_bins_of_a_second_and_nearest_rank():
    shop = Shop(pack(rate(id="time", kind="response_time", within_ms=None)))
    for n, wait in enumerate((0, 1, 1000, 1001, 30_000, 30_001, 300_000, 300_001, 306_000, 306_001)):
        at = ms("10:00:00")
        shop.asks("10:00:00", conversation_id=f"c{n}", arrives=at)
        event = Event(type="message", id=f"a{n}", at=at + wait, platform="pinduoduo", shop_id="s1")
        event.conversation_id, event.actor = f"c{n}", "agent"
        assert shop.oracle.feed(event, at + 400_000) == "accepted"
    # ranks of 10: p50 5th, p90 9th, p95 10th; edges above 300 s: 306 000, 312 120
    assert shop.figures()["measures"]["time"]["day"] == {
        "count": 10,
        "sum_ms": 1_274_005,
        "max_ms": 306_001,
        "p50_ms": 30_000,
        "p90_ms": 306_000,
        "p95_ms": 312_120,
    }


def test_order_rate_counts_orders_on_their_day_and_longer_periods_are_sums():
    disputes = Measure(
        id="rate", title=Text("率"), kind="order_rate", event="dispute.opened", periods=("7d",)
    )
    shop = Shop(pack(disputes))
    shop.tell("10:00:00", "order", action="created", order_id="o1")
    shop.tell("10:01:00", "order", action="paid", order_id="o1")
    shop.tell("10:02:00", "order", action="grouped", order_id="o1")
    shop.tell("10:03:00", "order", action="paid", order_id="o2")
    shop.tell("11:00:00", "dispute", action="opened", order_id="o1", dispute_id="d1")
    shop.tell("12:00:00", "dispute", action="opened", order_id="o1", dispute_id="d2")
    assert shop.figures()["measures"]["rate"]["day"] == {"count": 1, "of": 2}
    shop.tell("10:00:00", "order", day=NEXT, action="grouped", order_id="o2")
    shop.tell("11:00:00", "dispute", day=NEXT, action="opened", order_id="o1")
    assert shop.figures("12:00:00", NEXT)["measures"]["rate"] == {
        "day": {"count": 1, "of": 0},
        "7d": {"count": 2, "of": 2},
    }


def test_an_order_rate_may_ask_for_an_outcome():
    refunds = Measure(
        id="rate", title=Text("率"), kind="order_rate", event="dispute.closed", outcome=("refunded",)
    )
    shop = Shop(pack(refunds))
    shop.tell("10:00:00", "dispute", action="closed", order_id="o1", outcome="refused")
    shop.tell("10:00:00", "dispute", action="closed", order_id="o2", outcome="refunded")
    assert shop.figures()["measures"]["rate"]["day"] == {"count": 1, "of": 0}


def test_service_days_follow_the_zone_through_a_change_of_clocks():
    zone = ZoneInfo("America/New_York")
    rule = DayRule(pack(), rate(), zone, datetime(2026, 11, 1, tzinfo=zone).date())
    begin = int(datetime(2026, 11, 1, tzinfo=zone).timestamp()) * 1000
    assert rule.midnight_ms - begin == 25 * HOUR
    assert rule.in_hours(begin + 9 * HOUR)  # the wall clock shows 08:00
    assert not rule.in_hours(begin + 9 * HOUR - 1)
