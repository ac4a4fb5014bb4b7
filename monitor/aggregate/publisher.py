"""What a shard publishes: the sums of its shops, kept as they change and read every fifth second.

Only shops whose figures have changed are read anew: what they gave before is taken out, what they give now
is put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from monitor.aggregate.aims import CUT_MS, aims_of, moves_ms
from monitor.aggregate.sums import AimSums, Part
from monitor.aggregate.totals import ASKED, DARK, GIVEN_DARK, Given, Total
from monitor.engine import figures
from monitor.engine.figures import SPANS
from monitor.engine.zone import DAY_MS
from monitor.rulebook import ShopPlan
from monitor.shard.readings import ShopReading

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from monitor.aggregate.aims import Aim
    from monitor.engine.rows import ResponsesRow
    from monitor.engine.shop import Shop
    from monitor.engine.zone import Zone
    from monitor.rulebook import Plan, Rulebook
    from monitor.shard.watch import Host
    from rules.pack import Measure

Key = tuple[int, str]  # number of the aim, subject
NO_PLAN = ShopPlan()
ALL = range(1 << 30)  # every aim


class Member(NamedTuple):
    """A shop's place under an aim."""

    number: int
    each: str
    subject: str  # of an agent's aim: empty, its shops have many
    measure: Measure | None
    period: str


class Known(NamedTuple):
    """A shop as it was read last."""

    shop: Shop
    day: int  # the service day that was read
    members: Sequence[Member]
    given: dict[Key, Given]


