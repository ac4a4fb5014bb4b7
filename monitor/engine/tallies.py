"""What a meter counts on one service day: units by state, and the agents behind them.

A tally hears of a round five times at the most: ``opened`` (it became counted), ``joined`` (another counted message),
``passed`` (the clock went past a deadline), ``answered``, ``removed``. Every one is a move of one unit from one state to
another, so that taking a move back is the same code with the states exchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.rounds import GOOD, LATE, NONE, OPEN
from monitor.engine.table import Table
from monitor.engine.windows import Pace

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.rounds import Round
    from monitor.engine.spec import MeterSpec
    from monitor.engine.windows import StateLog

# How many rounds of a unit are in each state, packed in one integer: 20 bits each.
ONE = (0, 1, 1 << 20, 1 << 40)
_OPEN, _LATE = (1 << 20) - 1, ((1 << 20) - 1) << 20
_REST_BITS = 34  # of a moment at rest, relative to the day's midnight: ± 99 days


def state_of(rounds: int) -> int:
    """A unit late by ``any_round``: late if one of its rounds is, else open if one can become so."""
    if rounds & _LATE:
        return LATE
    if rounds & _OPEN:
        return OPEN
    return GOOD if rounds else NONE


class Tally:
    """Unit ``round``: each counted round is a unit."""

    __slots__ = ("agents", "asked", "by_agent", "day", "missed", "n", "paced", "spec", "windows", "within_ms")

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        self.spec = spec
        self.day = day
        self.windows = windows
        self.within_ms = spec.within_ms
        self.by_agent = spec.by_agent
        self.paced = spec.paced
        self.n = [0, 0, 0, 0]  # units by state
        self.asked = Pace()  # units by when they were first asked
        self.missed = Pace()  # units by when they became late
        self.agents: dict[str, list[int]] = {}  # agent → [answered, late]

    # -- what happens to a round ---------------------------------------------------------------------------------

    def opened(self, r: Round, index: int, now_ms: int) -> None:
        """The round became counted."""
        self._to(r, index, OPEN if now_ms <= r.ask_ms + self.within_ms else LATE)

    def joined(self, r: Round, index: int, now_ms: int) -> None:
        """Another message of the customer: only unit ``message`` counts it."""

    def passed(self, r: Round, index: int, now_ms: int) -> None:
        """The clock is at ``now_ms``."""
        if r.marks[index] == OPEN and now_ms > r.ask_ms + self.within_ms:
            self._to(r, index, LATE)

    def answered(self, r: Round, index: int) -> None:
        """The round was answered, at ``r.answer_ms`` by ``r.by``."""
        new = GOOD if r.answer_ms - r.ask_ms <= self.within_ms else LATE
        old = r.marks[index]
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
        if r.marks[index]:
            self._to(r, index, NONE)

    def deadline_ms(self, r: Round, now_ms: int) -> int | None:
        """The round's next deadline that the clock has not passed."""
        deadline = r.ask_ms + self.within_ms
        return deadline if deadline >= now_ms else None

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
        missed = r.marks[index] == LATE
        return [r.conversation.holder_at(r.ask_ms + self.within_ms, r.day)] if missed else []

    # -- how it is counted ---------------------------------------------------------------------------------------

    def _to(self, r: Round, index: int, new: int) -> None:
        old = r.marks[index]
        r.marks[index] = new
        self.shift(r, old, new)
        for window in self.windows:
            window.shift(r.ask_ms, old, new)
        if self.by_agent and (old == LATE or new == LATE):
            self._blame(r, index, late=new == LATE)

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the round's unit."""
        n = self.n
        n[old] -= 1
        n[new] += 1
        if self.paced:
            if old == NONE:
                self.asked.add(r.ask_ms, 1)
            elif new == NONE:
                self.asked.add(r.ask_ms, -1)
            if new == LATE:
                self.missed.add(r.ask_ms + self.within_ms, 1)
            elif old == LATE:
                self.missed.add(r.ask_ms + self.within_ms, -1)

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
            r.blame = [[] for _ in r.marks]
        if late:
            assert r.conversation is not None
            holder = r.conversation.holder_at(r.ask_ms + self.within_ms, r.day)
            r.blame[index] = [holder]
            self.credit(holder, 1, 1)
        else:
            self.credit(r.blame[index].pop(), 1, -1)

    def reblame(self, r: Round, index: int) -> None:
        """The holder at a deadline that is past may have become another: an event arrived late."""
        if self.by_agent and r.marks[index] == LATE:
            self._blame(r, index, late=False)
            self._blame(r, index, late=True)

    def rest(self, key: str) -> None:
        """Nothing of the unit moves for a while."""


