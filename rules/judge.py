"""From a reading to a verdict: a rule compiled once for one pack, called for every changed shop-second.

Conditions become tests that read a figure only when it decides. Texts and ``Facts`` are made by
``Judge.facts``, for a transition alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rules import budget
from rules.bounds import OF_DAYS, bound_of, until_another_miss, until_the_day_ends
from rules.conditions import (
    Terms,
    Test,
    compile_condition,
    compile_level,
    decided,
    from_the_ask,
    horizon_ms,
    limits_of,
)
from rules.pack import Limit
from rules.reading import Bound
from rules.transition import Facts, Item
from rules.values import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rules.pack import Line, Measure, Pack
    from rules.reading import Reading
    from rules.rule import Compare, Rule
    from rules.transition import RuleState


class Judgement(NamedTuple):
    """What a reading means under a rule.

    ``severity`` is the worst level that holds ("" for none), ``clear`` whether an alert may end by it,
    ``items`` the conversations at any level (each: conversation), soonest deadline first.
    """

    verdict: str  # ok warn crit no_data unknown partial too_few
    severity: str = ""
    clear: bool = True
    items: tuple[Item, ...] = ()


OK: Final = Judgement("ok")
NOT_CLEAR: Final = Judgement("ok", clear=False)
PARTIAL: Final = Judgement("partial")
PARTIAL_NOT_CLEAR: Final = Judgement("partial", clear=False)
TOO_FEW: Final = Judgement("too_few")
UNKNOWN: Final = Judgement("unknown", clear=False)
WARN: Final = Judgement("warn", "warn", clear=False)
CRIT: Final = Judgement("crit", "crit", clear=False)
_NO_DATA: Final = {severity: Judgement("no_data", severity, clear=False) for severity in ("warn", "crit")}


class Judge:
    """A rule as it is judged under one pack. Call it with a reading; it keeps nothing between calls.

    ``horizon_ms``: how far ahead of now a deadline can matter (0: none does); a Reading may leave later items
    out. ``timed``: the verdict can change by time alone, at ``due_ms``.
    """

    def __init__(self, rule: Rule, measure: Measure | None, line: Line | None, pack: Pack) -> None:
        self.rule, self.measure, self.line, self.pack = rule, measure, line, pack
        self.limit = Limit.of_line(line) if line else Limit(0, 1)  # without a line no figure reads it
        self._terms = Terms(measure.kind if measure else "", self.limit)
        self.period = line.period if line else rule.period
        self._no_data = rule.no_data
        self._crit = compile_level(rule.crit, self._terms) if rule.crit else None
        self._warn = compile_level(rule.warn, self._terms) if rule.warn else None
        self._clear = compile_level(rule.clear, self._terms, absent=True) if rule.clear else None
        self._only_if = compile_condition(rule.only_if, self._terms) if rule.only_if else None
        self._bounds = self._bounds_of(until_the_day_ends)
        rate = measure is not None and measure.kind == "reply_rate"
        self._spared = self._bounds_of(until_another_miss) if rate else None
        self._line_min = line.min_count if line else 0
        self._rule_min = rule.min_count
        self._fewest = max(self._line_min, self._rule_min)
        self._of_items = rule.each == "conversation"
        self.ends_daily = not self._of_items and measure is not None and self.period == "day"
        conditions = [level.condition for level in (rule.crit, rule.warn) if level]
        self._at_once = self._of_items and any(map(from_the_ask, conditions))
        self.horizon_ms = max(map(horizon_ms, conditions), default=0) if self._of_items else 0
        conditions += [rule.only_if] if rule.only_if else []
        self._waits_ms = limits_of(conditions, "oldest_wait")
        self.of_oldest = bool(self._waits_ms)
        self._item_waits_ms = limits_of(conditions, "wait")
        self._leads_ms = limits_of(conditions, "seconds_left")
        self.timed = bool(self.horizon_ms or self._waits_ms or rule.no_data)

    def __call__(self, reading: Reading, state: RuleState | None = None) -> Judgement:
        """Judge a reading; ``state`` is the rule's on this subject, since only an alert has to clear."""
        return self.judge(reading, clears=state is not None)

    def judge(self, reading: Reading, *, clears: bool) -> Judgement:
        """Judge a reading; ``clears``: there is an alert, so say too whether it may end."""
        if self._no_data is not None:
            return self._of_source(reading)
        if reading.blind:
            return UNKNOWN
        if self._fewest and self._too_few(reading):
            return TOO_FEW
        if self._of_items:
            judgement = self._of_conversations(reading)
            if judgement is not None:
                return judgement
        elif self._only_if is None or self._only_if.holds(reading, None):
            if self._crit is not None and self._crit.holds(reading, None):
                return CRIT
            if self._warn is not None and self._warn.holds(reading, None):
                return WARN
        clear = not clears or self._clear is None or self._clear.holds(reading, None)
        if reading.complete:
            return OK if clear else NOT_CLEAR
        return PARTIAL if clear else PARTIAL_NOT_CLEAR

    def could_hold(self, reading: Reading) -> bool:
        """Whether a level could hold until the day ends, by the worst of its figures (``rules.bounds``)."""
        return self._bounds is None or any(test.holds(reading, None) for test in self._bounds)

    def is_spared(self, asked: int, late: int) -> bool:
        """Whether no level can hold on a day with no fewer units asked and no more of them late."""
        if self._spared is None or not asked:
            return False
        worst = Bound(asked, late)
        return not any(test.holds(worst, None) for test in self._spared)

    def stays_too_few(self, reading: Reading) -> bool:
        """Whether too few will have asked until the day ends, unless another does: the forecast only falls.

        Before any of the day's profile is done nobody is expected yet, and then many may be.
        """
        asked = reading.asked
        return asked < self._rule_min or (
            asked < self._line_min and 0 < reading.expected < self._line_min - asked
        )

    def marks_ms(self, within_ms: int) -> tuple[int, ...]:
        """How long before a deadline, ``within_ms`` after its ask, an item's comparisons may turn."""
        leads = [*self._leads_ms, *(within_ms - wait_ms for wait_ms in self._item_waits_ms)]
        leads += [within_ms] if self._at_once else []
        return tuple(sorted({lead - after for lead in leads for after in (0, 1)}))

    def due_ms(self, reading: Reading) -> int:
        """The next whole second at which the verdict may change with no figure changed; 0: none."""
        now_ms = reading.now_ms
        if self.rule.no_data:
            ahead_ms = self.rule.no_data.for_ms - reading.silent_ms
            return _whole_second(now_ms + ahead_ms) if ahead_ms > 0 else 0
        moments = []
        if self._waits_ms and reading.oldest_wait_ms is not None:
            ask_ms = now_ms - reading.oldest_wait_ms
            moments += [ask_ms + wait_ms + after for wait_ms in self._waits_ms for after in (0, 1)]
        if self.horizon_ms:
            moments += self._moments_of_items(reading)
        later = [_whole_second(moment) for moment in moments if _whole_second(moment) > now_ms]
        return min(later, default=0)

    def facts(self, reading: Reading, judgement: Judgement = OK, *, final: bool = False) -> Facts:
        """The figures behind a transition; ``final``: the period is over, so say if the line held."""
        asked, late = reading.asked, reading.late
        left = today = breach_in = held = None
        if self.line:
            left = budget.budget_left(asked, late, self.limit)
            today = budget.budget_left_today(asked, late, reading.expected, self.limit)
            breach_in = budget.breach_in_minutes(
                asked, late, reading.newly_asked, reading.newly_late, self.limit
            )
            held = left >= 0 or asked < self._line_min if final else None
        return Facts(
            measure=self.measure.id if self.measure else "",
            period=self.period if self.measure else "",
            line=self.line.id if self.line else "",
            asked=asked,
            late=late,
            open=reading.open,
            budget_left=left,
            budget_left_today=today,
            breach_in_s=None if breach_in is None else breach_in * 60,
            at_risk=reading.at_risk,
            waiting=reading.waiting,
            oldest_wait_ms=reading.oldest_wait_ms,
            silent_ms=reading.silent_ms,
            held=held,
            condition=self.condition(reading, judgement),
        )

    def condition(self, reading: Reading, judgement: Judgement) -> str:
        """The comparisons that decided, each with its figure: ``budget_left_today 3 <= 3, late 21 >= 1``."""
        if self.rule.no_data:
            silent_ms = reading.silent_ms // 1000 * 1000
            return f"silent {duration_text(silent_ms)} >= {duration_text(self.rule.no_data.for_ms)}"
        item = judgement.items[0] if judgement.items else None
        level = {"crit": self.rule.crit, "warn": self.rule.warn}.get(judgement.severity)
        if level:
            return ", ".join(decided(level.condition, self._terms, reading, item))
        if self.rule.clear and judgement.clear:
            return ", ".join(decided(self.rule.clear.condition, self._terms, reading, item))
        return ""

    def _bounds_of(self, sure: Callable[[Compare], bool]) -> tuple[Test, ...] | None:
        """Tests of which one holds if a level could hold as long as is ``sure``; None: nothing is known."""
        rule, of_days = self.rule, self.measure is None or self.period in OF_DAYS
        levels = [level.condition for level in (rule.crit, rule.warn) if level]
        bounds = [bound for level in levels if (bound := bound_of(level, sure)) is not None]
        if len(bounds) < len(levels) or rule.no_data or not of_days:
            return None
        return tuple(compile_condition(bound, self._terms) for bound in bounds)

    # judging

    def _of_source(self, reading: Reading) -> Judgement:
        no_data = self.rule.no_data
        assert no_data is not None
        silent = reading.silent_ms >= no_data.for_ms and (not no_data.during or reading.in_service)
        return _NO_DATA[no_data.severity] if silent else OK

    def _too_few(self, reading: Reading) -> bool:
        """Below the rule's own count, or below the line's even with all who are still expected."""
        asked = reading.asked
        return asked < self._rule_min or (
            asked < self._line_min and asked + reading.expected < self._line_min
        )

    def _of_conversations(self, reading: Reading) -> Judgement | None:
        """The worst of the items, with all items at any level."""
        items = []
        severity = "warn"
        until_ms = reading.now_ms + self.horizon_ms
        for item in reading.items:
            if item.deadline_ms > until_ms:
                break
            if self._only_if is not None and not self._only_if.holds(reading, item):
                continue
            if self._crit is not None and self._crit.holds(reading, item):
                severity = "crit"
                items.append(item)
            elif self._warn is not None and self._warn.holds(reading, item):
                items.append(item)
        return Judgement(severity, severity, clear=False, items=tuple(items)) if items else None

    def _moments_of_items(self, reading: Reading) -> Iterator[int]:
        """When an item's comparisons may turn: at a limit (<= >=) and a millisecond past it (< >)."""
        for item in reading.items:
            yield item.deadline_ms + 1  # the first moment at which it has passed
            for lead_ms in self._leads_ms:
                yield from (item.deadline_ms - lead_ms, item.deadline_ms - lead_ms + 1)
            for wait_ms in self._item_waits_ms:
                yield from (item.ask_ms + wait_ms, item.ask_ms + wait_ms + 1)


def compile_rule(rule: Rule, measure: Measure | None, line: Line | None, pack: Pack) -> Judge:
    """Compile a rule for what it watches under a pack (``rules.rule.target`` finds it)."""
    return Judge(rule, measure, line, pack)


def _whole_second(ms: int) -> int:
    return -(-ms // 1000) * 1000