class Publisher:
    """The sums of a shard's shops under one plan."""

    def __init__(self, book: Rulebook, aims: tuple[Aim, ...]) -> None:
        self._book, self._plan = book, book.plan
        self._aims = aims
        self._every_ms = [moves_ms(aim, book.plan) for aim in aims]
        self.dirty: dict[str, Shop] = {}  # shops whose figures have changed since the last part
        self._begun = False
        self._at_ms = 0  # of the last part
        self._shops: dict[str, Known] = {}
        self._days: dict[Zone, int] = {}
        self._moving: dict[str, Shop] = {}  # shops whose figures move by time alone
        self._totals: dict[Key, Total] = {}
        self._changed: dict[Key, None] = {}
        self._sums: AimSums = {}

    def publish(
        self, now_ms: int, before_ms: int, shops: Callable[[], Iterable[Shop]], host: Host, plan: str
    ) -> Part:
        """The part of a whole second that the shard has judged.

        Args:
            now_ms: That second.
            before_ms: The shard's clock before it.
            shops: All shops, asked for once.
            host: The shard.
            plan: The name of the plan that it decides by.
        """
        if not self._begun:
            self._begun, self._at_ms = True, before_ms
            for shop in shops():
                self._take(shop, shop.day_number(before_ms), now_ms, host)
            self.dirty.clear()
        ended = self._turn(now_ms, host)
        due = {
            n for n, every in enumerate(self._every_ms) if every and now_ms // every != self._at_ms // every
        }
        for key, shop in list(self._moving.items()) if due else ():
            if key not in self.dirty:
                self._take(shop, shop.day_number(now_ms), now_ms, host, due)
        for shop in self.dirty.values():
            self._take(shop, shop.day_number(now_ms), now_ms, host)
        self.dirty.clear()
        self._at_ms = now_ms
        self._sum()
        return Part(now_ms, plan, self._sums, ended)

    def _turn(self, now_ms: int, host: Host) -> AimSums:
        """The final sums of days that have ended; their shops give to the new day from here on."""
        turned = {zone for zone, day in self._days.items() if zone.local(now_ms) // DAY_MS != day}
        if not turned:
            return {}
        ended: dict[Key, Total] = {}
        for key, known in list(self._shops.items()):
            if known.shop.zone not in turned:
                continue
            if key in self.dirty:
                self._take(known.shop, known.day, now_ms, host)
            for aimed, given in self._shops[key].given.items():
                ended.setdefault(aimed, Total()).put(key, given)
            self.dirty[key] = known.shop
        for zone in turned:
            self._days[zone] = zone.local(now_ms) // DAY_MS
        found: AimSums = {}
        for (number, subject), total in ended.items():
            if self._aims[number].period == "day":
                found.setdefault(number, {})[subject] = total.sums()
        return found

    def _take(self, shop: Shop, day: int, now_ms: int, host: Host, only: Container[int] = ALL) -> None:
        """Read a shop's figures of a service day, of ``only`` some aims, in place of what was read before."""
        if not shop.sources:  # of which nothing was accepted yet
            return
        key = shop.key
        known = self._shops.get(key)
        before = known.given if known is not None else {}
        members = known.members if known is not None and known.day == day else self.members(shop, day)
        self._days.setdefault(shop.zone, day)
        after = {aimed: given for aimed, given in before.items() if aimed[0] not in only}
        after.update(self._read(shop, day, now_ms, host, [one for one in members if one.number in only]))
        for aimed, given in before.items():
            if after.get(aimed) != given:
                self._totals[aimed].take(key, given)
                self._changed[aimed] = None
        moving = False
        for aimed, given in after.items():
            if before.get(aimed) != given:
                self._totals.setdefault(aimed, Total()).put(key, given)
                self._changed[aimed] = None
            moving = moving or (self._every_ms[aimed[0]] > 0 and given.counts[ASKED] > 0)
        self._shops[key] = Known(shop, day, members, after)
        if moving:
            self._moving[key] = shop
        else:
            self._moving.pop(key, None)

    def _read(
        self, shop: Shop, day: int, now_ms: int, host: Host, members: Sequence[Member]
    ) -> Iterator[tuple[Key, Given]]:
        if not members:
            return
        dark, complete_from = host.sources_of(shop)
        moment_ms = now_ms if shop.day_number(now_ms) == day else shop.zone.midnight(day + 1) - 1
        sums = host.rules_of(shop, day)[1]
        made: dict[tuple[str, str, bool], Given] = {}  # teams and platforms are given the same
        for member in members:
            measure = member.measure
            days = SPANS.get(member.period, 0) if measure is not None else 0
            partial = int(bool(days) and complete_from > shop.zone.midnight(day - days + 1))
            if member.each == "agent":
                assert measure is not None
                for person, row in self._people(shop, measure.id, moment_ms).items():
                    counts = DARK if dark else (1, 0, partial, *row, *(0,) * 7)
                    yield (member.number, person), Given(counts)
                continue
            timed = self._every_ms[member.number] > 0 and bool(self._aims[member.number].line)
            looked_at = (measure.id if measure is not None else "", member.period, timed)
            given = GIVEN_DARK if dark else made.get(looked_at)
            if given is None:
                reading = ShopReading(shop, measure, member.period, sums, now_ms, day)
                given = made[looked_at] = _given(reading, partial, timed, _answers(shop, member, moment_ms))
            yield (member.number, member.subject), given

    def _people(self, shop: Shop, measure: str, moment_ms: int) -> dict[str, tuple[int, int]]:
        """What each person answered and missed: somebody of people.yaml, else an agent of this one shop."""
        agents, found = self._plan.agents, dict[str, tuple[int, int]]()
        for agent, (answered, late) in figures.agents(shop, measure, moment_ms).items():
            full = f"{shop.key}:{agent}"
            person = agents.get(full) or agents.get(agent) or full
            known = found.get(person, (0, 0))
            found[person] = (known[0] + answered, known[1] + late)
        return found

    def members(self, shop: Shop, day: int) -> list[Member]:
        """The sums that a shop is in on a service day."""
        pack = self._book.pack_on(shop.platform, shop.key, day)
        if pack is None:
            return []
        plan: Plan = self._plan
        of_plan = plan.shops.get(shop.key, NO_PLAN)
        subjects = {"team": of_plan.team, "platform": shop.platform, "agent": ""}
        found = []
        for number, aim in enumerate(self._aims):
            subject = subjects[aim.each]
            if (subject or aim.each == "agent") and aim.selects(shop.platform, shop.shop_id, of_plan):
                aimed = aim.target(pack)
                if aimed is not None:
                    found.append(Member(number, aim.each, subject, aimed.measure, aimed.period))
        return found

    def _sum(self) -> None:
        """Make the sums that have changed anew; the others stay the same objects."""
        if not self._changed:
            return
        sums = dict(self._sums)
        for number in {number for number, _ in self._changed}:
            sums[number] = dict(sums.get(number, {}))
        for number, subject in self._changed:
            total = self._totals[number, subject]
            if total.counts[0]:
                sums[number][subject] = total.sums()
            else:
                sums[number].pop(subject, None)
                del self._totals[number, subject]
        self._sums = {number: subjects for number, subjects in sums.items() if subjects}
        self._changed.clear()


def _given(r: ShopReading, partial: int, timed: bool, answers: ResponsesRow | None) -> Given:
    """What a reading gives; the forecast only where it is read again as it moves."""
    oldest_ms, online = r.oldest_wait_ms, r.agents_online
    forecast = (r.expected, r.newly_asked, r.newly_late) if timed else (0, 0, 0)
    rates = (r.asked, r.late, r.open, *forecast)
    live = (r.waiting, int(online is not None), online or 0)
    return Given((1, 0, partial, *rates, *live), 0 if oldest_ms is None else r.now_ms - oldest_ms, answers)


def _answers(shop: Shop, member: Member, moment_ms: int) -> ResponsesRow | None:
    if member.measure is None or member.measure.kind != "response_time":
        return None
    return figures.responses(shop, member.measure.id, member.period, moment_ms).row()


def publisher_of(book: Rulebook) -> Publisher | None:
    """What publishes under a plan; None: nothing looks at several shops."""
    aims = aims_of(book.plan)
    return Publisher(book, aims) if aims else None


def seconds_of_parts(before_ms: int, now_ms: int, *, every: bool) -> Iterator[int]:
    """The seconds of parts that a clock passes on its way; where there was a gap, only the last of them."""
    if before_ms:
        last = now_ms // CUT_MS
        first = before_ms // CUT_MS + 1 if every else max(before_ms // CUT_MS + 1, last)
        yield from (number * CUT_MS for number in range(first, last + 1))
