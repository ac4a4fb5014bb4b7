"""One service day of one shop: its tallies while something can still change, its totals afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from monitor.engine.keys import Keys
from monitor.engine.limits import ANSWER_WITHIN_MS, DAY_KEPT_MS
from monitor.engine.rounds import NONE, Round
from monitor.engine.rows import Totals
from monitor.engine.tracks import Answers, Track
from monitor.engine.units import FirstTally, UnitTally
from monitor.engine.wheel import Timed
from monitor.engine.zone import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.engine.conversation import Conversation
    from monitor.engine.responses import Responses
    from monitor.engine.shop import Shop
    from monitor.engine.spec import DaySpec

# What a day that was let go has: one for all, never written to.
NO_KEYS: Final = Keys()
NOBODY: Final[dict[str, int]] = {}


class Day(Timed):
    """A day that still takes events (until 24 h after its midnight, decision 2)."""

    __slots__ = (
        "disputed",
        "end_ms",
        "formed",
        "keyed",
        "number",
        "settles_ms",
        "shop",
        "spec",
        "start_ms",
        "tracks",
        "waiting",
    )

    def __init__(self, shop: Shop, number: int, spec: DaySpec) -> None:
        zone = shop.zone
        self.shop = shop
        self.number = number
        self.spec = spec
        self.lie_between(zone.midnight(number), zone.midnight(number + 1))
        self.tracks = [Track(self, number, track) for number, track in enumerate(spec.tracks)]
        self.keyed = any(isinstance(tally, FirstTally) for track in self.tracks for tally in track.tallies)
        self.waiting: dict[str, int] = {}  # conversation → ask, of the pack's first reply rate
        self.formed = Keys()  # orders first formed on this day
        self.disputed = tuple(Keys() for _ in spec.orders)  # orders with the event of each order rate

    def lie_between(self, start_ms: int, end_ms: int) -> None:
        """Begin and end then."""
        self.start_ms, self.end_ms = start_ms, end_ms
        self.settles_ms = end_ms - 1 + self.shop.lateness_ms  # the earliest that a round of it is settled

    def own_bounds(self) -> tuple[int, ...]:
        """Where it begins and ends, if the zone of its shop was changed since it began; else empty."""
        zone, bounds = self.shop.zone, (self.start_ms, self.end_ms)
        return () if bounds == (zone.midnight(self.number), zone.midnight(self.number + 1)) else bounds

    def of_day(self, at_ms: int) -> int:
        """The local time of day of a moment, in milliseconds."""
        return self.shop.zone.local(at_ms) % DAY_MS

    def late(self) -> int:
        """Units late over all meters: less than before means that something was taken back."""
        return sum(tally.late for track in self.tracks for tally in track.tallies)

    def taken_back(self) -> None:
        """An answer that arrived late was in time."""
        self.shop.retracted = True

    def mark(self, spec: DaySpec) -> None:
        """Look at rounds so long before their deadlines as ``spec`` says of the same measures."""
        marks = {meter.measure: meter.marks_ms for track in spec.tracks for meter in track.meters}
        tracks = []
        for track, known in zip(self.tracks, self.spec.tracks, strict=True):
            meters = tuple(replace(one, marks_ms=marks.get(one.measure, ())) for one in known.meters)
            track.marked = any(meter.marks_ms for meter in meters)
            tracks.append(replace(known, meters=meters, marked=track.marked))
            for tally, meter in zip(track.tallies, meters, strict=True):
                tally.spec = meter
        packer = self.shop.packer
        self.spec = packer.spec(packer.spec_row(replace(self.spec, tracks=tuple(tracks))))

    def forget(self) -> None:
        """Let go of all it holds: the shop has it packed."""
        for track in self.tracks:
            track.tallies = []
            track.responses = []
            track.waiting = None
        self.tracks = []
        self.formed, self.disputed, self.waiting = NO_KEYS, (), NOBODY

    def is_set(self) -> bool:
        """Whether the shop still keeps it."""
        return self.shop.days.get(self.number) is self

    # settling

    def settle(self) -> None:
        """Settle by the lateness of another plan."""
        settles_ms = self.end_ms - 1 + self.shop.lateness_ms
        if settles_ms != self.settles_ms:
            self.settles_ms = settles_ms
            self.shop.wheel.after(settles_ms, self)

    def last_deadline_ms(self, r: Round) -> int:
        """Up to and including when something can change a round for at least one measure of its track."""
        if r.ask_ms < 0:
            return 0
        deadline = r.ask_ms + ANSWER_WITHIN_MS if r.track.responses else r.ask_ms
        for tally in r.track.tallies:
            deadline = max(deadline, tally.last_deadline_ms(r))
        return deadline

    def settled_ms(self, r: Round) -> int:
        """The last moment at which a round is not yet settled (decision 3)."""
        return max(self.end_ms - 1, self.last_deadline_ms(r), r.arrival_ms) + self.shop.lateness_ms

    def waits_until_ms(self, r: Round) -> int:
        """The last moment at which an unanswered round waits for the pack's first reply rate."""
        tally = r.track.waiting
        assert tally is not None
        return max(self.end_ms - 1, tally.last_deadline_ms(r), r.arrival_ms) + self.shop.lateness_ms

    def is_settled(self, r: Round, arrival_ms: int) -> bool:
        """Whether what arrives now comes too late for the round."""
        return arrival_ms > self.settled_ms(r)

    def wait_for(self, r: Round, now_ms: int) -> None:
        """The round waits, until it is settled."""
        assert r.conversation is not None
        if now_ms > self.settles_ms:
            settled_ms = self.waits_until_ms(r)
            if now_ms > settled_ms:
                self.waiting.pop(r.conversation.id, None)
                return
            self.shop.wheel.after(settled_ms, self)
        self.waiting[r.conversation.id] = r.ask_ms

    def due(self, now_ms: int) -> None:
        """Settle what waits in vain; close the day 24 h after its midnight."""
        if self.shop.days.get(self.number) is not self:
            return
        if now_ms >= self.end_ms + DAY_KEPT_MS:
            self.shop.close(self)
            return
        again_ms = self.end_ms + DAY_KEPT_MS - 1
        for conversation in self._that_wait():
            ask_ms = self.waiting[conversation.id]
            until_ms = 0
            for r in conversation.rounds:
                if r.day is self and r.ask_ms == ask_ms and r.track.waiting is not None and r.waits():
                    until_ms = max(until_ms, self.waits_until_ms(r))
            if until_ms >= now_ms:
                again_ms = min(again_ms, until_ms)
            elif until_ms:
                del self.waiting[conversation.id]
                self.shop.touched()
        self.shop.wheel.after(again_ms, self)

    def _that_wait(self) -> list[Conversation]:
        """The conversations in which somebody waits; all are live but for a few, and rest is dear to read."""
        live = self.shop.conversations
        found = [live[name] for name in self.waiting if name in live]
        if len(found) == len(self.waiting):
            return found
        return [one for one in self.shop.every_conversation() if one.id in self.waiting]

    # looking things up again

    def rounds_of(self, tally: UnitTally, key: str) -> Iterator[tuple[int, int]]:
        """``(ask, state)`` of every round of a unit: where a first moment is looked up again."""
        for r, mark in self.live_rounds_of(tally, key):
            yield r.ask_ms, mark

    def live_rounds_of(self, tally: UnitTally, key: str) -> Iterator[tuple[Round, int]]:
        """Every round of a unit with its state."""
        track = next(track for track in self.tracks if tally in track.tallies)
        index = track.tallies.index(tally)
        for conversation in self.shop.every_conversation():
            for r in conversation.rounds:
                if r.track is track and r.mark(index) != NONE and tally.unit_of(r) == key:
                    yield r, r.mark(index)

    def responses_of(self, answers: Answers) -> Responses:
        """The day's responses with their maximum known."""
        if answers.day.max_ms < 0:
            waits = (
                r.answer_ms - r.ask_ms
                for conversation in self.shop.every_conversation()
                for r in conversation.rounds
                if r.track is answers.track and r.ask_ms >= 0 and r.answers_in_time()
            )
            answers.day.max_ms = max(waits)
        return answers.day

    def totals(self) -> Totals:
        """What is kept of the day for 7d and 30d."""
        rates = {
            tally.spec.measure: (tally.count(), tally.late)
            for track in self.tracks
            for tally in track.tallies
        }
        orders = {
            spec.measure: (len(keys), len(self.formed))
            for spec, keys in zip(self.spec.orders, self.disputed, strict=True)
        }
        responses = {
            answers.measure: self.responses_of(answers).row()
            for track in self.tracks
            for answers in track.responses
        }
        return Totals(rates, orders, responses)
