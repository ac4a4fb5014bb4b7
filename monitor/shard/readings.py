"""What rules on a shop are judged on, read from the engine when a rule asks for it and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine import figures
from monitor.engine.rounds import UNASSIGNED
from monitor.engine.units import UnitTally
from monitor.engine.wheel import NEVER_MS
from monitor.engine.zone import DAY_MS
from monitor.shard.response_reading import ResponseReading
from rules import budget
from rules.transition import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from monitor.engine.responses import Responses
    from monitor.engine.rounds import Round
    from monitor.engine.shop import Shop
    from monitor.engine.tallies import Tally
    from rules.pack import Measure

MINUTE_MS: Final = 60_000


class ShopReading(ResponseReading):
    """One measure of a shop over one period at a whole second; without a measure, only who is there."""

    __slots__ = (
        "_asked",
        "_counted",
        "_day",
        "_late",
        "_open",
        "_responses",
        "_tally",
        "_waiting",
        "measure",
        "period",
        "prefix",
        "shop",
    )

    def __init__(
        self,
        shop: Shop,
        measure: Measure | None,
        period: str,
        prefix: Sequence[int],
        now_ms: int,
        day: int,
        *,
        blind: bool = False,
        complete: bool = True,
        counted: figures.Counted | None = None,
    ) -> None:
        self.shop = shop
        self.measure = measure
        self.period = period
        self.prefix = prefix  # sums of the pack's half-hour profile
        self.now_ms = now_ms
        self._day = day  # the service day that is read: the clock's own, or one that just ended
        self.blind = blind
        self.complete = complete
        self._responses: Responses | None = None
        self._waiting: figures.Waiting | None = None
        self._counted = counted  # what the rate is summed from, where the caller knows it
        self._asked = self._late = self._open = -1  # not read yet
        self._tally: Tally | None = counted.today if counted is not None else None

    def _of_day(self) -> Tally | None:
        if self._tally is None and self.measure is not None:
            self._tally = figures.tally_of(self.shop.days.get(self._day), self.measure.id)
        return self._tally

    def _read(self) -> None:
        """Read what is counted."""
        counted = self._counted
        if counted is not None:
            self._asked, self._late, self._open = counted.asked(), counted.late(), counted.open()
        else:
            self._asked, self._late, self._open = self._figures()

    def _figures(self) -> tuple[int, int, int]:
        measure, shop = self.measure, self.shop
        if measure is None:
            return 0, 0, 0
        if measure.kind == "order_rate":
            with_event, of = figures.orders(shop, measure.id, self.period, self._moment())
            return of, with_event, 0
        if measure.kind == "response_time":
            times = self._times()
            return times.count if times is not None else 0, 0, 0
        if measure.kind != "reply_rate":
            return 0, 0, 0
        return figures.rate(shop, measure.id, self.period, self._moment())

    def may_move(self) -> bool:
        """Whether time can move anything of it: something is in its period, or is to come into it."""
        return self.asked > 0 or (
            self.measure is not None
            and figures.is_to_come(self.shop, self.measure.id, self.period, self.now_ms)
        )

    def _moment(self) -> int:
        """A moment of the day that is read."""
        if self.shop.day_number(self.now_ms) == self._day:
            return self.now_ms
        return self.shop.zone.midnight(self._day + 1) - 1

    @property
    def asked(self) -> int:
        """Units asked; of an order rate, orders formed."""
        if self._asked < 0:
            self._read()
        return self._asked

    @property
    def late(self) -> int:
        """Units late; of an order rate, orders with the event."""
        if self._asked < 0:
            self._read()
        return self._late

    @property
    def open(self) -> int:
        """Units that could still become late."""
        if self._asked < 0:
            self._read()
        return self._open

    @property
    def at_risk(self) -> int:
        """Open units are not late yet: each that is lost costs budget."""
        return self.open

    @property
    def expected(self) -> int:
        """R: units still expected today; none over a window, which does not end with the day."""
        if self._counted is None and not self._is_rate_of_days():
            return 0
        local = self.shop.zone.local(self.now_ms)
        tally = self._of_day()
        if tally is None or local // DAY_MS != self._day:
            return 0
        return budget.expected(tally.count(), self.prefix, local % DAY_MS // MINUTE_MS)

    def _is_rate_of_days(self) -> bool:
        measure = self.measure
        return measure is not None and measure.kind == "reply_rate" and self.period in figures.SPANS

    @property
    def newly_asked(self) -> int:
        """Units first asked in the last 30 minutes."""
        tally = self._of_day()
        return tally.asked.read(self.now_ms) if tally is not None else 0

    @property
    def newly_late(self) -> int:
        """Units that became late in the last 30 minutes."""
        tally = self._of_day()
        return tally.missed.read(self.now_ms) if tally is not None else 0

    @property
    def waiting(self) -> int:
        """Unanswered rounds now."""
        return self._waits().open

    @property
    def oldest_wait_ms(self) -> int | None:
        """The oldest of them."""
        return self._waits().oldest_ms

    def _waits(self) -> figures.Waiting:
        if self._waiting is None:
            self._waiting = figures.waiting(self.shop, self.now_ms)
        return self._waiting

    def _times(self) -> Responses | None:
        if self._responses is None and self.measure is not None and self.measure.kind == "response_time":
            self._responses = figures.responses(self.shop, self.measure.id, self.period, self._moment())
        return self._responses

    @property
    def agents_online(self) -> int | None:
        """Agents online; None when no agent event was ever seen."""
        return self.shop.online()

    @property
    def in_service(self) -> bool:
        """Whether now lies in the pack's service hours."""
        of_day = self.shop.zone.local(self.now_ms) % DAY_MS
        for start, end in self.shop.pack.on(self._day).spans:
            if start <= of_day < end:
                return True
        return False

    @property
    def items(self) -> tuple[Item, ...]:
        """Open counted rounds of the measure that a rule looks at, soonest deadline first."""
        measure = self.measure
        return items_of(self.shop.near, measure.id, self.now_ms) if measure is not None else ()


def items_of(rounds: Iterable[Round], measure: str, now_ms: int) -> tuple[Item, ...]:
    """Rounds whose deadline under a measure is still to come, as rules and pages see them."""
    found = []
    for r in rounds:
        conversation = r.conversation
        if conversation is None or r.ask_ms < 0:
            continue
        for tally in r.track.tallies:
            if tally.spec.measure != measure:
                continue
            deadline_ms = tally.deadline_ms(r, now_ms)
            if deadline_ms < NEVER_MS:
                holder = conversation.holder_at(now_ms, r.day)
                found.append(
                    Item(
                        conversation.id,
                        r.customer.lstrip("\0"),
                        r.ask_ms,
                        deadline_ms,
                        "" if holder == UNASSIGNED else holder,
                        not (isinstance(tally, UnitTally) and tally.is_late(r)),
                    )
                )
    if len(found) > 1:
        found.sort(key=lambda item: (item.deadline_ms, item.conversation_id))
    return tuple(found)


class PageReading(ShopReading):
    """As rules read it, but with every open round, not only those near a deadline."""

    __slots__ = ()

    @property
    def items(self) -> tuple[Item, ...]:
        """Open counted rounds of the measure, soonest deadline first."""
        if self.measure is None:
            return ()
        open_rounds = [r for conversation in self.shop.conversations.values() for r in conversation.open]
        return items_of(open_rounds, self.measure.id, self.now_ms)
