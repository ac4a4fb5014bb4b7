"""What a simulation knows about itself: the figures of its traffic, by construction.

The generator draws each wait, so it knows each round without reading a single event back. The counting
is that of ``reply_rate`` within three minutes by a human, in the human stage, asked from 08:00 to 23:00,
where a hand-over opens a round: by round, and by customer and day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.workbench.world import DAY_MS, HOUR_MS, MINUTE_MS, ZONE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_MS = 3 * MINUTE_MS
SERVICE_MS = (8 * HOUR_MS, 23 * HOUR_MS)


def day_of(at_ms: int) -> int:
    """The service day an instant lies in, as days since 1970-01-01."""
    return (at_ms + ZONE_MS) // DAY_MS


def in_service(at_ms: int) -> bool:
    """Whether an instant lies in the hours in which asks count."""
    return SERVICE_MS[0] <= (at_ms + ZONE_MS) % DAY_MS < SERVICE_MS[1]


@dataclass(frozen=True, slots=True)
class Counts:
    """Units of a reply rate: asked, late, and open ones that may still become late."""

    asked: int
    late: int
    open: int


@dataclass(frozen=True, slots=True)
class ShopDayFigures:
    """The truth about one shop's service day."""

    rounds: Counts
    customers: Counts
    orders: int  # formed that day
    disputed: int  # distinct orders the platform stepped in on that day
    refunded: int  # distinct orders a refund was requested for that day


@dataclass(slots=True)
class _ShopDay:
    rounds: int = 0
    late: int = 0
    customers: set[int] = field(default_factory=set)
    late_customers: set[int] = field(default_factory=set)
    unanswered: list[tuple[int, int]] = field(default_factory=list)  # (deadline_ms, customer)
    orders: int = 0
    disputed: set[int] = field(default_factory=set)
    refunded: set[int] = field(default_factory=set)


class Truth:
    """Collects what is generated, by shop key and service day."""

    def __init__(self, until_ms: int) -> None:
        self._until_ms = until_ms
        self._days: dict[tuple[str, int], _ShopDay] = {}

    def days(self) -> list[tuple[str, int]]:
        """Every (shop key, service day) with something to count, in order."""
        return sorted(self._days)

    def add_round(self, shop: str, customer: int, asks: Sequence[int], answer_ms: int | None) -> None:
        """A round with customer messages at ``asks`` (rising) and its answer, if there ever is one."""
        ask = next((at for at in asks if in_service(at) and at < self._until_ms), None)
        if ask is None:
            return
        day = self._day(shop, asks[0])
        day.rounds += 1
        day.customers.add(customer)
        if answer_ms is None or answer_ms >= self._until_ms:
            day.unanswered.append((ask + LIMIT_MS, customer))
        elif answer_ms > ask + LIMIT_MS:
            day.late += 1
            day.late_customers.add(customer)

    def add_served(self, shop: str, customer: int, ask_ms: int, served_ms: int) -> None:
        """A question that the robot alone serves: it counts as long as it has not."""
        if served_ms >= self._until_ms:
            self.add_round(shop, customer, [ask_ms], None)

    def add_order(self, shop: str, order: int, formed_ms: int, refund_ms: int, dispute_ms: int) -> None:
        """An order; 0 where it was never refunded or disputed."""
        if formed_ms < self._until_ms:
            self._day(shop, formed_ms).orders += 1
        if 0 < refund_ms < self._until_ms:
            self._day(shop, refund_ms).refunded.add(order)
        if 0 < dispute_ms < self._until_ms:
            self._day(shop, dispute_ms).disputed.add(order)

    def figures(self, shop: str, day: int, as_of_ms: int) -> ShopDayFigures:
        """The figures of a shop's service day as the clock stands at ``as_of_ms``, not before the end."""
        seen = self._days.get((shop, day)) or _ShopDay()
        overdue = [customer for deadline_ms, customer in seen.unanswered if deadline_ms < as_of_ms]
        waiting = {customer for deadline_ms, customer in seen.unanswered if deadline_ms >= as_of_ms}
        late_customers = seen.late_customers.union(overdue)
        return ShopDayFigures(
            rounds=Counts(seen.rounds, seen.late + len(overdue), len(seen.unanswered) - len(overdue)),
            customers=Counts(len(seen.customers), len(late_customers), len(waiting - late_customers)),
            orders=seen.orders,
            disputed=len(seen.disputed),
            refunded=len(seen.refunded),
        )

    def _day(self, shop: str, at_ms: int) -> _ShopDay:
        key = (shop, day_of(at_ms))
        found = self._days.get(key)
        if found is None:
            found = self._days[key] = _ShopDay()
        return found