class UnitTally(Tally):
    """Units ``session`` and ``customer_day`` with ``late_if: any_round``: a unit has several rounds."""

    __slots__ = ("at_rest", "by_customer", "units")

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        super().__init__(spec, day, windows)
        self.by_customer = spec.unit == "customer_day"
        self.units: dict[str, list[int]] = {}  # unit → [rounds by state, first ask, first missed deadline]
        self.at_rest: Table[int] = Table()

    def unit_of(self, r: Round) -> str:
        """The unit a round belongs to."""
        if self.by_customer:
            return r.customer
        assert r.conversation is not None
        return r.conversation.id

    def is_late(self, r: Round) -> bool:
        """Whether the round's unit is late already, so that another miss costs nothing."""
        return state_of(self._unit(self.unit_of(r))[0]) == LATE

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the round inside its unit, and the unit if that changes it."""
        key = r.customer if self.by_customer else self.unit_of(r)
        unit = self.units.get(key) or self._unit(key)
        before = unit[0]
        after = unit[0] = before + ONE[new] - ONE[old]
        if (was := state_of(before)) != (now := state_of(after)):
            self.n[was] -= 1
            self.n[now] += 1
        if self.paced:
            if old == NONE or new == NONE:
                self._first_asked(r, unit, key, before, after)
            if old == LATE or new == LATE:
                self._first_missed(r, unit, key, before & _LATE, after & _LATE)

    def _first_asked(self, r: Round, unit: list[int], key: str, before: int, after: int) -> None:
        ask = r.ask_ms
        if not before:
            first = ask
        elif not after:
            self.asked.add(unit[1], -1)
            return
        elif after > before:
            first = min(unit[1], ask)
        else:
            first = unit[1] if ask != unit[1] else min(a for a, _ in self.day.rounds_of(self, key))
        if before and first != unit[1]:
            self.asked.add(unit[1], -1)
        if not before or first != unit[1]:
            self.asked.add(first, 1)
            unit[1] = first

    def _first_missed(self, r: Round, unit: list[int], key: str, before: int, after: int) -> None:
        deadline = r.ask_ms + self.within_ms
        if not before:
            first = deadline
        elif not after:
            self.missed.add(unit[2], -1)
            return
        elif after > before:
            first = min(unit[2], deadline)
        elif deadline != unit[2]:
            first = unit[2]
        else:
            first = min(a + self.within_ms for a, mark in self.day.rounds_of(self, key) if mark == LATE)
        if before and first != unit[2]:
            self.missed.add(unit[2], -1)
        if not before or first != unit[2]:
            self.missed.add(first, 1)
            unit[2] = first

    def _unit(self, key: str) -> list[int]:
        unit = self.units.get(key)
        if unit is None:
            packed = self.at_rest.pop(key)
            unit = self.units[key] = [0, 0, 0] if packed is None else self._unpack(packed)
        return unit

    def rest(self, key: str) -> None:
        """Put a unit at rest: 60 bytes instead of 300."""
        unit = self.units.pop(key, None)
        if unit is not None and unit[0]:
            start, half = self.day.start_ms, 1 << (_REST_BITS - 1)
            rounds, ask, missed = unit
            moments = ((ask - start + half) << _REST_BITS) | (missed - start + half if rounds & _LATE else 0)
            self.at_rest.put(key, (moments << 60) | rounds)

    def _unpack(self, packed: int) -> list[int]:
        start, half = self.day.start_ms, 1 << (_REST_BITS - 1)
        rounds, moments = packed & ((1 << 60) - 1), packed >> 60
        missed = moments & ((1 << _REST_BITS) - 1)
        return [rounds, (moments >> _REST_BITS) + start - half, missed + start - half if missed else 0]


class FirstTally(UnitTally):
    """Units ``session`` and ``customer_day`` with ``late_if: first_round``: only the first counted round decides.

    A unit is ``[how many rounds, first ask, state of the first]``; the first is the one with the earliest ask, then the
    earliest opening event.
    """

    __slots__ = ("firsts",)

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        super().__init__(spec, day, windows)
        self.firsts: dict[str, tuple[int, tuple[int, int, int, int, str]]] = {}

    def is_late(self, r: Round) -> bool:
        """Whether the unit is lost, or this round does not decide it."""
        key = self.unit_of(r)
        return self._unit(key)[2] == LATE or self.firsts.get(key) != (r.ask_ms, r.key)

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the unit if the round is its first, was it, or becomes it."""
        key = self.unit_of(r)
        unit = self._unit(key)
        assert r.key is not None
        order = (r.ask_ms, r.key)
        first = self.firsts.get(key)
        unit[0] += (old == NONE) - (new == NONE)
        if new == NONE and order == first:
            rest = [(other.ask_ms, other.key, mark) for other, mark in self.day.live_rounds_of(self, key)]
            if rest:
                ask, other_key, mark = min(rest)
                assert other_key is not None
                self._decide(key, unit, (ask, other_key), mark)
            else:
                self._decide(key, unit, None, NONE)
        elif first is None or order <= first:
            self._decide(key, unit, order, new)

    def _decide(
        self, key: str, unit: list[int], first: tuple[int, tuple[int, int, int, int, str]] | None, state: int
    ) -> None:
        was, ask = unit[2], unit[1]
        self.n[was] -= 1
        self.n[state] += 1
        if self.paced:
            if was != NONE:
                self.asked.add(ask, -1)
            if was == LATE:
                self.missed.add(ask + self.within_ms, -1)
        if first is None:
            self.firsts.pop(key, None)
            del self.units[key]
            return
        self.firsts[key] = first
        unit[1], unit[2] = first[0], state
        if self.paced:
            self.asked.add(first[0], 1)
            if state == LATE:
                self.missed.add(first[0] + self.within_ms, 1)

    def rest(self, key: str) -> None:
        """Kept as it is: the first round's order must stay known."""


