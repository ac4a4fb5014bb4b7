"""The fold of one conversation: its entries, one after the other in event order, become rounds.

Stages (only tracks with ``human_stage``): a service day begins in the robot's stage. A hand-over, or a
message of agent or assist, begins the human stage; ``closed`` and ``handed_back`` end it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.limits import MESSAGES_MAX
from monitor.engine.rounds import (
    AGENT,
    BACK,
    BOT,
    CUSTOMER,
    EXCLUDES,
    HANDOVER,
    OTHER,
    UNASSIGNED,
    Round,
)
from monitor.engine.wheel import Timed

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.entry import Entry
    from monitor.engine.shop import Shop
    from monitor.engine.tracks import Track

# Before a conversation's id: a customer without a name, never equal to one (ids hold no NUL).
NOBODY: Final = "\0"


class Fold(Timed):
    """What stands after the entries folded so far."""

    __slots__ = (
        "customer",
        "day",
        "excluded",
        "first_ms",
        "holders",
        "human",
        "id",
        "open",
        "rounds",
        "shop",
        "written",
    )

    def __init__(self, shop: Shop, conversation_id: str) -> None:
        self.shop = shop
        self.id = conversation_id
        self.begin()

    def begin(self) -> None:
        """Nothing is folded yet."""
        self.day: Day | None = None
        self.customer = ""
        self.human = False
        self.written = 0  # tracks in whose hours the customer wrote since agent or assist did
        self.first_ms = -1  # the customer's first message of the day
        self.excluded = False
        # Most have none or one of each, and an empty tuple costs nothing.
        self.holders: tuple[tuple[int, str, bool], ...] = ()  # (since, agent, was assigned)
        self.rounds: tuple[Round, ...] = ()
        self.open: tuple[Round, ...] = ()  # those that may still be answered

    def fold(self, entry: Entry, now_ms: int) -> None:
        """Fold one entry onto what stands; it is later in order than all before it."""
        at, operation, agent = int(entry.at), int(entry.operation), entry.agent
        day = self.day
        if day is None or at >= day.end_ms:
            day = self._enter(at)
        if not self.customer:
            self.customer = entry.customer
        if operation >= EXCLUDES:
            operation -= EXCLUDES
            if not self.excluded:
                self._exclude(day)
        if operation == CUSTOMER:
            self._ask(day, entry, now_ms)
        elif operation == OTHER:
            return
        elif operation == BACK:
            self.human = False
            self.written = 0
        else:
            if agent and (operation == AGENT or operation == HANDOVER):
                self._hold(at, agent, operation == HANDOVER, now_ms)
            if operation == HANDOVER:
                self._hand_over(day, entry, now_ms)
            elif self.open:
                self._answer(day, at, int(entry.arrival_ms), operation, agent)
            if operation != BOT:
                self.human = True
                if operation != HANDOVER:
                    self.written = 0

    def _enter(self, at_ms: int) -> Day:
        """Begin a service day: in the robot's stage, with nothing written and nobody known."""
        day = self.day = self.shop.day_at(at_ms)
        self.customer = ""
        self.human = False
        self.written = 0
        self.first_ms = -1
        self.excluded = False
        if self.rounds:
            keeps = self.shop.keeps
            self.rounds = tuple([r for r in self.rounds if keeps(r.day.number)])
            self.open = tuple([r for r in self.open if r.ask_ms >= 0 and keeps(r.day.number)])
        return day

    def _ask(self, day: Day, entry: Entry, now_ms: int) -> None:
        at, arrival_ms = int(entry.at), int(entry.arrival_ms)
        of_day = at - day.start_ms if self.shop.zone.plain else day.of_day(at)
        if self.first_ms < 0:
            self.first_ms = of_day
        for track in day.tracks:
            hours = track.in_hours(of_day)
            if hours:
                self.written |= 1 << track.number
            counts = track.in_hours(self.first_ms) if track.session_start else hours
            counts = counts and not self.excluded
            r = self._open_round(track, arrival_ms)
            if r is None:
                self._open(track, entry, self.human, counts, now_ms)
                continue
            r.arrival_ms = arrival_ms
            if counts:
                self._join(r, at, now_ms)
            if track.waiting is not None and r.ask_ms >= 0 and now_ms > day.settles_ms:
                day.wait_for(r, now_ms)

    def _join(self, r: Round, at: int, now_ms: int) -> None:
        """Another message in an open round, one that counts."""
        track = r.track
        if r.ask_ms < 0:
            if not track.session_start:
                self._count(r, at, now_ms)
        elif track.messages and r.messages() < MESSAGES_MAX:
            r.later = r.later or []
            r.later.append(at)
            for position, tally in enumerate(r.track.tallies):
                tally.joined(r, position, now_ms)
            if 0 < r.deadline_ms < now_ms:  # past since the last whole second: the next judges it
                self.shop.touched()
            else:
                self.shop.arm(r, now_ms)
            if track.marked:
                self.shop.arm_marks(r, now_ms)

    def _open_round(self, track: Track, arrival_ms: int) -> Round | None:
        """The open round of a track, unless what arrives now comes too late for it (decision 3)."""
        for r in self.open:
            if r.track is track and not r.is_forgotten(arrival_ms):
                return r
        return None

    def _open(self, track: Track, entry: Entry, human: bool, counts: bool, now_ms: int) -> None:
        at = int(entry.at)
        r = Round(self, track, at, self.customer_unit())
        r.arrival_ms = int(entry.arrival_ms)
        r.robot = not human
        if track.day.keyed:
            r.key = entry.order()
        one = (r,)  # both are mostly this one
        self.rounds += one
        self.open += one
        if counts:
            self._count(r, at, now_ms)

    def _count(self, r: Round, ask_ms: int, now_ms: int) -> None:
        track = r.track
        r.ask_ms = ask_ms
        for index, tally in enumerate(track.tallies):
            tally.opened(r, index, now_ms)
        if track.waiting is not None:
            r.day.wait_for(r, now_ms)
        self.shop.arm(r, now_ms)
        if track.marked:
            self.shop.arm_marks(r, now_ms)

    def _hand_over(self, day: Day, entry: Entry, now_ms: int) -> None:
        """The robot hands the customer to a human: what is unanswered since opens a round."""
        arrival_ms = int(entry.arrival_ms)
        for r in self.open:
            if not r.is_forgotten(arrival_ms):
                r.robot = False
        if not self.written:
            return
        of_day = day.of_day(int(entry.at))
        for track in day.tracks:
            if (
                track.human_stage
                and track.handover_opens
                and self.written >> track.number & 1
                and track.in_hours(of_day)
                and self._open_round(track, arrival_ms) is None
            ):
                counts = not self.excluded and (not track.session_start or track.in_hours(self.first_ms))
                self._open(track, entry, True, counts, now_ms)

    def _answer(self, day: Day, at: int, arrival: int, operation: int, agent: str) -> None:
        still_open = []
        for r in self.open:
            track = r.track
            if r.is_forgotten(arrival):  # what is later in order may have arrived before
                still_open.append(r)
                continue
            if operation == BOT and track.human_stage and r.robot and not self.human:
                ends = True
            elif track.answers >> operation & 1:
                ends = False
            else:
                if operation != BOT:
                    r.robot = False
                still_open.append(r)
                continue
            if r.day is not day:
                if at > r.day.last_deadline_ms(r):
                    still_open.append(r)
                    continue
                r.overnight = True
            if ends:
                self._serve(r, at)
            else:
                r.answer_ms = at
                r.by = agent
                if r.ask_ms >= 0:
                    r.book_answer()
                    self.shop.touched()
        self.open = tuple(still_open)

    def _serve(self, r: Round, at: int) -> None:
        """The robot alone served the round: it is not counted."""
        if r.overnight:
            r.served_ms = at
            if r.ask_ms >= 0:
                for index, tally in enumerate(r.track.tallies):
                    if at <= tally.last_deadline_ms(r):
                        tally.removed(r, index)
                if r.track.waiting is not None and not r.waits():
                    r.day.waiting.pop(self.id, None)
            return
        late = r.day.late()
        r.unbook()
        if r.day.late() < late:
            self.shop.retracted = True
        r.conversation = None
        self.rounds = tuple([other for other in self.rounds if other is not r])
        self.shop.touched()

    def _exclude(self, day: Day) -> None:
        """Spam, abuse, blacklist: out of this day's figures, what was counted before included."""
        self.excluded = True
        for r in reversed(self.rounds):
            if r.day is day:
                r.unbook()
                r.uncount()
        self.shop.touched()

    # who holds it

    def _hold(self, at: int, agent: str, assigned: bool, now_ms: int) -> None:
        holders = self.holders
        assert self.day is not None
        for since, holder, was_assigned in reversed(holders):
            if was_assigned == assigned:
                if holder == agent and since >= self.day.start_ms:
                    return
                break
        self.holders = (*holders, (at, agent, assigned))
        if at < now_ms and self.open:
            for r in self.open:
                if r.ask_ms >= 0:
                    for index, tally in enumerate(r.track.tallies):
                        tally.reblame(r, index)

    def holder_at(self, at_ms: int, day: Day) -> str:
        """Who held the conversation at a moment, for a round of ``day`` (decision 6)."""
        wrote = ""
        for since, agent, assigned in reversed(self.holders):
            if since < day.start_ms:
                break
            if since <= at_ms and since < day.end_ms:
                if assigned:
                    return agent
                wrote = wrote or agent
        return wrote or UNASSIGNED

    def customer_unit(self) -> str:
        """What a round opened now counts for under ``customer_day``."""
        return self.customer or NOBODY + self.id
