"""Units that have several rounds: a session, and a customer on one day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from monitor.engine.rounds import GOOD, LATE, NONE, OPEN
from monitor.engine.table import UnitTable
from monitor.engine.tallies import Tally

if TYPE_CHECKING:
    from monitor.engine.day import Day
    from monitor.engine.rounds import Round
    from monitor.engine.spec import MeterSpec
    from monitor.engine.windows import StateLog

# How many rounds of a unit are in each state, packed in one integer: 20 bits each.
_OPEN: Final = (1 << 20) - 1
_LATE: Final = _OPEN << 20
_USUAL: Final = 1 << 40  # one round, answered in time: what most units come to rest with


def one(state: int) -> int:
    """One round in a state."""
    return 1 << (20 * (state - 1)) if state else 0


def state_of(rounds: int) -> int:
    """A unit late by ``any_round``: late if one of its rounds is, else open if one can become so."""
    if rounds & _LATE:
        return LATE
    if rounds & _OPEN:
        return OPEN
    return GOOD if rounds else NONE


@mypyc_attr(acyclic=True)
class Unit:
    """A unit in which something moved of late: its rounds by state, and when it was first asked and missed.

    Under ``first_round``: how many rounds it has, the ask of the first, and in ``missed_ms`` its state.
    """

    __slots__ = ("ask_ms", "missed_ms", "rounds")

    def __init__(self, rounds: int = 0, ask_ms: int = 0, missed_ms: int = 0) -> None:
        self.rounds = rounds
        self.ask_ms = ask_ms
        self.missed_ms = missed_ms


class UnitTally(Tally):
    """Units ``session`` and ``customer_day`` with ``late_if: any_round``: a unit has several rounds."""

    __slots__ = ("at_rest", "by_customer", "units")

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        super().__init__(spec, day, windows)
        self.by_customer = spec.unit == "customer_day"
        self.units: dict[str, Unit] = {}
        self.at_rest = UnitTable()

    def unit_of(self, r: Round) -> str:
        """The unit a round belongs to."""
        if self.by_customer:
            return r.customer
        assert r.conversation is not None
        return r.conversation.id

    def is_late(self, r: Round) -> bool:
        """Whether the round's unit is late already, so that another miss costs nothing."""
        return state_of(self._unit(self.unit_of(r)).rounds) == LATE

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the round inside its unit, and the unit if that changes it."""
        key = r.customer if self.by_customer else self.unit_of(r)
        unit = self.units.get(key) or self._unit(key)
        before = unit.rounds
        after = unit.rounds = before + one(new) - one(old)
        if (was := state_of(before)) != (now := state_of(after)):
            self.move(was, now)
            if was == LATE or now == LATE:
                self.day.shop.near_moved = True  # another miss of the unit costs nothing now, or does again
        if self.paced:
            if old == NONE or new == NONE:
                self._first_asked(r, unit, key, before, after)
            if old == LATE or new == LATE:
                self._first_missed(r, unit, key, before & _LATE, after & _LATE)

    def _first_asked(self, r: Round, unit: Unit, key: str, before: int, after: int) -> None:
        ask = r.ask_ms
        if not before:
            first = ask
        elif not after:
            self.asked.add(unit.ask_ms, -1)
            return
        elif after > before:
            first = min(unit.ask_ms, ask)
        else:
            first = unit.ask_ms if ask != unit.ask_ms else min(a for a, _ in self.day.rounds_of(self, key))
        if before and first != unit.ask_ms:
            self.asked.add(unit.ask_ms, -1)
        if not before or first != unit.ask_ms:
            self.asked.add(first, 1)
            unit.ask_ms = first

    def _first_missed(self, r: Round, unit: Unit, key: str, before: int, after: int) -> None:
        deadline = r.ask_ms + self.within_ms
        if not before:
            first = deadline
        elif not after:
            self.missed.add(unit.missed_ms, -1)
            return
        elif after > before:
            first = min(unit.missed_ms, deadline)
        elif deadline != unit.missed_ms:
            first = unit.missed_ms
        else:
            first = min(a + self.within_ms for a, mark in self.day.rounds_of(self, key) if mark == LATE)
        if before and first != unit.missed_ms:
            self.missed.add(unit.missed_ms, -1)
        if not before or first != unit.missed_ms:
            self.missed.add(first, 1)
            unit.missed_ms = first

    def _unit(self, key: str) -> Unit:
        unit = self.units.get(key)
        if unit is None:
            packed = self.at_rest.pop(key)
            unit = self.units[key] = Unit() if packed is None else self._woken(packed)
        return unit

    def rest(self, key: str) -> None:
        """Put a unit at rest: 12 bytes instead of 150."""
        unit = self.units.pop(key, None)
        if unit is not None and unit.rounds:
            start_ms, asked, missed = self.day.start_ms, 0, 0
            if self.paced:
                asked = unit.ask_ms - start_ms
                missed = unit.missed_ms - start_ms if unit.rounds & _LATE else 0
            usual = unit.rounds == _USUAL
            self.at_rest.put(key, asked, None if usual else (unit.rounds, missed))

    def _woken(self, packed: tuple[int, tuple[int, int] | None]) -> Unit:
        start_ms = self.day.start_ms
        rounds, missed = packed[1] or (_USUAL, 0)
        return Unit(rounds, packed[0] + start_ms, missed + start_ms if missed else 0)


class FirstTally(UnitTally):
    """Units ``session`` and ``customer_day`` with ``late_if: first_round``: only the first round decides.

    The first is the counted round with the earliest ask, then the earliest opening event.
    """

    __slots__ = ("firsts",)

    def __init__(self, spec: MeterSpec, day: Day, windows: tuple[StateLog, ...]) -> None:
        super().__init__(spec, day, windows)
        self.firsts: dict[str, tuple[int, tuple[int, int, int, int, str]]] = {}

    def is_late(self, r: Round) -> bool:
        """Whether the unit is lost, or this round does not decide it."""
        key = self.unit_of(r)
        return self._unit(key).missed_ms == LATE or self.firsts.get(key) != (r.ask_ms, r.key)

    def shift(self, r: Round, old: int, new: int) -> None:
        """Move the unit if the round is its first, was it, or becomes it."""
        key = self.unit_of(r)
        unit = self._unit(key)
        assert r.key is not None
        order = (r.ask_ms, r.key)
        first = self.firsts.get(key)
        unit.rounds += (old == NONE) - (new == NONE)
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
        self, key: str, unit: Unit, first: tuple[int, tuple[int, int, int, int, str]] | None, state: int
    ) -> None:
        was, ask = unit.missed_ms, unit.ask_ms
        self.move(was, state)
        self.day.shop.near_moved = True  # which round decides, or whether the unit is lost
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
        unit.ask_ms, unit.missed_ms = first[0], state
        if self.paced:
            self.asked.add(first[0], 1)
            if state == LATE:
                self.missed.add(first[0] + self.within_ms, 1)

    def rest(self, key: str) -> None:
        """Kept as it is: the first round's order must stay known."""
