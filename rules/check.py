"""Lints: rules that can be read but hardly mean what their author wants.

A condition is seen as the boxes of figures in which it holds: an interval for each figure it compares, one
box for each way through its ``any``. Thresholds that never hold, or that lie past one another, are then a
matter of intervals.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from rules.figures import COUNT, FIGURES, FLAG, SHARE
from rules.limits import MAX_ALTERNATIVES
from rules.pack import DAY_MS
from rules.problems import Problem
from rules.rule import OVER_SHOPS, All, Compare, Condition, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rules.pack import Pack
    from rules.problems import Place
    from rules.rule import Level, Rule

_FAR = Fraction(10**18)
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


def lint(rules: Iterable[Rule], packs: Sequence[Pack], *, whole: bool) -> list[Problem]:
    """Every doubt about the rules; ``error`` where a rule can not work, else ``warning``.

    Args:
        rules: Those that could be read.
        packs: What they are about.
        whole: There are no others; else a line that none of them watches is no doubt.
    """
    rules = tuple(rules)
    found: list[Problem] = []
    for rule in rules:
        found += _thresholds(rule)
        found += _alerts_without_a_miss(rule)
        found += _too_early(rule, packs)
    return [*found, *_same(rules), *(_unwatched(rules, packs) if whole else ())]


def _thresholds(rule: Rule) -> Iterator[Problem]:
    levels = {"warn": rule.warn, "crit": rule.crit, "clear": rule.clear}
    boxes = {name: _boxes_of(level, rule) for name, level in levels.items() if level}
    for name, level in levels.items():
        if level and not boxes[name]:
            yield _doubt(rule, level.place, f"'{name}' of rule '{rule.id}' can never hold", severity="error")
        elif (
            level
            and level.for_ms >= DAY_MS
            and rule.each != "conversation"
            and rule.period == "day"
            and (rule.line or rule.measure)
        ):
            what = f"'{name}' of rule '{rule.id}' can never hold for so long: its day is over before"
            yield _doubt(rule, level.place, what, severity="error")
    warn, crit, clear = rule.warn, rule.crit, rule.clear
    if warn and crit and _no_later(crit, warn) and boxes["warn"] and _covers(boxes["crit"], boxes["warn"]):
        yield _doubt(rule, warn.place, f"'warn' of rule '{rule.id}' is past its 'crit': it never shows")
    mildest = "warn" if warn else "crit"
    if clear and mildest in boxes:
        pairs = ((box, other) for box in boxes["clear"] for other in boxes[mildest])
        if any(_overlap(box, other) for box, other in pairs):
            what = f"'clear' of rule '{rule.id}' lies inside its '{mildest}': it holds nothing back"
            yield _doubt(rule, clear.place, what)


def _alerts_without_a_miss(rule: Rule) -> Iterator[Problem]:
    """A level on the budget or the worst case that holds for a shop where nobody was answered late."""
    for name, level in (("warn", rule.warn), ("crit", rule.crit)):
        if level is None or rule.each == "conversation":
            continue
        for box in _boxes_of(level, rule):
            figure = next((figure for figure in box if _needs_a_miss(figure, box[figure])), "")
            late = box.get("late", _domain("late"))
            if figure and late.low < 1 and box.get("budget_left", _domain("budget_left")).high >= 0:
                what = f"'{name}' of rule '{rule.id}' compares {figure} with no condition on misses"
                hint = 'all: [{late: ">= 1"}, …]'
                yield _doubt(rule, level.place, what, hint=hint)
                break


def _needs_a_miss(name: str, interval: Interval) -> bool:
    """Whether a shop with no miss can reach this comparison of its budget."""
    if not FIGURES[name].without_miss:
        return False
    if name == "required_rate":
        return interval.low <= 1  # with no miss it never exceeds the line itself
    return FIGURES[name].type != COUNT or 0 <= interval.high < _FAR  # and a budget is never below 0


def _too_early(rule: Rule, packs: Sequence[Pack]) -> Iterator[Problem]:
    """A countdown from further ahead than the measure's own limit warns of every ask at once."""
    withins = [found.measure.within_ms for pack in packs if (found := target(rule, pack)) and found.measure]
    longest_ms = max((within_ms for within_ms in withins if within_ms), default=0)
    for name, level in (("warn", rule.warn), ("crit", rule.crit)):
        for box in _boxes_of(level, rule) if level and longest_ms else ():
            left = box.get("seconds_left")
            if level and left and longest_ms <= left.high < _FAR:
                what = (
                    f"'{name}' of rule '{rule.id}' holds from the ask on: the limit is {longest_ms // 1000} s"
                )
                yield _doubt(rule, level.place, what)


