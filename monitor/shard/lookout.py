"""A rule as it is judged on shops with one pack, and at one shop: when it need not be judged at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from monitor.engine.figures import SPANS, Counted

if TYPE_CHECKING:
    from monitor.engine.shop import Shop
    from rules.judge import Judge
    from rules.pack import Measure
    from rules.reading import Reading
    from rules.rule import Rule

# Gates: what must be so before an idle rule can have anything to say; most shop-seconds end here.
NONE: Final = 0
LATE: Final = 1  # every level asks for a miss, and the measure has one in the rule's period
NEAR: Final = 2  # it looks at conversations, and one is near its deadline
ORDERS: Final = 3  # it looks at orders, and one has changed
AGENTS: Final = 4  # it looks at who is online, and that is known

# What is known of an idle rule. It is calm from FEW on: until the day ends none of its levels can hold …
UNTRIED: Final = 0
MAY_HOLD: Final = 1
FEW: Final = 2  # … unless what is counted changes: too few have asked
SPARED: Final = 3  # … unless one more is late


class Watched:
    """One rule as it is judged on shops with one pack.

    ``every_ms``: its figures move by time alone at multiples of this (0: they do not), ``always``: even on
    a day on which nobody has asked; ``gate``: when it need not be judged at all while it is idle;
    ``by_counts``: only units asked or late, or time, can change what it says; ``by_orders``: only orders, or
    time; ``by_items``: only conversations near a deadline; ``counts``: what is counted is looked at first;
    ``timed``: an alert of it may change by time alone, at a moment that its judge tells; ``bounded``: what is
    counted, or who is online, may show that none of its levels can hold.
    """

    __slots__ = (
        "always",
        "bounded",
        "by_counts",
        "by_items",
        "by_orders",
        "counts",
        "days",
        "every_ms",
        "gate",
        "id",
        "judge",
        "measure",
        "period",
        "rule",
        "span",
        "timed",
    )

    def __init__(
        self,
        rule: Rule,
        judge: Judge,
        measure: Measure | None,
        period: str,
        every_ms: int,
        gate: int,
        *,
        always: bool,
        by_counts: bool = False,
        by_items: bool = False,
    ) -> None:
        self.rule = rule
        self.id = rule.id
        self.judge = judge
        self.measure = measure
        self.period = period
        self.days = (
            SPANS.get(period, 0) if measure is not None else 0
        )  # of its period; 0: of a window, or none
        self.span = self.days if measure is not None and measure.kind == "reply_rate" else 0
        self.every_ms = every_ms
        self.gate = gate
        self.always = always
        self.by_counts = by_counts and self.span > 0
        self.by_orders = by_counts and gate == ORDERS
        self.by_items = by_items and gate == NEAR
        self.counts = self.span > 0
        self.bounded = self.counts or gate == AGENTS
        # Conversations are looked at by their marks, which say nothing of the one that has waited longest.
        self.timed = judge.timed and (rule.each != "conversation" or judge.of_oldest)


class Lookout:
    """A rule at one shop on one service day: what its rate is summed from, and what it read last."""

    __slots__ = ("asked", "counted", "known", "late", "today", "watched")

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.counted: Counted | None = None
        self.asked = self.late = self.today = -1  # as they were at the last look; -1: there was none
        self.known = UNTRIED

    def read(self) -> bool:
        """Read what is counted: whether it is other than at the last look."""
        counted = self.counted
        asked = late = today = 0
        if counted is not None:
            asked, late, today = counted.asked(), counted.late(), counted.asked_today()
        if late == self.late and asked == self.asked and today == self.today:
            return False
        if self.known != SPARED or late > self.late or asked < self.asked:
            self.known = UNTRIED
        self.asked, self.late, self.today = asked, late, today
        return True

    def find_out(self, reading: Reading, *, plain: bool) -> None:
        """Try once what is counted, or who is online; ``plain``: no shift of the clock turns the day back."""
        if self.known != UNTRIED:
            return
        watched, judge = self.watched, self.watched.judge
        if watched.gate == AGENTS:
            spared = not judge.could_hold(reading)
        else:
            spared = judge.is_spared(self.asked, self.late)
        if spared:
            self.known = SPARED
        elif watched.counts and plain and judge.stays_too_few(reading):
            self.known = FEW
        else:
            self.known = MAY_HOLD

    def is_calm(self) -> bool:
        """Whether no level of the rule, which is idle, can hold until something of it changes."""
        return self.known >= FEW

    def wants_midnight(self, *, near: bool) -> bool:
        """Whether it may have something to say when the day ends, or a good day leaves its period.

        ``near``: a conversation may be near its deadline.
        """
        watched = self.watched
        if watched.days > 1 and (watched.gate != LATE or self.late > 0):
            return True
        if near and watched.gate == NEAR and not watched.by_items:
            return True
        return self.is_calm() and watched.every_ms > 0 and (watched.always or self.asked > 0)

    def turn(self, shop: Shop, day: int, made: dict[tuple[str, int], Counted]) -> None:
        """A day was begun or closed: its rate is summed from others.

        ``made`` are those of the shop's other rules.
        """
        watched = self.watched
        if watched.span and watched.measure is not None:
            key = (watched.measure.id, watched.span)
            self.counted = made.get(key)
            if self.counted is None:
                self.counted = made[key] = Counted(shop, watched.measure.id, day, watched.span)
