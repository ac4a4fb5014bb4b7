"""What a rule could say at most of a subject in which nothing happens any more on this service day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.rule import All, Any, Compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.rule import Condition

# Figures that stay as they are while nothing happens, and those that then only come nearer to a bound: the
# forecast falls as the day goes by, and misses leave the last half hour. Read at the bound (nobody else asks,
# every miss stays), they hold "below" whenever they would at any second to come.
STEADY: Final = frozenset(
    {"late", "asked", "open", "value", "worst", "budget_left", "at_risk", "agents_online"}
)
FALLING: Final = frozenset({"budget_left_today", "breach_in"})
OF_DAYS: Final = ("", "day", "7d", "30d")  # periods that move with the day, not with every bucket

# Figures of a reply rate that, at the bound, only rise with each who asks and fall with each miss.
SPARED: Final = frozenset({"asked", "value", "budget_left", "budget_left_today", "breach_in"})


def until_the_day_ends(compare: Compare) -> bool:
    """Whether a comparison that fails at the bound fails until the day ends, if nothing happens."""
    return compare.figure in STEADY or (compare.figure in FALLING and compare.op in ("<", "<="))


def until_another_miss(compare: Compare) -> bool:
    """Whether a comparison that fails at the bound fails until one more is late, or one fewer asked."""
    if compare.figure == "late":
        return compare.op in (">", ">=")
    return compare.figure in SPARED and compare.op in ("<", "<=")


def bound_of(condition: Condition, sure: Callable[[Compare], bool] = until_the_day_ends) -> Condition | None:
    """What holds at the bound whenever ``condition`` will: without comparisons of which nothing is ``sure``.

    None: it may hold at any time.
    """
    if isinstance(condition, Compare):
        return condition if sure(condition) else None
    parts = [bound_of(part, sure) for part in condition.parts]
    known = tuple(part for part in parts if part is not None)
    if isinstance(condition, All):
        return All(known) if known else None
    return Any(known) if len(known) == len(parts) else None
