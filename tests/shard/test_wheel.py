"""What is due at a second is done at it, or at the next there is."""

from __future__ import annotations

from monitor.engine.engine import Engine
from monitor.engine.events import Event
from monitor.engine.history import totals_of
from monitor.engine.wheel import Wheel
from monitor.plan import engine_spec
from rules.load import load_packs

MIDNIGHT = 1_794_326_400_000  # in Shanghai
MINUTE, HOUR = 60_000, 3_600_000


def test_what_is_set_for_a_second_that_has_passed_is_due_at_the_next():
    shop = Engine(engine_spec(load_packs(), 10 * MINUTE)).add_shop("pinduoduo", "s1")
    day = shop.begin(20_768, shop.pack.on(20_768))
    wheel = Wheel()
    wheel.take(100)
    wheel.after(40_500, day)
    wheel.at(100_000, day)
    assert wheel.next_second() == 101
    assert wheel.take(101) == [day, day]


def test_a_day_that_is_backfilled_after_it_would_have_settled_closes_24_hours_after_its_midnight():
    """Nothing of it is kept in full for ever, and no second is looked at for it."""
    engine = Engine(engine_spec(load_packs(), 10 * MINUTE))
    engine.advance(MIDNIGHT + HOUR)
    late = Event(
        type="order",
        id="o1-formed",
        at=MIDNIGHT - 2 * HOUR,
        platform="pinduoduo",
        shop_id="s1",
        order_id="o1",
        action="grouped",
    )
    assert not engine.fold([late], engine.now_ms)
    shop = engine.shops["pinduoduo:s1"]
    (day,) = shop.days
    engine.advance(MIDNIGHT + 24 * HOUR - 1_000)
    assert list(shop.days) == [day]
    engine.advance(MIDNIGHT + 24 * HOUR)
    assert not shop.days
    assert len(totals_of(shop.closed, shop.packer, day, day)) == 1
    assert engine.wheel.next_second() is None
