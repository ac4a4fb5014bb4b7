"""Budget and forecast (design §7): how many misses are left, and when the line is reached.

Integers only. N is ``asked``, L is ``late``, R is ``expected``; the limit A/Q is the share that may go
wrong, so that lines "at least" (A/Q = 1 − p) and "at most" (A/Q = p) need one formula.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.pack import Limit

RECENT_MINUTES: Final = 30  # what newly_asked and newly_late look back over
SLOT_MINUTES: Final = 30


def prefix_sums(profile: Sequence[int]) -> tuple[int, ...]:
    """The weight before each half-hour of the day and, last, of the whole day (49 numbers)."""
    return (0, *accumulate(profile))


def expected(asked: int, prefix: Sequence[int], minute: int) -> int:
    """R, the units still expected today: ⌊asked · (total − done) / done⌋, 0 before any of the day is done.

    Args:
        asked: units asked so far today.
        prefix: ``prefix_sums`` of the profile.
        minute: whole minutes since local midnight, 0–1439; the running half-hour counts by them.
    """
    slot, into = divmod(minute, SLOT_MINUTES)
    done = prefix[slot] * SLOT_MINUTES + (prefix[slot + 1] - prefix[slot]) * into
    return asked * (prefix[-1] * SLOT_MINUTES - done) // done if done else 0


def budget_left(asked: int, late: int, limit: Limit) -> int:
    """Misses still allowed among those who have asked so far; below 0 the line is crossed."""
    return asked * limit.of // limit.per - late


def budget_left_today(asked: int, late: int, expected: int, limit: Limit) -> int:
    """Misses still allowed by the end of the day, if ``expected`` more ask."""
    return (asked + expected) * limit.of // limit.per - late


def breach_in_minutes(asked: int, late: int, newly_asked: int, newly_late: int, limit: Limit) -> int | None:
    """Minutes until the budget is spent at the pace of the last 30; None: never at that pace.

    With a = newly_asked/30 and m = newly_late/30 a minute the budget falls by m − a·A/Q, hence
    ⌈(budget + 1) / (m − a·A/Q)⌉ = ⌈(budget + 1)·30·Q / (newly_late·Q − newly_asked·A)⌉.
    """
    left = budget_left(asked, late, limit)
    if left < 0:
        return 0
    fall = newly_late * limit.per - newly_asked * limit.of
    return -(-(left + 1) * RECENT_MINUTES * limit.per // fall) if fall > 0 else None


def required_rate(asked: int, late: int, expected: int, limit: Limit) -> tuple[int, int] | None:
    """The share of the ``expected`` units that must go well to hold the line, as a pair; None with R = 0.

    (p(N+R) − (N−L)) / R with p = 1 − A/Q; above 1 the day is lost.
    """
    if expected <= 0:
        return None
    must = (asked + expected) * (limit.per - limit.of) - (asked - late) * limit.per
    return must, expected * limit.per


def breach_if_lost(asked: int, late: int, at_risk: int, limit: Limit) -> bool:
    """Whether losing every conversation now at risk would cross the line."""
    return at_risk > asked * limit.of // limit.per - late