class MessageTally(Tally):
    """Unit ``message``: each counted message of the customer is a unit, with a deadline of its own.

    ``r.marks[index]`` is 1 + the number of late messages once the round counts here. Messages are in order, so the
    late ones come first.
    """

    __slots__ = ()

    def opened(self, r: Round, index: int, now_ms: int) -> None:
        """Count every message the round has so far."""
        assert r.asks is not None
        for ask in r.asks:
            self._message(ask, NONE, OPEN)
        r.marks[index] = 1
        for window in self.windows:
            window.shift(r.ask_ms, NONE, OPEN)
        self._lose(r, index, now_ms - self.within_ms)

    def joined(self, r: Round, index: int, now_ms: int) -> None:
        """Count the last message."""
        assert r.asks is not None
        self._message(r.asks[-1], NONE, OPEN)
        self._lose(r, index, now_ms - self.within_ms)

    def passed(self, r: Round, index: int, now_ms: int) -> None:
        """The clock is at ``now_ms``."""
        if r.marks[index]:
            self._lose(r, index, now_ms - self.within_ms)

    def answered(self, r: Round, index: int) -> None:
        """Judge each message by the answer."""
        assert r.asks is not None
        before = r.answer_ms - self.within_ms  # a message asked before it is late
        late = sum(ask < before for ask in r.asks)
        if r.marks[index] > late + 1:
            self._find(r, index, late)
            self.day.taken_back()
        self._lose(r, index, before)
        for ask in r.asks[late:]:
            self._message(ask, OPEN, GOOD)
        if not late:
            for window in self.windows:
                window.shift(r.ask_ms, OPEN, GOOD)
        if self.by_agent and r.by:
            self.credit(r.by, 0, 1)

    def removed(self, r: Round, index: int) -> None:
        """Take every message back."""
        if not r.marks[index]:
            return
        assert r.asks is not None
        late = r.marks[index] - 1
        answered = self.answers(r)
        rest = GOOD if answered else OPEN
        for ask in r.asks[:late]:
            self._message(ask, LATE, NONE)
        for ask in r.asks[late:]:
            self._message(ask, rest, NONE)
        for window in self.windows:
            window.shift(r.ask_ms, LATE if late else rest, NONE)
        r.marks[index] = 0
        if self.by_agent:
            if answered and r.by:
                self.credit(r.by, 0, -1)
            for holder in r.blame[index] if r.blame is not None else ():
                self.credit(holder, 1, -1)
            if r.blame is not None:
                r.blame[index] = []

    def deadline_ms(self, r: Round, now_ms: int) -> int | None:
        """The deadline of the first message that the clock has not passed."""
        oldest = now_ms - self.within_ms
        return next((ask + self.within_ms for ask in r.asks or () if ask >= oldest), None)

    def last_deadline_ms(self, r: Round) -> int:
        """The deadline of its last message: the round is then changed as a whole."""
        return r.last_ask_ms() + self.within_ms

    def mark(self, r: Round) -> int:
        """One more than the number of late messages."""
        return 1 + sum(r.answer_ms - ask > self.within_ms for ask in r.asks or ())

    def blamed(self, r: Round, index: int) -> list[str]:
        """Who is blamed for each late message."""
        assert r.conversation is not None
        asks = (r.asks or [])[: max(0, r.marks[index] - 1)]
        return [r.conversation.holder_at(ask + self.within_ms, r.day) for ask in asks]

    def _lose(self, r: Round, index: int, before_ms: int) -> None:
        """Messages asked before ``before_ms`` are late."""
        assert r.asks is not None
        first = r.marks[index]
        for ask in r.asks[first - 1 :]:
            if ask >= before_ms:
                break
            self._message(ask, OPEN, LATE)
            r.marks[index] += 1
            if self.by_agent:
                assert r.conversation is not None
                if r.blame is None:
                    r.blame = [[] for _ in r.marks]
                holder = r.conversation.holder_at(ask + self.within_ms, r.day)
                r.blame[index].append(holder)
                self.credit(holder, 1, 1)
        if first == 1 < r.marks[index]:
            for window in self.windows:
                window.shift(r.ask_ms, OPEN, LATE)

    def _find(self, r: Round, index: int, late: int) -> None:
        """All but the first ``late`` messages were answered in time after all."""
        assert r.asks is not None
        for ask in r.asks[late : r.marks[index] - 1]:
            self._message(ask, LATE, OPEN)
            if self.by_agent:
                assert r.blame is not None
                self.credit(r.blame[index].pop(), 1, -1)
        if not late:
            for window in self.windows:
                window.shift(r.ask_ms, LATE, OPEN)
        r.marks[index] = late + 1

    def _message(self, ask_ms: int, old: int, new: int) -> None:
        self.n[old] -= 1
        self.n[new] += 1
        if self.paced:
            if old == NONE or new == NONE:
                self.asked.add(ask_ms, 1 if old == NONE else -1)
            if old == LATE or new == LATE:
                self.missed.add(ask_ms + self.within_ms, 1 if new == LATE else -1)

    def reblame(self, r: Round, index: int) -> None:
        """Ask again who held the conversation at each missed deadline."""
        if not self.by_agent or r.marks[index] <= 1 or r.blame is None:
            return
        assert r.asks is not None
        assert r.conversation is not None
        for position, holder in enumerate(r.blame[index]):
            now = r.conversation.holder_at(r.asks[position] + self.within_ms, r.day)
            if now != holder:
                self.credit(holder, 1, -1)
                self.credit(now, 1, 1)
                r.blame[index][position] = now


def tally_for(spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> Tally:
    """The tally that counts a meter's unit."""
    if spec.unit == "message":
        return MessageTally(spec, day, windows)
    if spec.unit == "round":
        return Tally(spec, day, windows)
    return FirstTally(spec, day, windows) if spec.first_round else UnitTally(spec, day, windows)
