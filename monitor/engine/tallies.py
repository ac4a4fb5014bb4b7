"""What a meter counts on one service day: units by state, and the agents behind them.

A tally hears of a round five times at the most: ``opened`` (it became counted), ``joined`` (another counted
message), ``passed`` (the clock went past a deadline), ``answered``, ``removed``. Every one is a move of one
unit from one state to another, so that taking a move back is the same code with the states exchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.rounds import GOOD, LATE, NONE, OPEN
from monitor.engine.wheel import NEVER_MS
from monitor.engine.windows import UNPACED, Pace

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.rounds import Round
    from monitor.engine.spec import MeterSpec
    from monitor.engine.windows import StateLog


class Tally:
    """Unit ``round``: each counted round is a unit."""

    __slots__ = (
        "agents",
        "asked",
        "by_agent",
        "day",
        "good",
        "late",
        "missed",
        "open",
        "paced",
        "spec",
        "windows",
        "within_ms",
    )

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        self.spec = spec
        self.day = day
        self.windows = windows
        self.within_ms = spec.within_ms
        self.by_agent = spec.by_agent
        self.paced = spec.paced
        self.open = self.late = self.good = 0  # units by state
        self.asked = Pace() if spec.paced else UNPACED  # units by when they were first asked
        self.missed = Pace() if spec.paced else UNPACED  # units by when they became late
        self.agents: dict[str, list[int]] = {}  # agent → [answered, late]

    # what happens to a round

    def opened(self, r: Round, index: int, now_ms: int) -> None:
        """The round became counted."""
        self._to(r, index, OPEN if now_ms <= r.ask_ms + self.within_ms else LATE)

    def joined(self, r: Round, index: int, now_ms: int) -> None:
        """Another message of the customer: only unit ``message`` counts it."""

    def passed(self, r: Round, index: int, now_ms: int) -> None:
        """The clock is at ``now_ms``."""
        if r.mark(index) == OPEN and now_ms > r.ask_ms + self.within_ms:
            self._to(r, index, LATE)

    def answered(self, r: Round, index: int) -> None:
        """The round was answered, at ``r.answer_ms`` by ``r.by``."""
        new = GOOD if r.answer_ms - r.ask_ms <= self.within_ms else LATE
        old = r.mark(index)
        if new != old:
            self._to(r, index, new)
            if old == LATE:
                self.day.taken_back()
        if self.by_agent and r.by:
            self.credit(r.by, 0, 1)

    def removed(self, r: Round, index: int) -> None:
        """The round no longer counts."""
        if self.by_agent and r.by and self.answers(r):
            self.credit(r.by, 0, -1)
        if r.mark(index):
            self._to(r, index, NONE)

    def deadline_ms(self, r: Round, now_ms: int) -> int:
        """The round's next deadline that the clock has not passed; ``NEVER_MS``: there is none."""
        deadline = r.ask_ms + self.within_ms
        return deadline if deadline >= now_ms else NEVER_MS

    def last_deadline_ms(self, r: Round) -> int:
        """Up to and including when something after midnight still changes the round."""
        return r.ask_ms + self.within_ms

    def answers(self, r: Round) -> bool:
        """Whether the round's answer came while it could still change the round for this meter."""
        return r.answer_ms >= 0 and (not r.overnight or r.answer_ms <= self.last_deadline_ms(r))

    def mark(self, r: Round) -> int:
        """The mark of a closed round, as ``answered`` left it."""
        return GOOD if r.answer_ms - r.ask_ms <= self.within_ms else LATE

    def blamed(self, r: Round, index: int) -> list[str]:
        """Who is blamed for a round whose marks are known."""
        assert r.conversation is not None
        missed = r.mark(index) == LATE
        return [r.conversation.holder_at(r.ask_ms + self.within_ms, r.day)] if missed else []

    # how it is counted

    def _to(self, r: Round, index: int, new: int) -> None:
        old = r.mark(index)
        r.set_mark(index, new)
        self.shift(r, old, new)
        for window in self.windows:
            window.shift(r.ask_ms, old, new)
        if self.by_agent and (old == LATE or new == LATE):
            self._blame(r, index, late=new == LATE)

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the round's unit."""
        self.move(old, new)
        if self.paced:
            if old == NONE:
                self.asked.add(r.ask_ms, 1)
            elif new == NONE:
                self.asked.add(r.ask_ms, -1)
            if new == LATE:
                self.missed.add(r.ask_ms + self.within_ms, 1)
            elif old == LATE:
                self.missed.add(r.ask_ms + self.within_ms, -1)

    def move(self, old: int, new: int) -> None:
        """Move one unit from a state to another."""
        if old == NONE or new == NONE or old == LATE or new == LATE:
            self.day.shop.counts_moved = True
        if old == OPEN:
            self.open -= 1
        elif old == LATE:
            self.late -= 1
        elif old == GOOD:
            self.good -= 1
        if new == OPEN:
            self.open += 1
        elif new == LATE:
            self.late += 1
        elif new == GOOD:
            self.good += 1

    def count(self) -> int:
        """Units asked."""
        return self.open + self.late + self.good

    def credit(self, agent: str, column: int, count: int) -> None:
        """Count for an agent: column 0 answered, 1 late."""
        row = self.agents.get(agent)
        if row is None:
            row = self.agents[agent] = [0, 0]
        row[column] += count
        if row == [0, 0]:
            del self.agents[agent]

    def _blame(self, r: Round, index: int, *, late: bool) -> None:
        if r.blame is None:
            r.blame = [[] for _ in r.track.tallies]
        if late:
            assert r.conversation is not None
            holder = r.conversation.holder_at(r.ask_ms + self.within_ms, r.day)
            r.blame[index] = [holder]
            self.credit(holder, 1, 1)
        else:
            self.credit(r.blame[index].pop(), 1, -1)

    def reblame(self, r: Round, index: int) -> None:
        """The holder at a deadline that is past may have become another: an event arrived late."""
        if self.by_agent and r.mark(index) == LATE:
            self._blame(r, index, late=False)
            self._blame(r, index, late=True)
            self.day.shop.touched()

    def rest(self, key: str) -> None:
        """Nothing of the unit moves for a while."""
