"""Reading the figures of a shop at a moment: pairs of integers, never a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from monitor.engine.history import totals_of
from monitor.engine.responses import Responses
from monitor.engine.windows import bucket_ms, edges_ms

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.shop import Shop
    from monitor.engine.tallies import Tally
    from monitor.engine.tracks import Answers

SPANS: Final = {"day": 1, "7d": 7, "30d": 30}


class Rate(NamedTuple):
    """A reply rate over a period: value (asked − late) / asked, worst (asked − late − open) / asked."""

    asked: int = 0
    late: int = 0
    open: int = 0


class Orders(NamedTuple):
    """An order rate over a period: ``value = with_event / of``."""

    with_event: int = 0
    of: int = 0


class Waiting(NamedTuple):
    """Unanswered rounds of the pack's first reply rate."""

    open: int
    oldest_ms: int | None


class Past:
    """Sums of closed days, by measure. Response times are summed when somebody asks for them."""

    __slots__ = ("orders", "rates", "responses")

    def __init__(self, rates: dict[str, tuple[int, int]], orders: dict[str, tuple[int, int]]) -> None:
        self.rates = rates  # asked, late
        self.orders = orders  # orders with the event, orders formed
        self.responses: dict[str, Responses] | None = None


def window_ms(period: str) -> int | None:
    """The width of a sliding window (``15m``, ``1h``); None for ``day``, ``7d``, ``30d``."""
    if period in SPANS:
        return None
    return int(period[:-1]) * (60_000 if period[-1] == "m" else 3_600_000)


def tally_of(day: Day | None, measure: str) -> Tally | None:
    """The tally of a reply rate on a day."""
    if day is not None:
        for track in day.tracks:
            for tally in track.tallies:
                if tally.spec.measure == measure:
                    return tally
    return None


def answers_of(day: Day | None, measure: str) -> Answers | None:
    """The answers of a response time on a day."""
    if day is not None:
        for track in day.tracks:
            for answers in track.responses:
                if answers.measure == measure:
                    return answers
    return None


def _kept(shop: Shop, today: int, span: int) -> list[Day]:
    if span == 1:
        day = shop.days.get(today)
        return [day] if day is not None else []
    return [day for number, day in shop.days.items() if today - span < number <= today]


NOTHING_PAST: Final = Past({}, {})  # of every shop whose first day has not ended


def _past(shop: Shop, today: int, span: int) -> Past:
    """The sums of closed days among the last ``span`` service days."""
    if not shop.closed:
        return NOTHING_PAST
    found = shop.past.get((today, span))
    if found is None:
        found = shop.past[today, span] = Past({}, {})
        for day in totals_of(shop.closed, shop.packer, today - span + 1, today):
            for measure, (asked, late) in day.rates.items():
                known = found.rates.get(measure, (0, 0))
                found.rates[measure] = (known[0] + asked, known[1] + late)
            for measure, (count, of) in day.orders.items():
                known = found.orders.get(measure, (0, 0))
                found.orders[measure] = (known[0] + count, known[1] + of)
    return found


def _past_responses(shop: Shop, today: int, span: int) -> dict[str, Responses]:
    past = _past(shop, today, span)
    if past.responses is None:
        past.responses = {}
        for day in totals_of(shop.closed, shop.packer, today - span + 1, today):
            for measure, row in day.responses.items():
                past.responses.setdefault(measure, Responses()).merge(Responses(row))
    return past.responses


class Counted:
    """What a reply rate over service days is summed from: the tallies of days that are kept, and totals."""

    __slots__ = ("past_asked", "past_late", "tallies", "today")

    def __init__(self, shop: Shop, measure: str, today: int, span: int) -> None:
        self.tallies = [
            tally for day in _kept(shop, today, span) if (tally := tally_of(day, measure)) is not None
        ]
        self.today = tally_of(shop.days.get(today), measure)
        self.past_asked, self.past_late = 0, 0
        if span > 1:
            self.past_asked, self.past_late = _past(shop, today, span).rates.get(measure, (0, 0))

    def asked(self) -> int:
        """Units asked."""
        asked = self.past_asked
        for tally in self.tallies:
            asked += tally.open + tally.late + tally.good
        return asked

    def asked_today(self) -> int:
        """Those of the last of the days: what is expected of the rest of it follows from them."""
        return self.today.count() if self.today is not None else 0

    def late(self) -> int:
        """Units late."""
        late = self.past_late
        for tally in self.tallies:
            late += tally.late
        return late

    def open(self) -> int:
        """Units that may still become late."""
        still = 0
        for tally in self.tallies:
            still += tally.open
        return still


