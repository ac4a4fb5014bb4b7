"""A condition as the boxes of figures in which it holds.

An interval for each figure it compares, one box for each way through its ``any``. Thresholds that never
hold, or that lie past one another, are then a matter of intervals.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from rules.figures import FIGURES, FLAG, SHARE
from rules.limits import MAX_ALTERNATIVES
from rules.rule import All, Compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.rule import Condition, Level, Rule

FAR = Fraction(10**18)
_NEXT = Fraction(1, 10**12)  # the least difference between two shares that anybody writes


class Interval(NamedTuple):
    """Closed at both ends; a strict comparison is one step in."""

    low: Fraction
    high: Fraction

    def meet(self, other: Interval) -> Interval:
        """What lies in both; empty when ``low`` is above ``high``."""
        return Interval(max(self.low, other.low), min(self.high, other.high))

    def within(self, other: Interval) -> bool:
        """Whether all of it lies in the other."""
        return other.low <= self.low and self.high <= other.high

    @property
    def empty(self) -> bool:
        """Whether nothing lies in it."""
        return self.low > self.high


Box = dict[str, Interval]


def boxes_of(level: Level, rule: Rule) -> list[Box]:
    """The boxes in which a level holds, together with the rule's ``only_if``."""
    if rule.only_if is None or level is rule.clear:
        return _boxes(level.condition)
    return _boxes(All((level.condition, rule.only_if)))


def _boxes(condition: Condition) -> list[Box]:
    if isinstance(condition, Compare):
        interval = _interval(condition).meet(domain(condition.figure))
        return [] if interval.empty else [{condition.figure: interval}]
    parts = [_boxes(part) for part in condition.parts]
    if not isinstance(condition, All):
        return [box for boxes in parts for box in boxes][:MAX_ALTERNATIVES]
    together: list[Box] = [{}]
    for boxes in parts:
        joined = (_join(box, other) for box in together for other in boxes)
        together = [box for box in joined if box is not None][:MAX_ALTERNATIVES]
    return together


def _join(box: Box, other: Box) -> Box | None:
    """The box in which both hold; None when there is none."""
    joined = dict(box)
    for figure, interval in other.items():
        joined[figure] = joined.get(figure, domain(figure)).meet(interval)
        if joined[figure].empty:
            return None
    return joined


def covers(boxes: Sequence[Box], others: Sequence[Box]) -> bool:
    """Whether each of the others lies inside one of the boxes."""
    return all(any(_inside(other, box) for box in boxes) for other in others)


def _inside(box: Box, other: Box) -> bool:
    return all(box.get(figure, domain(figure)).within(interval) for figure, interval in other.items())


def overlap(box: Box, other: Box) -> bool:
    """Whether two boxes compare a figure in common, and no such figure keeps them apart."""
    common = box.keys() & other.keys()
    return bool(common) and all(not box[figure].meet(other[figure]).empty for figure in common)


def _interval(compare: Compare) -> Interval:
    limit = Fraction(*compare.limit)
    step = _NEXT if FIGURES[compare.figure].type == SHARE else Fraction(1)
    return {
        "<=": Interval(-FAR, limit),
        "<": Interval(-FAR, limit - step),
        ">=": Interval(limit, FAR),
        ">": Interval(limit + step, FAR),
        "==": Interval(limit, limit),
        "!=": Interval(-FAR, FAR),
    }[compare.op]


def domain(name: str) -> Interval:
    """Every value a figure can have."""
    figure = FIGURES[name]
    low = -FAR if figure.lowest is None else Fraction(figure.lowest)
    bounded = figure.type == FLAG or name in ("value", "worst")
    return Interval(low, Fraction(1) if bounded else FAR)
