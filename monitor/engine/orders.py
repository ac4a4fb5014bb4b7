"""Orders: on which service day each was first formed, and which became the platform's case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.limits import ORDER_DAYS
from monitor.engine.table import key_of

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.events import Event
    from monitor.engine.shop import Shop

FORMING: Final = frozenset({"order.grouped", "order.paid"})


def take_order(shop: Shop, event: Event) -> None:
    """Count an order as formed, or as having the event of an order rate, once a day each."""
    assert isinstance(event.at, int)
    what = f"{event.type}.{event.action}"
    day = shop.day_at(event.at)
    if what in FORMING:
        _form(shop, day, _key(event))
    for place, spec in enumerate(day.spec.orders):
        if spec.event == what and (not spec.outcomes or event.outcome in spec.outcomes):
            _change(shop, day.disputed[place].add(_key(event)))


def _key(event: Event) -> int:
    return key_of(event.order_id or f"\0{event.dispute_id or event.refund_id}")


def _change(shop: Shop, changed: bool) -> None:
    if changed:
        shop.orders_changed = True
        shop.touched()


def _form(shop: Shop, day: Day, key: int) -> None:
    number = day.number
    for closed, keys in shop.formed.items():
        if number - ORDER_DAYS < closed and key in keys:
            return
    for other in shop.days.values():
        if other is not day and key in other.formed:
            if other.number < number:
                return
            other.formed.discard(key)
    _change(shop, day.formed.add(key))