def _same(rules: Sequence[Rule]) -> Iterator[Problem]:
    first: dict[tuple[object, ...], Rule] = {}
    for rule in rules:
        other = first.setdefault(rule.meaning, rule)
        if other is not rule:
            what = f"rule '{rule.id}' says the same as '{other.id}' at {other.file}:{other.place.line}"
            yield _doubt(rule, rule.place, what)


def _unwatched(rules: Sequence[Rule], packs: Sequence[Pack]) -> Iterator[Problem]:
    """Lines of a pack that no rule watches, for packs that have rules at all; a line is crossed by shops."""
    told: set[str] = set()
    of_shops = [rule for rule in rules if rule.each not in OVER_SHOPS]
    for pack in packs:
        targets = [found for rule in of_shops if (found := target(rule, pack)) and found.measure]
        watched = {(found.measure.id, found.period) for found in targets if found.measure}
        for line in pack.lines.values() if targets else ():
            if (line.measure, line.period) not in watched and line.id not in told:
                told.add(line.id)
                what = f"no rule watches the line '{line.id}' of pack '{pack.id}'"
                yield Problem(pack.path, *line.place, what, severity="warning")


# boxes


def _boxes_of(level: Level, rule: Rule) -> list[Box]:
    """The boxes in which a level holds, together with the rule's ``only_if``."""
    if rule.only_if is None or level is rule.clear:
        return _boxes(level.condition)
    return _boxes(All((level.condition, rule.only_if)))


def _boxes(condition: Condition) -> list[Box]:
    if isinstance(condition, Compare):
        interval = _interval(condition).meet(_domain(condition.figure))
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
        joined[figure] = joined.get(figure, _domain(figure)).meet(interval)
        if joined[figure].empty:
            return None
    return joined


def _covers(boxes: Sequence[Box], others: Sequence[Box]) -> bool:
    """Whether each of the others lies inside one of the boxes."""
    return all(any(_inside(other, box) for box in boxes) for other in others)


def _inside(box: Box, other: Box) -> bool:
    return all(box.get(figure, _domain(figure)).within(interval) for figure, interval in other.items())


def _overlap(box: Box, other: Box) -> bool:
    """Whether two boxes compare a figure in common, and no such figure keeps them apart."""
    common = box.keys() & other.keys()
    return bool(common) and all(not box[figure].meet(other[figure]).empty for figure in common)


def _interval(compare: Compare) -> Interval:
    limit = Fraction(*compare.limit)
    step = _NEXT if FIGURES[compare.figure].type == SHARE else Fraction(1)
    return {
        "<=": Interval(-_FAR, limit),
        "<": Interval(-_FAR, limit - step),
        ">=": Interval(limit, _FAR),
        ">": Interval(limit + step, _FAR),
        "==": Interval(limit, limit),
        "!=": Interval(-_FAR, _FAR),
    }[compare.op]


def _domain(name: str) -> Interval:
    """Every value a figure can have."""
    figure = FIGURES[name]
    low = -_FAR if figure.lowest is None else Fraction(figure.lowest)
    bounded = figure.type == FLAG or name in ("value", "worst")
    return Interval(low, Fraction(1) if bounded else _FAR)


def _no_later(level: Level, than: Level) -> bool:
    """Whether a level is looked at whenever, and no later than, another is."""
    whenever = level.during in ("", than.during) and level.min_count <= than.min_count
    return whenever and level.for_ms <= than.for_ms


def _doubt(rule: Rule, place: Place, what: str, *, hint: str = "", severity: str = "warning") -> Problem:
    return Problem(rule.file, *place, what, hint=hint, severity=severity)
