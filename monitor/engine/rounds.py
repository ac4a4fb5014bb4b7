"""A round: it opens at a customer message nobody has answered and closes at the first answer that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.limits import ANSWER_WITHIN_MS
from monitor.engine.wheel import Timed

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.fold import Fold

# What a unit, or a round for one meter, is at the moment.
NONE: Final = 0
OPEN: Final = 1
LATE: Final = 2
GOOD: Final = 3

UNASSIGNED: Final = "unassigned"


class Round(Timed):
    """One round of one track. ``ask_ms`` is -1 while it is not counted, ``answer_ms`` -1 while unanswered.

    ``marks[i]`` is the round's state for the track's meter ``i`` (unit ``message``: how many of its
    messages are late).
    """

    __slots__ = (
        "answer_ms",
        "arrival_ms",
        "ask_ms",
        "asks",
        "blame",
        "by",
        "conversation",
        "customer",
        "day",
        "key",
        "marks",
        "opened_ms",
        "overnight",
        "robot",
        "served_ms",
        "track",
    )

    def __init__(self, conversation: Fold, day: Day, track: int, opened_ms: int, customer: str) -> None:
        self.conversation: Fold | None = conversation  # None once it was retracted
        self.day = day
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
        self.marks = [0] * len(day.tallies[track])
        self.asks: list[int] | None = None  # counted messages, where a meter counts them
        self.blame: list[list[str]] | None = None  # per meter: who held it at each missed deadline

    def last_ask_ms(self) -> int:
        """The last counted message of the round."""
        return self.asks[-1] if self.asks else self.ask_ms

    def due(self, now_ms: int) -> None:
        """A deadline is past, or near enough for a rule to look."""
        conversation = self.conversation
        if conversation is not None and self.answer_ms < 0 and self.ask_ms >= 0:
            self.judge(now_ms)
            conversation.shop.arm(self, now_ms)

    def judge(self, now_ms: int) -> None:
        """Count what is late by the clock, whether or not anybody answers."""
        if self.ask_ms >= 0 and self.answer_ms < 0:
            for index, tally in enumerate(self.day.tallies[self.track]):
                tally.passed(self, index, now_ms)

    def next_deadline_ms(self, now_ms: int) -> int | None:
        """The soonest deadline that is not past."""
        soonest = None
        for tally in self.day.tallies[self.track]:
            deadline = tally.deadline_ms(self, now_ms)
            if deadline is not None and (soonest is None or deadline < soonest):
                soonest = deadline
        return soonest

    def book(self, now_ms: int) -> None:
        """Count the round as it stands, everywhere; the inverse of ``unbook``."""
        if self.ask_ms < 0:
            return
        for index, tally in enumerate(self.day.tallies[self.track]):
            if self.served_ms < 0 or self.served_ms > tally.last_deadline_ms(self):
                tally.opened(self, index, now_ms)
        if self.answer_ms >= 0:
            self.book_answer()
        elif self.day.spec.tracks[self.track].waiting and self.waits():
            self.day.wait_for(self, now_ms)

    def book_answer(self) -> None:
        """Count the answer wherever it came while the round could still change."""
        day, track = self.day, self.track
        for index, tally in enumerate(day.tallies[track]):
            if not self.overnight or tally.answers(self):
                tally.answered(self, index)
            else:
                tally.passed(self, index, self.answer_ms)
        if self.answers_in_time():
            for responses in day.responses[track]:
                responses.add(self.ask_ms, self.answer_ms - self.ask_ms)
        spec = day.spec.tracks[track]
        if spec.waiting and (not self.overnight or not self.waits()):
            assert self.conversation is not None
            day.waiting.pop(self.conversation.id, None)

    def answers_in_time(self) -> bool:
        """Whether the answer came while it could still enter a measure without a limit."""
        return self.answer_ms >= 0 and (
            not self.overnight or self.answer_ms <= self.ask_ms + ANSWER_WITHIN_MS
        )

    def waits(self) -> bool:
        """Whether nothing that came in time ended the wait for the pack's first reply rate."""
        spec = self.day.spec.tracks[self.track]
        end_ms = self.answer_ms if self.answer_ms >= 0 else self.served_ms
        if end_ms < 0 or not spec.waiting:
            return spec.waiting
        tally = self.day.tallies[self.track][spec.waiting_meter]
        return end_ms >= self.day.end_ms and end_ms > tally.last_deadline_ms(self)

    def unbook(self) -> None:
        """Take everything back that the round has counted."""
        if self.ask_ms < 0:
            return
        day, track = self.day, self.track
        for index, tally in enumerate(day.tallies[track]):
            tally.removed(self, index)
        if self.answers_in_time():
            for responses in day.responses[track]:
                responses.remove(self.ask_ms, self.answer_ms - self.ask_ms)
        if day.spec.tracks[track].waiting and self.conversation is not None:
            day.waiting.pop(self.conversation.id, None)
