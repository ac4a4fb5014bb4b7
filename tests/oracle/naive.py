"""The oracle: keeps every event and recomputes every figure by definition. Plain and slow on purpose.

It is written from the text of the design (§4 to §6) and ``docs/decisions.md`` alone and shares no code
with the engine. Where the text admits two readings, this is the one taken:

1. Ids: a valid event is remembered even when it is then dropped as late; a repeat does not renew the
   memory; remembered while ``clock - arrival <= 2 * lateness``. Content is every field but ``source`` and
   ``received_at``. A repeat that comes after the memory ended is dropped as late.
2. Arrival is the clock after the arrival: ``max(clock, arrival)``; a rejected event advances it too.
3. "Its conversation" in decision 1 and "any of its events" in §4: events of type message, conversation,
   rating and complaint that name the conversation, of any day.
4. A platform without a pack has no service day: its valid events are accepted, never late.
5. All versions of one platform's pack share one time zone. Service hours are what the wall clock shows.
6. An accepted event acts at once, also when its ``at`` lies ahead of the clock.
7. Settled is final (decision 3): an event that arrives when ``clock > max(last change, arrival of the last
   customer message in event order) + lateness`` no longer sees the round; a customer message then opens a
   new one. Only ``exclude`` still takes settled rounds out. The last change is ``midnight - 1`` or the
   deadline, the longest of the measures that have the same rounds. A hand-over that opened a round is its
   customer message. A round without an ask ends at midnight.
8. The robot's stage after midnight is the new day's; a round opened by a hand-over was opened in the human
   stage; after ``handed_back`` a round that was once handed over stays so.
9. ``assigned`` and ``transferred`` of that service day make a holder, as who wrote does.
   Who wrote is an ``agent`` (a human) with an ``agent_id``. An answer without one is credited to nobody.
10. Unit ``message``: an agent's ``late`` is in messages, ``answered`` in rounds; sliding windows in rounds.
11. Measures shown are those of the pack of the clock's day; each earlier day counts by its own pack's measure
    of the same id and kind. ``waiting`` is of each day's pack's first reply rate: counted rounds unanswered
    and not settled, of any day; the oldest wait is never below 0.
12. An order is the same one on the service day of its first forming and the six after it.
13. A response time's percentile is an upper edge, also where that is above the exact maximum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from monitor.engine.events import ACTIONS, Event
from rules.pack import DAY_MS, HOUR_MS, Measure, Pack
from tests.oracle.days import DayRule, days_of_period, midnight_after, pack_of_day, service_day, window
from tests.oracle.rounds import Heard, Round, counted_rounds

YEAR_2000_MS = 946_684_800_000
AHEAD_MS = 300_000
OF_CONVERSATION = ("message", "conversation", "rating", "complaint")
NEWLY_MS = 1_800_000
SAME_ORDER_DAYS = 7

Figures = dict[str, Any]


def window_ms_of(period):
    """Width of a sliding window (``5m`` … ``24h``); None for ``day``, ``7d``, ``30d``."""
    unit_ms = {"m": 60_000, "h": HOUR_MS}.get(period[-1:])
    return int(period[:-1]) * unit_ms if unit_ms else None


@dataclass(frozen=True)
class Wait:
    """What a rate judges: a round from its ask, or (unit ``message``) one message of it."""

    round: Round
    asked_ms: int

    @property
    def deadline_ms(self) -> int:
        return self.asked_ms + self.round.rule.limit_ms

    def is_late(self, now_ms: int) -> bool:
        answer = self.round.answer
        return (now_ms if answer is None else answer.at) > self.deadline_ms

    def is_open(self, now_ms: int) -> bool:
        return self.round.answer is None and now_ms <= self.deadline_ms


CLOSED_AFTER_MS = 86_400_000  # a day is closed so long after its midnight (decision 2)
Unit = list[Wait]  # the waits that decide about one unit, the first one first


def by_round(rounds: Iterable[Round]) -> list[Wait]:
    waits = [Wait(r, r.asked[0].at) for r in rounds]
    return sorted(waits, key=lambda w: (w.asked_ms, w.round.messages[0].order))


def by_message(rounds: Iterable[Round]) -> list[Wait]:
    return [Wait(r, m.at) for r in rounds for m in r.asked]


def units_of_day(rounds: Sequence[Round], measure: Measure) -> list[Unit]:
    """The units of one service day."""
    if measure.unit == "message":
        return [[w] for w in by_message(rounds)]
    if measure.unit == "round":
        return [[w] for w in by_round(rounds)]
    units: dict[object, Unit] = defaultdict(list)
    for wait in by_round(rounds):
        session = wait.round.messages[0].event.conversation_id
        units[session if measure.unit == "session" else wait.round.customer].append(wait)
    only_first = measure.late_if == "first_round"
    return [waits[:1] if only_first else waits for waits in units.values()]


def unit_is_late(unit: Unit, now_ms: int) -> bool:
    return any(w.is_late(now_ms) for w in unit)


def unit_is_open(unit: Unit, now_ms: int) -> bool:
    return not unit_is_late(unit, now_ms) and any(w.is_open(now_ms) for w in unit)


def tally(units: Sequence[Unit], now_ms: int) -> Figures:
    """Asked, late and open units."""
    return {
        "asked": len(units),
        "late": sum(unit_is_late(u, now_ms) for u in units),
        "open": sum(unit_is_open(u, now_ms) for u in units),
    }


def upper_edge_ms(wait_ms: int) -> int:
    """The upper edge of the bin a response time falls in (decision 7)."""
    if wait_ms <= 300_000:
        return max(1, -(-wait_ms // 1000)) * 1000
    edge = 300_000
    while edge < wait_ms:
        edge = edge * 102 // 100
    return edge


def response_times(rounds: Iterable[Round]) -> Figures:
    """Over answered, counted rounds, from the ask; percentiles by nearest rank."""
    times = sorted(r.answer.at - r.asked[0].at for r in rounds if r.answer is not None)

    def percentile(percent: int) -> int | None:
        rank = ceil(Fraction(percent * len(times), 100))
        return upper_edge_ms(times[rank - 1]) if times else None

    return {
        "count": len(times),
        "sum_ms": sum(times),
        "max_ms": max(times, default=0),
        "p50_ms": percentile(50),
        "p90_ms": percentile(90),
        "p95_ms": percentile(95),
    }


def newly(units: Sequence[Unit], now_ms: int) -> Figures:
    """Units first asked, and units first missed, in the last half-hour."""
    recent = window(NEWLY_MS, now_ms)
    misses = [[w.deadline_ms for w in u if w.is_late(now_ms)] for u in units]
    return {
        "newly_asked": sum(u[0].asked_ms in recent for u in units),
        "newly_late": sum(min(m) in recent for m in misses if m),
    }


def agents(rounds: Sequence[Round], measure: Measure, now_ms: int) -> Figures:
    """What each agent answered and missed (decision 6)."""
    table: dict[str, Figures] = defaultdict(lambda: {"answered": 0, "late": 0})
    for each in rounds:
        if each.answer is not None and each.answer.event.agent_id:
            table[each.answer.event.agent_id]["answered"] += 1
    for wait in by_message(rounds) if measure.unit == "message" else by_round(rounds):
        if wait.is_late(now_ms):
            table[wait.round.holder_at(wait.deadline_ms)]["late"] += 1
    return dict(sorted(table.items()))


@dataclass
class Shop:
    """Every accepted event of one shop."""

    platform: str
    shop_id: str
    packs: Sequence[Pack]
    lateness_ms: int
    heard: list[Heard] = field(default_factory=list)
    named: dict[str, list[Heard]] = field(default_factory=lambda: defaultdict(list))  # by conversation

    def hear(self, new: Heard) -> None:
        """Keep one more."""
        self.heard.append(new)
        if new.event.type in OF_CONVERSATION and new.event.conversation_id:
            self.named[new.event.conversation_id].append(new)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.packs[0].timezone)

    def conversation(self, conversation_id: str) -> list[Heard]:
        """Its events in event order."""
        return sorted(self.named.get(conversation_id, ()), key=lambda h: h.order)

    def is_too_late(self, new: Heard) -> bool:
        """Decisions 1 and 2; ``new.arrival_ms`` is the clock."""
        if not self.packs:
            return False
        clock = new.arrival_ms
        if midnight_after(service_day(new.at, self.zone), self.zone) + DAY_MS <= clock:
            return True
        if new.event.type not in OF_CONVERSATION or not new.event.conversation_id:
            return False
        if any(old.order == new.order for old in self.conversation(new.event.conversation_id)):
            return True  # a repeat whose id was forgotten
        if new.at >= clock - self.lateness_ms:
            return False
        for old in self.conversation(new.event.conversation_id):
            if max(old.at, old.arrival_ms) >= clock - self.lateness_ms:
                return False  # not final: the base ends here
            if old.order >= new.order:
                return True
        return False

    def rule(self, measure: Measure, day: date) -> DayRule | None:
        """The measure as that day's pack defines it."""
        pack = pack_of_day(self.packs, day)
        its = pack.measures.get(measure.id) if pack else None
        same = pack is not None and its is not None and its.kind == measure.kind
        return DayRule(pack, its, self.zone, day) if same and pack and its else None

    def figures(self, now_ms: int) -> Figures:
        """Everything about the shop at ``now_ms``."""
        found: Figures = {"platform": self.platform, "shop_id": self.shop_id, "measures": {}}
        found |= {"waiting": {"open": 0, "oldest_ms": None}, "agents": {}, "newly": {}}
        if not self.packs:
            return found
        today = service_day(now_ms, self.zone)
        pack = pack_of_day(self.packs, today)
        measures = pack.measures.values() if pack else ()
        for measure in measures:
            if measure.kind == "order_rate":
                found["measures"][measure.id] = self.order_rate(measure, today)
            elif measure.kind in ("reply_rate", "response_time"):
                found["measures"][measure.id] = self.periods(measure, self.rounds(measure), now_ms)
        reply_rates = [m for m in measures if m.kind == "reply_rate"]
        for measure in reply_rates:
            of_today = self.rounds(measure)[today]
            found["agents"][measure.id] = agents(of_today, measure, now_ms)
            found["newly"][measure.id] = newly(units_of_day(of_today, measure), now_ms)
        if reply_rates:
            found["waiting"] = self.waiting(now_ms)
        return found

    def rounds(self, measure: Measure) -> dict[date, list[Round]]:
        """Counted rounds of every service day."""
        rounds: dict[date, list[Round]] = defaultdict(list)
        asking = [h for h in self.heard if h.event.type == "message" and h.event.actor == "customer"]
        for day in sorted({service_day(h.at, self.zone) for h in asking}):
            rule = self.rule(measure, day)
            if rule is not None:
                for conversation_id in sorted(
                    {h.event.conversation_id for h in asking if rule.is_today(h.at)}
                ):
                    conversation = self.conversation(conversation_id)
                    rounds[day] += counted_rounds(conversation, rule, self.lateness_ms)
        return rounds

    def periods(self, measure: Measure, rounds: dict[date, list[Round]], now_ms: int) -> Figures:
        """A reply rate or response time over each of its periods."""
        today = service_day(now_ms, self.zone)
        every = [r for of_day in rounds.values() for r in of_day]
        found: Figures = {}
        for period in ("day", *measure.periods):
            width_ms = window_ms_of(period)
            if width_ms is not None:
                span = window(width_ms, now_ms)
                chosen = [r for r in every if r.asked[0].at in span]
                units = [[w] for w in by_round(chosen)]
            else:
                days = days_of_period(period, today)
                chosen = [r for day in days for r in rounds.get(day, [])]
                units = [
                    unit
                    for day in days
                    if rounds.get(day)
                    for unit in units_of_day(rounds[day], rounds[day][0].rule.measure)
                ]
            reply_rate = measure.kind == "reply_rate"
            found[period] = tally(units, now_ms) if reply_rate else response_times(chosen)
        return found

    def waiting(self, now_ms: int) -> Figures:
        """Unanswered rounds that are not settled, and the oldest wait; by each day's own first rate."""
        rates = {m.id: m for pack in self.packs for m in pack.measures.values() if m.kind == "reply_rate"}
        rounds = {
            (day, measure.id): of_day
            for measure in rates.values()
            for day, of_day in self.rounds(measure).items()
            if of_day and of_day[0].rule.is_first_rate
        }
        asks = [
            r.asked[0].at
            for of_day in rounds.values()
            for r in of_day
            if r.answer is None and not r.is_settled(now_ms, self.lateness_ms)
            if now_ms < r.rule.midnight_ms + CLOSED_AFTER_MS
        ]
        return {"open": len(asks), "oldest_ms": max(0, now_ms - min(asks)) if asks else None}

    def order_rate(self, measure: Measure, today: date) -> Figures:
        """Orders with the event on a day, and orders first formed that day; periods are sums of days."""
        formed, hit = self.orders_formed(), self.orders_hit(measure)
        found = {}
        for period in ("day", *(p for p in measure.periods if window_ms_of(p) is None)):
            days = days_of_period(period, today)
            rules = {day: self.rule(measure, day) for day in days}
            counted = [day for day in days if (rule := rules[day]) is not None and not rule.exempt]
            found[period] = {
                "count": sum(day in counted for day, _ in hit),
                "of": sum(day in counted for day, _ in formed),
            }
        return found

    def orders_formed(self) -> list[tuple[date, str]]:
        """Each order on the day it was first formed; after 7 days it is another one (decision 4)."""
        first_day: dict[str, date] = {}
        formed = []
        for h in sorted(self.heard, key=lambda h: h.order):
            order_id = h.event.order_id
            if h.event.type != "order" or h.event.action not in ("grouped", "paid") or not order_id:
                continue
            day = service_day(h.at, self.zone)
            if order_id not in first_day or (day - first_day[order_id]).days >= SAME_ORDER_DAYS:
                first_day[order_id] = day
                formed.append((day, order_id))
        return formed

    def orders_hit(self, measure: Measure) -> set[tuple[date, str]]:
        """Distinct (day, order) with the event that measure names on that day (decision 5)."""
        hit = set()
        for h in self.heard:
            day = service_day(h.at, self.zone)
            rule = self.rule(measure, day)
            case = h.event.order_id or f"\0{h.event.dispute_id or h.event.refund_id}"
            if rule is None or h.event.type not in ("order", "refund", "dispute") or case == "\0":
                continue
            names = rule.measure.event or "dispute.opened"
            outcome = not rule.measure.outcome or h.event.outcome in rule.measure.outcome
            if f"{h.event.type}.{h.event.action}" == names and outcome:
                hit.add((day, case))
        return hit


