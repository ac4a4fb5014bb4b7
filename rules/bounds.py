"""What a rule could say at most of a subject in which nothing happens any more on this service day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.rule import All, Any, Compare

if TYPE_CHECKING:
    from rules.rule import Condition

# Figures that stay as they are while nothing happens, and those that then only come nearer to a bound: the
# forecast falls as the day goes by, and misses leave the last half hour. Read at the bound (nobody else asks,
# every miss stays), they hold "below" whenever they would at any second to come.
STEADY: Final = frozenset(
    {"late", "asked", "open", "value", "worst", "budget_left", "at_risk", "agents_online"}
)
FALLING: Final = frozenset({"budget_left_today", "breach_in"})
OF_DAYS: Final = ("", "day", "7d", "30d")  # periods that move with the day, not with every bucket


def bound_of(condition: Condition) -> Condition | None:
    """What holds at the bound whenever ``condition`` will: without comparisons of which nothing is known.

    None: it may hold at any time.
    """
    if isinstance(condition, Compare):
        sure = condition.figure in STEADY or (condition.figure in FALLING and condition.op in ("<", "<="))
        return condition if sure else None
    parts = [bound_of(part) for part in condition.parts]
    known = tuple(part for part in parts if part is not None)
    if isinstance(condition, All):
        return All(known) if known else None
    return Any(known) if len(known) == len(parts) else None
