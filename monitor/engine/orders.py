"""Orders: on which service day each was first formed, and which became the platform's case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from monitor.engine.fields import ACTION, AT, DISPUTE_ID, ORDER_ID, OUTCOME, REFUND_ID, TYPE
from monitor.engine.keys import key_of
from monitor.engine.limits import ORDER_DAYS

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.shop import Shop

FORMING: Final = frozenset({"order.grouped", "order.paid"})


def take_order(shop: Shop, fields: tuple[Any, ...]) -> None:
    """Count an order as formed, or as having the event of an order rate, once a day each.

    Args:
        shop: Whose.
        fields: Of the event; one that names no order, dispute or refund counts for nothing.
    """
    of_order = fields[DISPUTE_ID] or fields[REFUND_ID]
    name: str = fields[ORDER_ID] or (f"\0{of_order}" if of_order else "")
    if not name:
        return
    what = f"{fields[TYPE]}.{fields[ACTION]}"
    day = shop.day_at(fields[AT])
    if what in FORMING:
        _form(shop, day, key_of(name))
    for place, spec in enumerate(day.spec.orders):
        if spec.event == what and (not spec.outcomes or fields[OUTCOME] in spec.outcomes):
            _change(shop, day.disputed[place].add(key_of(name)))


def _change(shop: Shop, changed: bool) -> None:
    if changed:
        shop.orders_changed = True
        shop.touched()


def _form(shop: Shop, day: Day, key: bytes) -> None:
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