class Oracle:
    """Every event ever accepted, and the figures that follow from them."""

    def __init__(self, packs: Mapping[str, Sequence[Pack]], lateness_ms: int = 600_000) -> None:
        self.packs = packs
        self.lateness_ms = lateness_ms
        self.clock = 0
        self.shops: dict[tuple[str, str], Shop] = {}
        self.ids: dict[tuple[str, str, str], tuple[int, bytes]] = {}  # arrival and content of the first

    def feed(self, event: Event, arrival_ms: int) -> str:
        """Take one event; ``accepted``, ``duplicate``, ``late_dropped`` or ``rejected:<reason>``."""
        self.clock = max(self.clock, arrival_ms)
        fault = self.fault(event)
        if fault:
            return f"rejected:{fault}"
        if event.type == "heartbeat":  # of no shop, in which its id could be unique
            return "accepted"
        content = msgspec.json.encode(msgspec.structs.replace(event, source="", received_at=""))
        key = (event.platform, event.shop_id, event.id)
        first_arrival, first_content = self.ids.get(key, (None, b""))
        if first_arrival is not None and self.clock - first_arrival <= 2 * self.lateness_ms:
            return "duplicate" if content == first_content else "rejected:reused"
        self.ids[key] = (self.clock, content)
        shop_key = (event.platform, event.shop_id)
        shop = self.shops.get(shop_key) or Shop(
            *shop_key, self.packs.get(event.platform, ()), self.lateness_ms
        )
        heard = Heard(event, self.clock)
        if shop.is_too_late(heard):
            return "late_dropped"
        self.shops[shop_key] = shop
        shop.hear(heard)
        return "accepted"

    def fault(self, event: Event) -> str:
        """Why an event is bad; empty if it is not."""
        if event.type != "heartbeat" and not (event.platform and event.shop_id):
            return "no_shop"
        if not event.id:
            return "no_id"
        if int(event.at) < YEAR_2000_MS:
            return "before_2000"
        if int(event.at) > self.clock + AHEAD_MS:
            return "ahead"
        if event.type in ("message", "conversation") and not event.conversation_id:
            return "no_conversation"
        if event.type == "message" and event.actor is None:
            return "no_actor"
        if event.type in ACTIONS and event.action not in ACTIONS[event.type]:
            return "action"
        return ""

    def figures(self, now_ms: int) -> Figures:
        """The figures of every shop that has an accepted event, sorted by platform and shop."""
        return {"shops": [self.shops[key].figures(now_ms) for key in sorted(self.shops)]}