def rate(shop: Shop, measure: str, period: str, now_ms: int) -> Rate:
    """A reply rate over a period."""
    width = window_ms(period)
    if width is not None:
        log = shop.state_windows.get((measure, width))
        if log is None:
            return Rate()
        still, late, good = log.read(now_ms)
        return Rate(still + late + good, late, still)
    counted = Counted(shop, measure, shop.day_number(now_ms), SPANS[period])
    return Rate(counted.asked(), counted.late(), counted.open())


def is_to_come(shop: Shop, measure: str, period: str, now_ms: int) -> bool:
    """Whether rounds are known that a window does not cover yet: events may be dated ahead of the clock."""
    width = window_ms(period)
    if width is None:
        return False
    last = now_ms // bucket_ms(width)  # of the buckets that it covers
    states, waits = shop.state_windows.get((measure, width)), shop.wait_windows.get((measure, width))
    latest = max(states.buckets, default=0) if states is not None else 0
    return latest > last or (waits is not None and max(waits.buckets, default=0) > last)


def responses(shop: Shop, measure: str, period: str, now_ms: int) -> Responses:
    """A response time over a period."""
    total = Responses()
    width = window_ms(period)
    if width is not None:
        log = shop.wait_windows.get((measure, width))
        for wait_ms in log.read(now_ms) if log is not None else ():
            total.add(wait_ms)
        return total
    today, span = shop.day_number(now_ms), SPANS[period]
    for day in _kept(shop, today, span):
        answers = answers_of(day, measure)
        if answers is not None:
            total.merge(day.responses_of(answers))
    if span > 1:
        past = _past_responses(shop, today, span).get(measure)
        if past is not None:
            total.merge(past)
    return total


def orders(shop: Shop, measure: str, period: str, now_ms: int) -> Orders:
    """An order rate over a period of days."""
    today, span = shop.day_number(now_ms), SPANS[period]
    count = of = 0
    for day in _kept(shop, today, span):
        specs = day.spec.orders
        for place in range(len(specs)):
            if specs[place].measure == measure:
                count, of = count + len(day.disputed[place]), of + len(day.formed)
    if span > 1:
        past = _past(shop, today, span).orders.get(measure, (0, 0))
        count, of = count + past[0], of + past[1]
    return Orders(count, of)


def waiting(shop: Shop, now_ms: int) -> Waiting:
    """How many rounds wait now, and how long the oldest has."""
    count, oldest = 0, now_ms
    for day in shop.days.values():
        for ask in day.waiting.values():
            count += 1
            oldest = min(oldest, ask)
    return Waiting(count, now_ms - oldest if count else None)


def agents(shop: Shop, measure: str, now_ms: int) -> dict[str, tuple[int, int]]:
    """Per agent of the current day: (answered, late), sorted by agent."""
    tally = tally_of(shop.days.get(shop.day_number(now_ms)), measure)
    if tally is None:
        return {}
    return {agent: (row[0], row[1]) for agent, row in sorted(tally.agents.items())}


def pace(shop: Shop, measure: str, now_ms: int) -> tuple[int, int]:
    """Units of the current day newly asked and newly late in the last 30 minutes."""
    tally = tally_of(shop.days.get(shop.day_number(now_ms)), measure)
    return (tally.asked.read(now_ms), tally.missed.read(now_ms)) if tally is not None else (0, 0)


def window_edges_ms(period: str, now_ms: int) -> tuple[int, int]:
    """The half-open interval a sliding window covers."""
    width = window_ms(period)
    assert width is not None
    return edges_ms(width, now_ms)
