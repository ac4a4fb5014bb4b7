"""What a rule is judged on: the raw integers of one subject at one second.

The shard implements ``Reading`` over its live figures, tests over ``FixedReading``. Everything that
a rule compares (value, budget_left, breach_in …) is derived from these in ``rules.figures``.
"""

# ruff: noqa: D102 (each property is told by the comment behind it)

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A conversation that is about to time out, or that just did."""

    conversation_id: str
    customer_id: str
    ask_ms: int
    deadline_ms: int
    agent_id: str = ""  # who holds it now; empty: nobody
    costs_budget: bool = True  # False: its unit is already late today, another miss changes nothing


class Reading(Protocol):
    """The figures of one subject for one measure and period, read at ``now_ms``."""

    @property
    def now_ms(self) -> int: ...  # whole second being judged
    @property
    def asked(self) -> int: ...  # units asked (order_rate: orders formed)
    @property
    def late(self) -> int: ...  # units late (order_rate: orders with the event)
    @property
    def open(self) -> int: ...  # asked, not late, could still become late
    @property
    def expected(self) -> int: ...  # R: units still expected today, see rules.budget.expected
    @property
    def newly_asked(self) -> int: ...  # units first asked in the last 30 minutes
    @property
    def newly_late(self) -> int: ...  # units that became late in the last 30 minutes
    @property
    def at_risk(self) -> int: ...  # open units that would cost budget
    @property
    def waiting(self) -> int: ...  # unanswered rounds now
    @property
    def oldest_wait_ms(self) -> int | None: ...
    @property
    def mean_ms(self) -> int | None: ...  # response_time measures; None without an answer
    @property
    def p50_ms(self) -> int | None: ...
    @property
    def p90_ms(self) -> int | None: ...
    @property
    def p95_ms(self) -> int | None: ...
    @property
    def max_ms(self) -> int | None: ...
    @property
    def agents_online(self) -> int | None: ...  # None: no agent event ever seen
    @property
    def in_service(self) -> bool: ...  # now lies in the pack's service hours
    @property
    def complete(self) -> bool: ...  # the source was complete for the whole period
    @property
    def blind(self) -> bool: ...  # a source of the shop is blind: the figures are unknown
    @property
    def silent_ms(self) -> int: ...  # each: source — since when nothing was heard, in service hours; else 0
    @property
    def items(self) -> tuple[Item, ...]: ...  # open counted rounds of the measure, soonest deadline first


@dataclass(frozen=True, slots=True)
class FixedReading:
    """A reading with given figures, for tests and previews."""

    now_ms: int
    asked: int = 0
    late: int = 0
    open: int = 0
    expected: int = 0
    newly_asked: int = 0
    newly_late: int = 0
    at_risk: int = 0
    waiting: int = 0
    oldest_wait_ms: int | None = None
    mean_ms: int | None = None
    p50_ms: int | None = None
    p90_ms: int | None = None
    p95_ms: int | None = None
    max_ms: int | None = None
    agents_online: int | None = None
    in_service: bool = True
    complete: bool = True
    blind: bool = False
    silent_ms: int = 0
    items: tuple[Item, ...] = ()
