"""Units that have several rounds: a session, and a customer on one day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.rounds import GOOD, LATE, NONE, OPEN
from monitor.engine.table import Table
from monitor.engine.tallies import Tally

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
            self.at_rest.put(key, unit[0] | (self._moments(unit) << 60 if self.paced else 0))

    def _moments(self, unit: list[int]) -> int:
        rounds, ask, missed = unit
        start, half = self.day.start_ms, 1 << (_REST_BITS - 1)
        return ((ask - start + half) << _REST_BITS) | (missed - start + half if rounds & _LATE else 0)

    def _unpack(self, packed: int) -> list[int]:
        start, half = self.day.start_ms, 1 << (_REST_BITS - 1)
        rounds, moments = packed & ((1 << 60) - 1), packed >> 60
        missed = moments & ((1 << _REST_BITS) - 1)
        return [rounds, (moments >> _REST_BITS) + start - half, missed + start - half if missed else 0]


class FirstTally(UnitTally):
    """Units ``session`` and ``customer_day`` with ``late_if: first_round``: only the first round decides.

    A unit is ``[how many rounds, first ask, state of the first]``; the first is the counted round with the
    earliest ask, then the earliest opening event.
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
