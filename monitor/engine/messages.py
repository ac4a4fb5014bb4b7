"""The unit ``message``: every counted message of the customer, with a deadline of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.rounds import GOOD, LATE, NONE, OPEN
from monitor.engine.tallies import Tally
from monitor.engine.wheel import NEVER_MS

if TYPE_CHECKING:
    from monitor.engine.rounds import Round


class MessageTally(Tally):
    """Unit ``message``: each counted message of the customer is a unit, with a deadline of its own.

    The round's mark is 1 + the number of late messages once it counts here. Messages are in order,
    so the late ones come first.
    """

    __slots__ = ()

    def opened(self, r: Round, index: int, now_ms: int) -> None:
        """Count every message the round has so far."""
        for place in range(r.messages()):
            self._message(r.message_ms(place), NONE, OPEN)
        r.set_mark(index, 1)
        for window in self.windows:
            window.shift(r.ask_ms, NONE, OPEN)
        self._lose(r, index, now_ms - self.within_ms)

    def joined(self, r: Round, index: int, now_ms: int) -> None:
        """Count the last message."""
        self._message(r.last_ask_ms(), NONE, OPEN)
        self._lose(r, index, now_ms - self.within_ms)

    def passed(self, r: Round, index: int, now_ms: int) -> None:
        """The clock is at ``now_ms``."""
        if r.mark(index):
            self._lose(r, index, now_ms - self.within_ms)

    def answered(self, r: Round, index: int) -> None:
        """Judge each message by the answer."""
        before = r.answer_ms - self.within_ms  # a message asked before it is late
        late = r.asked_before(before)
        if r.mark(index) > late + 1:
            self._find(r, index, late)
            self.day.taken_back()
        self._lose(r, index, before)
        for place in range(late, r.messages()):
            self._message(r.message_ms(place), OPEN, GOOD)
        if not late:
            for window in self.windows:
                window.shift(r.ask_ms, OPEN, GOOD)
        if self.by_agent and r.by:
            self.credit(r.by, 0, 1)

    def removed(self, r: Round, index: int) -> None:
        """Take every message back."""
        if not r.mark(index):
            return
        late = r.mark(index) - 1
        answered = self.answers(r)
        rest = GOOD if answered else OPEN
        for place in range(r.messages()):
            self._message(r.message_ms(place), LATE if place < late else rest, NONE)
        for window in self.windows:
            window.shift(r.ask_ms, LATE if late else rest, NONE)
        r.set_mark(index, 0)
        if self.by_agent:
            if answered and r.by:
                self.credit(r.by, 0, -1)
            for holder in r.blame[index] if r.blame is not None else ():
                self.credit(holder, 1, -1)
            if r.blame is not None:
                r.blame[index] = []

    def deadline_ms(self, r: Round, now_ms: int) -> int:
        """The deadline of the first message that the clock has not passed."""
        place = r.asked_before(now_ms - self.within_ms)
        return r.message_ms(place) + self.within_ms if place < r.messages() else NEVER_MS

    def last_deadline_ms(self, r: Round) -> int:
        """The deadline of its last message: the round is then changed as a whole."""
        return r.last_ask_ms() + self.within_ms

    def mark(self, r: Round) -> int:
        """One more than the number of late messages."""
        return 1 + r.asked_before(r.answer_ms - self.within_ms)

    def blamed(self, r: Round, index: int) -> list[str]:
        """Who is blamed for each late message."""
        assert r.conversation is not None
        late = range(r.mark(index) - 1)
        return [r.conversation.holder_at(r.message_ms(place) + self.within_ms, r.day) for place in late]

    def _lose(self, r: Round, index: int, before_ms: int) -> None:
        """Messages asked before ``before_ms`` are late."""
        first = r.mark(index) - 1
        late = r.asked_before(before_ms)
        for place in range(first, late):
            ask = r.message_ms(place)
            self._message(ask, OPEN, LATE)
            if self.by_agent:
                assert r.conversation is not None
                if r.blame is None:
                    r.blame = [[] for _ in r.track.tallies]
                holder = r.conversation.holder_at(ask + self.within_ms, r.day)
                r.blame[index].append(holder)
                self.credit(holder, 1, 1)
        if late > first:
            r.set_mark(index, late + 1)
        if late > first == 0:
            for window in self.windows:
                window.shift(r.ask_ms, OPEN, LATE)

    def _find(self, r: Round, index: int, late: int) -> None:
        """All but the first ``late`` messages were answered in time after all."""
        for place in range(late, r.mark(index) - 1):
            self._message(r.message_ms(place), LATE, OPEN)
            if self.by_agent:
                assert r.blame is not None
                self.credit(r.blame[index].pop(), 1, -1)
        if not late:
            for window in self.windows:
                window.shift(r.ask_ms, LATE, OPEN)
        r.set_mark(index, late + 1)

    def _message(self, ask_ms: int, old: int, new: int) -> None:
        self.move(old, new)
        if self.paced:
            if old == NONE or new == NONE:
                self.asked.add(ask_ms, 1 if old == NONE else -1)
            if old == LATE or new == LATE:
                self.missed.add(ask_ms + self.within_ms, 1 if new == LATE else -1)

    def reblame(self, r: Round, index: int) -> None:
        """Ask again who held the conversation at each missed deadline."""
        if not self.by_agent or r.mark(index) <= 1 or r.blame is None:
            return
        assert r.conversation is not None
        for position, holder in enumerate(r.blame[index]):
            now = r.conversation.holder_at(r.message_ms(position) + self.within_ms, r.day)
            if now != holder:
                self.credit(holder, 1, -1)
                self.credit(now, 1, 1)
                r.blame[index][position] = now
