"""The levels and conditions of a rule: what may be compared depends on what the rule watches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rules import guesses, values
from rules.conditions import comparisons
from rules.figures import COUNT, EXAMPLES, FIGURES, FLAG, LATER, SHARE, TIME, Figure
from rules.limits import MAX_COMPARISONS
from rules.problems import Place
from rules.reader import Fields, Reader, show
from rules.rule import All, Any, Compare, Condition, Level, NoData
from rules.yaml_marks import Listing, Mapping, Scalar

if TYPE_CHECKING:
    from rules.yaml_marks import Node

DURING = ("service_hours",)
OF_LEVELS = ("for", "during", "min_count")

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*(.+)")
_NUMBER = re.compile(r"-?\d{1,12}", re.ASCII)


class Scope(NamedTuple):
    """What a rule watches, as far as it decides what it may compare."""

    kinds: tuple[str, ...]  # of its measure over the packs; empty: not known
    each: str = "shop"
    has_line: bool = False
    period: str = "day"

    def allowed(self) -> list[str]:
        """The names of the figures that fit."""
        return [name for name, figure in FIGURES.items() if not self.misfit(figure)]

    def misfit(self, figure: Figure) -> str:
        """Why a rule cannot have a figure; empty when it can."""
        if self.each not in figure.each:
            return f"{figure.name} is a figure of each: {' '.join(figure.each)}"
        if figure.line and not self.has_line and self.kinds:
            return f"{figure.name} needs a rule with a 'line'"
        if figure.day and self.period != "day":
            return f"{figure.name} is a figure of the period day"
        if any(kind not in figure.kinds for kind in self.kinds):
            return f"{figure.name} is a figure of {' '.join(filter(None, figure.kinds))}"
        return ""


class ConditionReader:
    """Reads the conditions of one rule."""

    def __init__(self, reader: Reader, scope: Scope, during: str = "") -> None:
        self.reader, self.scope, self.during = reader, scope, during

    def level(self, node: Node, name: str) -> Level | None:
        """``warn``, ``crit`` or ``clear``."""
        reader = self.reader
        if self._written_out(node, f"'{name}'"):
            return None
        with reader.fields(node, f"'{name}'") as f:
            for_ms = f.get("for", reader.duration_ms)
            during = f.get("during", reader.one_of(DURING, "'during'"))
            min_count = f.get("min_count", reader.count)
            condition = self._figures(f)
        if condition is None:
            return None
        place = Place(node.line, node.column)
        return Level(condition, for_ms or 0, during or self.during, min_count or 0, place)

    def no_data(self, node: Node) -> NoData | None:
        """How long a source may be silent."""
        reader = self.reader
        if isinstance(node, Scalar) and values.duration_ms(node.text) is not None:
            reader.note(node, "no_data must be a mapping", found=show(node), hint=f"{{for: {node.text}}}")
            return None
        with reader.fields(node, "no_data") as f:
            for_ms = f.need("for", reader.lasting_ms)
            severity = f.get("severity", reader.one_of(("warn", "crit"), "severity"))
            during = f.get("during", reader.one_of(DURING, "'during'"))
        return NoData(for_ms, severity or "crit", during or self.during) if for_ms is not None else None

    def only_if(self, node: Node) -> All | None:
        """What must hold for a level to be looked at."""
        condition = self._condition(node)
        return All((condition,)) if condition else None

    def _condition(self, node: Node) -> Condition | None:
        if self._written_out(node, "a condition"):
            return None
        with self.reader.fields(node, "a condition") as f:
            return self._figures(f)

    def _written_out(self, node: Node, what: str) -> bool:
        """Note a comparison that is written as one text, ``late >= 1``; whether it is."""
        pair = guesses.pair(node.text) if isinstance(node, Scalar) else None
        if pair is None or pair[0] not in FIGURES:
            return False
        hint = f'{{{pair[0]}: "{pair[1]}"}}'
        self.reader.note(node, f"{what} must be a mapping", found=show(node), hint=hint)
        return True

    def _figures(self, f: Fields) -> Condition | None:
        """All the comparisons of a mapping: figures by name, and lists under ``all`` and ``any``."""
        parts: list[Condition] = []
        for key, join in (("all", All), ("any", Any)):
            listed = f.get(key, self._listed)
            if listed:
                parts.append(join(listed))
        allowed = [*self.scope.allowed(), "all", "any"]
        asked = set(f.asked)
        for name, node in f.nodes.items():
            if name in asked:
                continue
            f.asked.append(name)
            figure = FIGURES.get(name)
            if figure and self._fits(figure, f.keys[name]):
                compare = self._compare(figure, node)
                parts += [compare] if compare else []
            elif name in LATER:
                what, words = "this figure is not supported yet", " ".join(allowed)
                self.reader.note(f.keys[name], what, found=f"'{name}'", allowed=words)
            elif name in OF_LEVELS:
                self.reader.note(f.keys[name], f"'{name}' is of a whole level and stands beside all and any")
            elif not figure:
                f.unknown(f.keys[name], "unknown figure", allowed)
        if isinstance(f.node, Mapping) and not (
            asked & {"all", "any"} & set(f.nodes) or set(f.nodes) - asked
        ):
            self.reader.note(f.node, f"{f.what} compares nothing", allowed=allowed)
        if sum(1 for part in parts for _ in comparisons(part)) > MAX_COMPARISONS:
            self.reader.note(f.node, f"more than {MAX_COMPARISONS} comparisons")
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _listed(self, node: Node) -> tuple[Condition, ...] | None:
        if not isinstance(node, Listing) or not node.items:
            self.reader.note(node, "wrong kind of value", found=show(node), allowed="a list of conditions")
            return None
        parts = [self._condition(item) for item in node.items]
        return tuple(part for part in parts if part)

    def _fits(self, figure: Figure, key: Scalar) -> bool:
        why_not = self.scope.misfit(figure)
        if why_not:
            allowed = " ".join(self.scope.allowed())
            self.reader.note(key, why_not, found=f"'{figure.name}'", allowed=allowed)
        return not why_not

    def _compare(self, figure: Figure, node: Node) -> Compare | None:
        text = self.reader.scalar(node, EXAMPLES[figure.type])
        if text is None:
            return None
        compare = parse_comparison(figure, text)
        if compare is None:
            what = f"cannot be compared with {figure.name}"
            guess = guesses.comparison(text, share=figure.type == SHARE)
            hint = f'"{guess}"' if guess and parse_comparison(figure, guess) else ""
            self.reader.note(node, what, found=show(node), allowed=EXAMPLES[figure.type], hint=hint)
        return compare


def parse_comparison(figure: Figure, text: str) -> Compare | None:
    """``"<= 10"`` for a figure as a comparison; None when it is none."""
    if figure.type == FLAG:
        return (
            Compare(figure.name, "==", (int(text == "true"), 1), text) if text in ("true", "false") else None
        )
    match = _COMPARISON.fullmatch(text)
    if not match:
        return None
    op, value = match[1], match[2].strip()
    if figure.type == SHARE:
        share = values.share(value)
        return Compare(figure.name, op, (share.of, share.per), text) if share else None
    if _NUMBER.fullmatch(value) and figure.type != TIME:
        number: int | None = int(value) if figure.type == COUNT else int(value) * 1000
    else:
        number = None if figure.type == COUNT else values.duration_ms(value)
    return Compare(figure.name, op, (number, 1), text) if number is not None else None
