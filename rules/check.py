"""Lints: rules that can be read but hardly mean what their author wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.boxes import FAR, boxes_of, covers, domain, overlap
from rules.figures import COUNT, FIGURES
from rules.pack import DAY_MS
from rules.problems import Problem
from rules.rule import OVER_SHOPS, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rules.boxes import Interval
    from rules.pack import Pack
    from rules.problems import Place
    from rules.rule import Level, Rule


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
    boxes = {name: boxes_of(level, rule) for name, level in levels.items() if level}
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
    if warn and crit and _no_later(crit, warn) and boxes["warn"] and covers(boxes["crit"], boxes["warn"]):
        yield _doubt(rule, warn.place, f"'warn' of rule '{rule.id}' is past its 'crit': it never shows")
    mildest = "warn" if warn else "crit"
    if clear and mildest in boxes:
        pairs = ((box, other) for box in boxes["clear"] for other in boxes[mildest])
        if any(overlap(box, other) for box, other in pairs):
            what = f"'clear' of rule '{rule.id}' lies inside its '{mildest}': it holds nothing back"
            yield _doubt(rule, clear.place, what)


def _alerts_without_a_miss(rule: Rule) -> Iterator[Problem]:
    """A level on the budget or the worst case that holds for a shop where nobody was answered late."""
    for name, level in (("warn", rule.warn), ("crit", rule.crit)):
        if level is None or rule.each == "conversation":
            continue
        for box in boxes_of(level, rule):
            figure = next((figure for figure in box if _needs_a_miss(figure, box[figure])), "")
            late = box.get("late", domain("late"))
            if figure and late.low < 1 and box.get("budget_left", domain("budget_left")).high >= 0:
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
    return FIGURES[name].type != COUNT or 0 <= interval.high < FAR  # and a budget is never below 0


def _too_early(rule: Rule, packs: Sequence[Pack]) -> Iterator[Problem]:
    """A countdown from further ahead than the measure's own limit warns of every ask at once."""
    withins = [found.measure.within_ms for pack in packs if (found := target(rule, pack)) and found.measure]
    longest_ms = max((within_ms for within_ms in withins if within_ms), default=0)
    for name, level in (("warn", rule.warn), ("crit", rule.crit)):
        for box in boxes_of(level, rule) if level and longest_ms else ():
            left = box.get("seconds_left")
            if level and left and longest_ms <= left.high < FAR:
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


def _no_later(level: Level, than: Level) -> bool:
    """Whether a level is looked at whenever, and no later than, another is."""
    whenever = level.during in ("", than.during) and level.min_count <= than.min_count
    return whenever and level.for_ms <= than.for_ms


def _doubt(rule: Rule, place: Place, what: str, *, hint: str = "", severity: str = "warning") -> Problem:
    return Problem(rule.file, *place, what, hint=hint, severity=severity)
