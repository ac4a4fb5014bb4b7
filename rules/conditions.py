"""Conditions compiled to trees of tests, and told as text.

A figure is read only when it decides, the cheap ones first: most shop-seconds end at ``late >= 1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rules.figures import FIGURES, FLAG, SECONDS, SHARE, TIME, pair_of
from rules.pack import DAY_MS, Limit
from rules.rule import All, Compare, Condition
from rules.values import duration_text, share_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rules.figures import Number, Pair
    from rules.reading import Reading
    from rules.rule import Level
    from rules.transition import Item

# Which of "below", "equal", "above" an operator lets pass.
_BELOW: Final = 1
_EQUAL: Final = 2
_ABOVE: Final = 4
_OPERATORS: Final[dict[str, int]] = {
    "<=": _BELOW | _EQUAL,
    "<": _BELOW,
    ">=": _ABOVE | _EQUAL,
    ">": _ABOVE,
    "==": _EQUAL,
    "!=": _BELOW | _ABOVE,
}


class Test:
    """Whether something holds of a reading, or of an item of it."""

    __slots__ = ()

    def holds(self, reading: Reading, item: Item | None) -> bool:
        """Whether it does."""
        raise NotImplementedError


class Terms(NamedTuple):
    """What figures are derived by: the kind of the measure, and the share that may go wrong."""

    kind: str
    limit: Limit


def compile_level(level: Level, terms: Terms, *, absent: bool = False) -> Test:
    """The test of a level: its condition, its least count, and when it is looked at: the dearest last."""
    test = compile_condition(level.condition, terms, absent=absent)
    if level.min_count:
        test = _Both(_AtLeast(level.min_count), test)
    return _Both(test, _InService()) if level.during else test


def compile_condition(condition: Condition, terms: Terms, *, absent: bool = False) -> Test:
    """The test of a condition; ``absent`` is what a comparison with a figure without a value gives."""
    if isinstance(condition, Compare):
        return _compare(condition, terms, absent=absent)
    parts = sorted(condition.parts, key=_cost)
    *tests, test = (compile_condition(part, terms, absent=absent) for part in parts)
    for earlier in reversed(tests):
        test = _Both(earlier, test) if isinstance(condition, All) else _Either(earlier, test)
    return test


def decided(condition: Condition, terms: Terms, reading: Reading, item: Item | None) -> Iterator[str]:
    """The comparisons of a condition that hold, each with its figure: ``late 21 >= 1``."""
    if not isinstance(condition, Compare):
        for part in condition.parts:
            yield from decided(part, terms, reading, item)
    elif item is None and FIGURES[condition.figure].item:
        return
    elif _compare(condition, terms, absent=False).holds(reading, item):
        yield f"{condition.figure} {_shown(condition, terms, reading, item)} {condition.text}"


def comparisons(condition: Condition) -> Iterator[Compare]:
    """Every comparison in a condition."""
    if isinstance(condition, Compare):
        yield condition
    else:
        for part in condition.parts:
            yield from comparisons(part)


def limits_of(conditions: Iterable[Condition], figure: str) -> tuple[int, ...]:
    """Whatever a figure is compared with, without repeats: counts or milliseconds."""
    found = (compare for condition in conditions for compare in comparisons(condition))
    return tuple(sorted({compare.limit[0] for compare in found if compare.figure == figure}))


def horizon_ms(condition: Condition) -> int:
    """How far ahead a deadline may lie for the condition to hold."""
    if isinstance(condition, Compare):
        bounded = condition.figure == "seconds_left" and condition.op in ("<=", "<", "==")
        return condition.limit[0] if bounded else DAY_MS
    return (min if isinstance(condition, All) else max)(map(horizon_ms, condition.parts))


def from_the_ask(condition: Condition) -> bool:
    """Whether it may hold of a conversation as soon as the customer has asked."""
    if isinstance(condition, Compare):
        later = {"seconds_left": ("<=", "<", "=="), "wait": (">=", ">", "==")}
        return condition.op not in later.get(condition.figure, ())
    return (all if isinstance(condition, All) else any)(map(from_the_ask, condition.parts))


def _compare(compare: Compare, terms: Terms, *, absent: bool) -> Test:
    figure, passes, (limit, per) = FIGURES[compare.figure], _OPERATORS[compare.op], compare.limit
    if figure.item:
        # A deadline that has passed has no seconds left.
        return _OfItem(figure.item, passes, limit, 0 if figure.type == SECONDS else -DAY_MS)
    if figure.type == SHARE:
        return _OfPair(pair_of(figure, terms.kind, terms.limit), passes, limit, per, absent=absent)
    assert figure.number is not None, figure.name
    return _OfNumber(figure.number(terms.limit), passes, limit, absent=absent)


class _OfNumber(Test):
    __slots__ = ("absent", "limit", "passes", "read")

    def __init__(self, read: Callable[[Reading], Number], passes: int, limit: int, *, absent: bool) -> None:
        self.read = read
        self.passes = passes
        self.limit = limit
        self.absent = absent

    def holds(self, reading: Reading, item: Item | None) -> bool:  # noqa: ARG002 - of the reading
        value = self.read(reading)
        return self.absent if value is None else _passes(value, self.limit, self.passes)


class _OfPair(Test):
    __slots__ = ("absent", "limit", "passes", "per", "read")

    def __init__(
        self, read: Callable[[Reading], Pair], passes: int, limit: int, per: int, *, absent: bool
    ) -> None:
        self.read = read
        self.passes = passes
        self.limit = limit
        self.per = per
        self.absent = absent

    def holds(self, reading: Reading, item: Item | None) -> bool:  # noqa: ARG002 - of the reading
        pair = self.read(reading)
        return self.absent if pair is None else _passes(pair[0] * self.per, self.limit * pair[1], self.passes)


class _OfItem(Test):
    __slots__ = ("limit", "lowest", "passes", "read")

    def __init__(self, read: Callable[[Reading, Item], int], passes: int, limit: int, lowest: int) -> None:
        self.read = read
        self.passes = passes
        self.limit = limit
        self.lowest = lowest

    def holds(self, reading: Reading, item: Item | None) -> bool:
        assert item is not None
        value = self.read(reading, item)
        return value >= self.lowest and _passes(value, self.limit, self.passes)


class _Both(Test):
    __slots__ = ("first", "second")

    def __init__(self, first: Test, second: Test) -> None:
        self.first = first
        self.second = second

    def holds(self, reading: Reading, item: Item | None) -> bool:
        return self.first.holds(reading, item) and self.second.holds(reading, item)


class _Either(Test):
    __slots__ = ("first", "second")

    def __init__(self, first: Test, second: Test) -> None:
        self.first = first
        self.second = second

    def holds(self, reading: Reading, item: Item | None) -> bool:
        return self.first.holds(reading, item) or self.second.holds(reading, item)


class _InService(Test):
    __slots__ = ()

    def holds(self, reading: Reading, item: Item | None) -> bool:  # noqa: ARG002 - of the reading
        return reading.in_service


class _AtLeast(Test):
    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count

    def holds(self, reading: Reading, item: Item | None) -> bool:  # noqa: ARG002 - of the reading
        return reading.asked >= self.count


def _passes(value: int, limit: int, operator: int) -> bool:
    how = _BELOW if value < limit else _EQUAL if value == limit else _ABOVE
    return operator & how != 0


def _cost(condition: Condition) -> int:
    if isinstance(condition, Compare):
        return FIGURES[condition.figure].cost
    return 1 + max(map(_cost, condition.parts))


def _shown(compare: Compare, terms: Terms, reading: Reading, item: Item | None) -> str:
    figure = FIGURES[compare.figure]
    if figure.type == SHARE:
        pair = pair_of(figure, terms.kind, terms.limit)(reading)
        return share_text(*pair) if pair else "none"
    if figure.item:
        value = figure.item(reading, item) if item else None
    else:
        assert figure.number is not None, figure.name
        value = figure.number(terms.limit)(reading)
    if value is None:
        return "none"
    if figure.type == FLAG:
        return "is"
    if figure.type == SECONDS:
        return str(value // 1000)
    return duration_text(value // 1000 * 1000) if figure.type == TIME else str(value)
