"""A round: it opens at a customer message nobody has answered and closes at the first answer that counts."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, final

from monitor.engine.limits import ANSWER_WITHIN_MS
from monitor.engine.wheel import NEVER_MS, Timed

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.fold import Fold
    from monitor.engine.tracks import Track

# What a unit, or a round for one meter, is at the moment.
NONE: Final = 0
OPEN: Final = 1
LATE: Final = 2
GOOD: Final = 3

# What an event does in a fold.
CUSTOMER: Final = 0
AGENT: Final = 1
ASSIST: Final = 2
BOT: Final = 3
HANDOVER: Final = 4
BACK: Final = 5
OTHER: Final = 6
EXCLUDES: Final = 8  # added to one of them: it takes the conversation out of the day's figures

UNASSIGNED: Final = "unassigned"

_MARK_BITS: Final = 20
_MARK: Final = (1 << _MARK_BITS) - 1


@final
class Round(Timed):
    """One round of one track. ``ask_ms`` is -1 while it is not counted, ``answer_ms`` -1 while unanswered.

    ``mark(i)`` is the round's state for the track's meter ``i`` (unit ``message``: one more than how many of
    its messages are late).
    """

    __slots__ = (
        "answer_ms",
        "arrival_ms",
        "ask_ms",
        "blame",
        "by",
        "conversation",
        "customer",
        "deadline_ms",
        "key",
        "later",
        "mark_ms",
        "marks",
        "opened_ms",
        "overnight",
        "robot",
        "served_ms",
        "track",
    )

    def __init__(self, conversation: Fold, track: Track, opened_ms: int, customer: str) -> None:
        self.conversation: Fold | None = conversation  # None once it was retracted
        self.track = track
        self.opened_ms = opened_ms
        self.customer = customer  # the unit it counts for under customer_day
        self.key: tuple[int, int, int, int, str] | None = None  # order of its opening event, where it decides
        self.ask_ms = -1
        self.answer_ms = -1
        self.by = ""  # the agent who answered
        self.arrival_ms = 0  # of its last customer message
        self.robot = False  # opened in the robot's stage and not handed over since
        self.overnight = False  # answered after the midnight that ends its day
        self.served_ms = -1  # when, after that midnight, the robot alone served it
        self.deadline_ms = 0  # the one for which it is on the wheel
        self.mark_ms = 0  # when rules look at it next, for which it is on the wheel too
        self.marks = 0  # _MARK_BITS for each meter of the track
        # Counted messages after the one it is judged from, in order, where a meter counts them:
        self.later: list[int] | None = None
        self.blame: list[list[str]] | None = None  # per meter: who held it at each missed deadline

    @property
    def day(self) -> Day:
        """The service day of its opening."""
        return self.track.day

    def mark(self, index: int) -> int:
        """The state of the round for a meter."""
        return self.marks >> _MARK_BITS * index & _MARK

    def set_mark(self, index: int, mark: int) -> None:
        """Change it."""
        self.marks += (mark - self.mark(index)) << _MARK_BITS * index

    def messages(self) -> int:
        """How many counted messages it has, where a meter counts them."""
        return 1 + (len(self.later) if self.later is not None else 0)

    def message_ms(self, place: int) -> int:
        """When the counted message at a place was asked."""
        if not place:
            return self.ask_ms
        assert self.later is not None
        return self.later[place - 1]

    def asked_before(self, at_ms: int) -> int:
        """How many of its counted messages were asked before a moment."""
        later = self.later
        return int(self.ask_ms < at_ms) + (bisect_left(later, at_ms) if later is not None else 0)

    def last_ask_ms(self) -> int:
        """The last counted message of the round."""
        return self.later[-1] if self.later is not None else self.ask_ms

    def is_open(self) -> bool:
        """Whether it is counted, and neither answered nor served by the robot."""
        return self.conversation is not None and self.ask_ms >= 0 > self.answer_ms and self.served_ms < 0

    def is_set(self) -> bool:
        """Whether a deadline of it still means anything."""
        return self.is_open()

    def is_forgotten(self, arrival_ms: int) -> bool:
        """Whether it is settled for what arrives now, unanswered."""
        day = self.day
        return arrival_ms > day.settles_ms and day.is_settled(self, arrival_ms)

    def uncount(self) -> None:
        """It is no longer counted, and what it counted was taken back."""
        self.ask_ms = -1
        self.deadline_ms = self.mark_ms = 0
        self.later = None
        self.marks = 0

    def due(self, now_ms: int) -> None:
        """A deadline is past, or near enough for a rule to look."""
        if not self.is_open():
            return
        assert self.conversation is not None
        shop = self.conversation.shop
        if self.mark_ms <= now_ms and self.mark_ms:
            shop.touched()
            shop.arm_marks(self, now_ms)
        if self.deadline_ms < now_ms:
            self.judge(now_ms)
            shop.near_moved = True
            shop.arm(self, now_ms)

    def judge(self, now_ms: int) -> None:
        """Count what is late by the clock, whether or not anybody answers."""
        if self.ask_ms >= 0 and self.answer_ms < 0:
            for index, tally in enumerate(self.track.tallies):
                tally.passed(self, index, now_ms)

    def next_deadline_ms(self, now_ms: int) -> int:
        """The soonest deadline that is not past; ``NEVER_MS``: there is none."""
        soonest = NEVER_MS
        if self.ask_ms >= 0:
            for tally in self.track.tallies:
                soonest = min(soonest, tally.deadline_ms(self, now_ms))
        return soonest

    def book(self, now_ms: int) -> None:
        """Count the round as it stands, everywhere; the inverse of ``unbook``."""
        if self.ask_ms < 0:
            return
        for index, tally in enumerate(self.track.tallies):
            if self.served_ms < 0 or self.served_ms > tally.last_deadline_ms(self):
                tally.opened(self, index, now_ms)
        if self.answer_ms >= 0:
            self.book_answer()
        elif self.track.waiting is not None and self.waits():
            self.day.wait_for(self, now_ms)

    def book_answer(self) -> None:
        """Count the answer wherever it came while the round could still change."""
        track = self.track
        for index, tally in enumerate(track.tallies):
            if not self.overnight or tally.answers(self):
                tally.answered(self, index)
            else:
                tally.passed(self, index, self.answer_ms)
        if self.answers_in_time():
            for responses in track.responses:
                responses.add(self.ask_ms, self.answer_ms - self.ask_ms)
        if track.waiting is not None and (not self.overnight or not self.waits()):
            assert self.conversation is not None
            self.day.waiting.pop(self.conversation.id, None)

    def answers_in_time(self) -> bool:
        """Whether the answer came while it could still enter a measure without a limit."""
        return self.answer_ms >= 0 and (
            not self.overnight or self.answer_ms <= self.ask_ms + ANSWER_WITHIN_MS
        )

    def waits(self) -> bool:
        """Whether nothing that came in time ended the wait for the pack's first reply rate."""
        tally = self.track.waiting
        end_ms = self.answer_ms if self.answer_ms >= 0 else self.served_ms
        if end_ms < 0 or tally is None:
            return tally is not None
        return end_ms >= self.day.end_ms and end_ms > tally.last_deadline_ms(self)

    def unbook(self) -> None:
        """Take everything back that the round has counted."""
        if self.ask_ms < 0:
            return
        track = self.track
        for index, tally in enumerate(track.tallies):
            tally.removed(self, index)
        if self.answers_in_time():
            for responses in track.responses:
                responses.remove(self.ask_ms, self.answer_ms - self.ask_ms)
        if track.waiting is not None and self.conversation is not None:
            self.day.waiting.pop(self.conversation.id, None)
