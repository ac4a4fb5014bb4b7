"""Conditions compiled to closures, and told as text.

A figure is read only when it decides, the cheap ones first: most shop-seconds end at ``late >= 1``.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.figures import FIGURES, FLAG, SECONDS, SHARE, TIME, Figure, pair_of
from rules.pack import DAY_MS, Limit
from rules.rule import All, Compare, Condition
from rules.values import duration_text, share_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rules.reading import Item, Reading
    from rules.rule import Level

    Test = Callable[[Reading, Item | None], bool]

_OPERATORS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}


class Terms(NamedTuple):
    """What figures are derived by: the kind of the measure, and the share that may go wrong."""

    kind: str
    limit: Limit


def compile_level(level: Level, terms: Terms, *, absent: bool = False) -> Test:
    """The test of a level: its condition, when it is looked at, and its least count."""
    test = compile_condition(level.condition, terms, absent=absent)
    if level.min_count:
        test = _and(_at_least(level.min_count), test)
    return _and(_in_service, test) if level.during else test


def compile_condition(condition: Condition, terms: Terms, *, absent: bool = False) -> Test:
    """The test of a condition; ``absent`` is what a comparison with a figure without a value gives."""
    if isinstance(condition, Compare):
        return _compare(condition, terms, absent=absent)
    parts = sorted(condition.parts, key=_cost)
    *tests, test = (compile_condition(part, terms, absent=absent) for part in parts)
    join = _and if isinstance(condition, All) else _or
    for earlier in reversed(tests):
        test = join(earlier, test)
    return test


def decided(condition: Condition, terms: Terms, reading: Reading, item: Item | None) -> Iterator[str]:
    """The comparisons of a condition that hold, each with its figure: ``late 21 >= 1``."""
    if not isinstance(condition, Compare):
        for part in condition.parts:
            yield from decided(part, terms, reading, item)
    elif item is None and FIGURES[condition.figure].item:
        return
    elif _compare(condition, terms, absent=False)(reading, item):
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


def _compare(compare: Compare, terms: Terms, *, absent: bool) -> Test:
    figure, compares, (limit, per) = FIGURES[compare.figure], _OPERATORS[compare.op], compare.limit
    if figure.item:
        return _item_test(figure, compares, limit)
    if figure.type == SHARE:
        get_pair = pair_of(figure, terms.kind, terms.limit)

        def share(reading: Reading, _item: Item | None) -> bool:
            pair = get_pair(reading)
            return absent if pair is None else compares(pair[0] * per, limit * pair[1])

        return share
    assert figure.number is not None, figure.name
    get = figure.number(terms.limit)

    def number(reading: Reading, _item: Item | None) -> bool:
        value = get(reading)
        return absent if value is None else compares(value, limit)

    return number


def _item_test(figure: Figure, compares: Callable[[int, int], bool], limit: int) -> Test:
    read = figure.item
    assert read is not None, figure.name
    lowest = 0 if figure.type == SECONDS else -DAY_MS  # a deadline that has passed has no seconds left

    def of_item(reading: Reading, item: Item | None) -> bool:
        assert item is not None
        value = read(reading, item)
        return value >= lowest and compares(value, limit)

    return of_item


def _and(first: Test, second: Test) -> Test:
    return lambda reading, item: first(reading, item) and second(reading, item)


def _or(first: Test, second: Test) -> Test:
    return lambda reading, item: first(reading, item) or second(reading, item)


def _in_service(reading: Reading, _item: Item | None) -> bool:
    return reading.in_service


def _at_least(count: int) -> Test:
    return lambda reading, _item: reading.asked >= count


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
