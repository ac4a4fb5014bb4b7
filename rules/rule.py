"""A rule: when to warn about a figure, as frozen values. Times are milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules.pack import NO_TEXT, Line, Measure, Pack, Text
from rules.problems import Place, Problem
from rules.values import duration_text

if TYPE_CHECKING:
    from collections.abc import Mapping

UPDATE_INTERVAL_MS = 30_000
# What a rule may be on that is a sum over several shops:
OVER_SHOPS = {
    "team": Text("小组", "team"),
    "platform": Text("平台", "platform"),
    "agent": Text("客服", "agent"),
}


@dataclass(frozen=True, slots=True)
class Compare:
    """A figure against a fixed value: ``limit`` is a count, milliseconds, a pair for a share, or 0 and 1."""

    figure: str
    op: str  # <= < >= > == !=
    limit: tuple[int, int]  # (number, 1) unless the figure is a share
    text: str  # the comparison as written: "<= 10"


@dataclass(frozen=True, slots=True)
class All:
    """Holds when every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Holds when one part holds."""

    parts: tuple[Condition, ...]


Condition = Compare | All | Any


@dataclass(frozen=True, slots=True)
class Level:
    """A condition, how long it must hold, and when it is looked at."""

    condition: Condition
    for_ms: int = 0
    during: str = ""  # "" | service_hours
    min_count: int = 0  # units asked, below which the level does not hold
    place: Place = field(default=Place(1, 1), compare=False, repr=False)


def condition_text(condition: Condition) -> str:
    """A condition in one line: ``late >= 1 and (budget_left_today <= 3 or breach_in <= 20m)``."""
    if isinstance(condition, Compare):
        return f"{condition.figure} {condition.text}"
    texts = [
        condition_text(part) if isinstance(part, Compare) else f"({condition_text(part)})"
        for part in condition.parts
    ]
    return (" and " if isinstance(condition, All) else " or ").join(texts)


def level_text(level: Level) -> str:
    """A level in one line: ``agents_online == 0 during service_hours for 3m``."""
    text = condition_text(level.condition)
    if level.during:
        text += f" during {level.during}"
    return f"{text} for {duration_text(level.for_ms)}" if level.for_ms else text


def no_data_text(no_data: NoData) -> str:
    """What a source's rule waits for, in one line: ``silent >= 5m during service_hours``."""
    during = f" during {no_data.during}" if no_data.during else ""
    return f"silent >= {duration_text(no_data.for_ms)}{during}"


@dataclass(frozen=True, slots=True)
class NoData:
    """How long a source may be silent."""

    for_ms: int
    severity: str = "crit"
    during: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which shops a rule is for; an empty part selects all."""

    platforms: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()  # shop ids, or platform:shop_id
    teams: tuple[str, ...] = ()
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def matches(
        self, platform: str, shop_id: str, team: str = "", labels: Mapping[str, str] | None = None
    ) -> bool:
        """Whether a shop is selected; ``labels`` are those of ``shops.yaml``, its tier among them."""
        return (
            (not self.platforms or platform in self.platforms)
            and (not self.ids or shop_id in self.ids or f"{platform}:{shop_id}" in self.ids)
            and (not self.teams or team in self.teams)
            and all((labels or {}).get(key, "") in wanted for key, wanted in self.labels)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """When to warn. A rule watches a line, or a measure over a period, or neither."""

    id: str
    title: Text = NO_TEXT
    line: str = ""
    measure: str = ""
    period: str = "day"
    each: str = "shop"  # shop | conversation | source | team | platform | agent
    shops: Selector = Selector()
    warn: Level | None = None
    crit: Level | None = None
    no_data: NoData | None = None
    clear: Level | None = None
    only_if: All | None = None
    keep_firing_for_ms: int = 0
    interval_ms: int = UPDATE_INTERVAL_MS  # each: conversation: the least time between updates
    min_count: int = 0  # units asked, below which the verdict is too_few
    advice: Text = field(default=NO_TEXT, compare=False)
    notify: str = ""
    shadow: bool = False
    file: str = field(default="", compare=False, repr=False)
    place: Place = field(default=Place(1, 1), compare=False, repr=False)

    @property
    def meaning(self) -> tuple[object, ...]:
        """What decides when the rule alerts: while it stays equal, a reload keeps the rule's states."""
        watched = (self.line, self.measure, self.period, self.each, self.shops, self.only_if, self.min_count)
        when = (self.warn, self.crit, self.no_data, self.clear, self.keep_firing_for_ms)
        return (*watched, *when)


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule means under one pack."""

    measure: Measure | None
    period: str
    line: Line | None


def target(rule: Rule, pack: Pack) -> Target | None:
    """What ``rule`` watches under ``pack``; None when it has nothing to do with that pack."""
    if rule.shops.platforms and pack.platform not in rule.shops.platforms:
        return None
    if rule.line:
        line = pack.lines.get(rule.line)
        return Target(pack.measures[line.measure], line.period, line) if line else None
    if rule.measure:
        measure = pack.measures.get(rule.measure)
        return Target(measure, rule.period, None) if measure and rule.period in measure.periods else None
    return Target(None, rule.period, None)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules by id, in the order of their files, and the doubts about them."""

    rules: dict[str, Rule] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
