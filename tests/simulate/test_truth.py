"""The simulation's truth is what the definitions give for the events it sends."""

from __future__ import annotations

import pytest

from monitor.workbench.simulate import Simulation
from monitor.workbench.truth import Counts, Truth, day_of
from monitor.workbench.world import DAY_MS, HOUR_MS, Habits, make_world
from rules.load import load_packs
from rules.pack import Measure, Pack, Span, Text
from tests.oracle.naive import Oracle

MIDNIGHT_MS = 1_794_326_400_000  # 2026-11-11T00:00:00+08:00
RATE = {"kind": "reply_rate", "within_ms": 180_000, "counts": "human_stage", "answered_by": ("agent",)}
PACK = Pack(
    id="simulated",
    version="1",
    timezone="Asia/Shanghai",
    service_hours=(Span(8 * HOUR_MS, 23 * HOUR_MS),),
    measures={
        "by_round": Measure(id="by_round", title=Text("轮"), unit="round", **RATE),
        "by_customer": Measure(id="by_customer", title=Text("人"), unit="customer_day", **RATE),
        "disputes": Measure(id="disputes", title=Text("介入"), kind="order_rate", event="dispute.opened"),
        "refunds": Measure(id="refunds", title=Text("退款"), kind="order_rate", event="refund.requested"),
    },
)
# Everything that goes wrong, more often than it does.
HABITS = Habits(
    late_a_little=0.1, late_a_lot=0.02, repeated=0.05, never_answered=0.03, transferred=0.1, disputed=0.05
)


def oracle_figures(simulation: Simulation, as_of_ms: int):
    oracle = Oracle({"pinduoduo": [PACK], "taobao": [PACK]})
    verdicts = [oracle.feed(event, arrival_ms) for arrival_ms, event in simulation]
    return verdicts, {
        f"{shop['platform']}:{shop['shop_id']}": shop["measures"]
        for shop in oracle.figures(as_of_ms)["shops"]
    }


@pytest.mark.parametrize(("seed", "hours"), [(1, (7, 10)), (2, (18, 25)), (3, (10, 13)), (4, (21, 33))])
def test_truth_is_what_the_definitions_give(seed, hours):
    """Rounds, customers, orders and disputes of each shop's last day equal the oracle's, to the unit."""
    from_ms, until_ms = (MIDNIGHT_MS + hour * HOUR_MS for hour in hours)
    world = make_world(5, seed, from_ms, until_ms, conversations=150, sources=2, habits=HABITS)
    simulation = Simulation(world)
    verdicts, figures = oracle_figures(simulation, until_ms)
    day = day_of(until_ms)
    assert set(verdicts) == {"accepted", "duplicate"}
    assert verdicts.count("duplicate") == simulation.repeated > 0
    for shop in world.shops:
        truth = simulation.truth.figures(shop.key, day, until_ms)
        found = {measure: periods["day"] for measure, periods in figures[shop.key].items() if periods}
        for measure, counts in (("by_round", truth.rounds), ("by_customer", truth.customers)):
            assert (counts.asked, counts.late, counts.open) == tuple(
                found[measure][part] for part in ("asked", "late", "open")
            ), (shop.key, measure)
        assert (truth.disputed, truth.orders) == (found["disputes"]["count"], found["disputes"]["of"])
        assert (truth.refunded, truth.orders) == (found["refunds"]["count"], found["refunds"]["of"])


def test_truth_is_what_the_shipped_packs_count():
    """Pinduoduo's 3-minute rate by customers, Taobao's by rounds, over a whole day of simulated shops."""
    world = make_world(6, 5, MIDNIGHT_MS + 7 * HOUR_MS, MIDNIGHT_MS + 23 * HOUR_MS, conversations=80)
    simulation = Simulation(world)
    oracle = Oracle({pack[0].platform: pack for pack in load_packs().values()})
    for arrival_ms, event in simulation:
        oracle.feed(event, arrival_ms)
    for shop in oracle.figures(world.until_ms)["shops"]:
        key = f"{shop['platform']}:{shop['shop_id']}"
        truth = simulation.truth.figures(key, day_of(world.from_ms), world.until_ms)
        counts = truth.customers if shop["platform"] == "pinduoduo" else truth.rounds
        found = shop["measures"]["reply_rate_3m"]["day"]
        assert (found["asked"], found["late"], found["open"]) == (counts.asked, counts.late, counts.open), key


def test_truth_tells_open_rounds_from_late_ones_by_the_clock():
    """A round nobody answers is open up to its deadline, then late, whatever the customer's other rounds."""
    truth = Simulation(make_world(1, 1, MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)).truth
    ask_ms = MIDNIGHT_MS + 12 * HOUR_MS
    truth.add_round("p:s", 7, [ask_ms, ask_ms + 5_000], None)
    day = day_of(ask_ms)
    assert truth.figures("p:s", day, ask_ms + 180_000).customers.open == 1
    assert truth.figures("p:s", day, ask_ms + 180_000).rounds.late == 0
    after = truth.figures("p:s", day, ask_ms + 180_001)
    assert (after.customers.open, after.customers.late, after.rounds.late) == (0, 1, 1)


def test_what_the_robot_answers_only_after_the_end_is_open_at_the_end():
    until_ms = MIDNIGHT_MS + 12 * HOUR_MS
    truth = Truth(until_ms)
    truth.add_served("p:s", 7, until_ms - 500, until_ms - 1)
    assert truth.figures("p:s", day_of(until_ms), until_ms).rounds == Counts(0, 0, 0)
    truth.add_served("p:s", 7, until_ms - 500, until_ms)
    assert truth.figures("p:s", day_of(until_ms), until_ms).rounds == Counts(1, 0, 1)
