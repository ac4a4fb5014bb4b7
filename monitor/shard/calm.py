"""Whether a shop can be left alone: what its rules could say at most while nothing happens in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.wheel import NEVER_MS
from monitor.shard.lookout import FEW, LATE, NEAR
from monitor.shard.readings import ShopReading

if TYPE_CHECKING:
    from monitor.engine.shop import Shop
    from monitor.shard.watch import ShopWatch

AT_ONCE: Final = 0


class CalmReading(ShopReading):
    """A shop's figures at the worst that time alone can make of them on this service day.

    Nobody else asks, and all misses of the last half hour stay in it, with those to come that are counted
    already, since events may be dated ahead of the clock: then no less is left of a budget at any second to
    come, and the line is no nearer.
    """

    __slots__ = ()

    @property
    def expected(self) -> int:
        """The least that the forecast can come to."""
        return 0

    @property
    def newly_asked(self) -> int:
        """The least that the pace can come to."""
        return 0

    @property
    def newly_late(self) -> int:
        """The most that it can come to."""
        tally = self._of_day()
        return tally.missed.most(self.now_ms) if tally is not None else 0

    @property
    def in_service(self) -> bool:
        """Some second of the day is."""
        return True


def calm_until_ms(shop: Shop, watch: ShopWatch, now_ms: int) -> int:
    """Until when no rule says anything of a shop unless a figure moves; 0: that is not known.

    Until then a look at it changes nothing, whether time, a blind source or its return asks for it.
    """
    day = shop.day_number(now_ms)
    if watch.states or watch.removed or watch.day != day:
        return 0
    watch.turn()
    for lookout in watch.lookouts:
        watched = lookout.watched
        if lookout.is_calm():
            continue
        if watched.gate == LATE and (lookout.counted is None or not lookout.counted.late()):
            continue
        if watched.gate == NEAR and not shop.near and not any_marks(shop, now_ms):
            continue
        reading = CalmReading(
            shop, watched.measure, watched.period, watch.sums, now_ms, day, counted=lookout.counted
        )
        if watched.judge.could_hold(reading):
            return 0
    return shop.zone.midnight(day + 1)


def outlasts_deadlines(watch: ShopWatch) -> bool:
    """Whether no rule says anything of a calm shop even if all that may become late of it does."""
    for lookout in watch.lookouts:
        counted = lookout.counted
        if counted is None or lookout.known == FEW:
            continue
        still = counted.open()
        if still and not lookout.watched.judge.is_spared(counted.asked(), counted.late() + still):
            return False
    return True


def any_marks(shop: Shop, now_ms: int) -> bool:
    """Whether rules on conversations are still to look at one as it is."""
    return any(r.mark_ms > now_ms and r.is_open() for one in shop.conversations.values() for r in one.open)


def due_ms(shop: Shop, watch: ShopWatch | None, calm_ms: int, now_ms: int) -> int:
    """When time alone next does something to a shop: a deadline, a wait that ends, a look of its rules."""
    if shop.changed:
        return AT_ONCE
    found = NEVER_MS
    for conversation in shop.conversations.values():
        for r in conversation.open:
            if r.is_open():
                if 0 < r.deadline_ms < NEVER_MS:
                    found = min(found, r.deadline_ms + 1)
                if r.mark_ms > now_ms and not calm_ms:
                    found = min(found, r.mark_ms)
    if found < calm_ms and watch is not None and outlasts_deadlines(watch):
        found = calm_ms  # what became late by then is counted as it wakes
    for day in shop.days.values():
        if day.waiting:
            found = min(found, day.settles_ms + 1)
    if watch is None:
        return found
    if not calm_ms:
        return min(found, min(watch.seconds) * 1000) if watch.seconds else found
    return min(found, calm_ms) if watch.next_ms else found
