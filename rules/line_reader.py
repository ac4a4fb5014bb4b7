"""The lines of a pack: a platform's limits, and what it costs to cross them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.pack import Line, Measure, Text
from rules.problems import Place
from rules.yaml_marks import Mapping

if TYPE_CHECKING:
    from rules.reader import Fields, Reader
    from rules.yaml_marks import Node

SURENESS = ("A", "B", "C", "M")  # read in code or officially · two pages agree · one page · memory

# Measures that a line may name without their being spelled out, since they have no keys to choose.
STANDARD_MEASURES = {
    measure.id: measure
    for measure in (
        Measure(
            "intervention_rate",
            Text("平台介入率", "intervention rate"),
            "order_rate",
            periods=("day", "30d"),
            event="dispute.opened",
        ),
        Measure(
            "dispute_refund_rate",
            Text("纠纷退款率", "dispute refund rate"),
            "order_rate",
            periods=("day", "30d"),
            event="dispute.closed",
            outcome=("refunded",),
        ),
    )
}


def read_lines(reader: Reader, node: Node, measures: dict[str, Measure]) -> dict[str, Line]:
    """Read the lines of a pack; a standard measure that one of them names joins ``measures``."""
    lines: dict[str, Line] = {}
    for line in reader.list_of(lambda item: _line(reader, item, measures))(node) or ():
        if line.id in lines:
            first = lines[line.id].place[0]
            reader.note(line.place, f"line '{line.id}' is given twice, first on line {first}")
        lines[line.id] = line
    return lines


def _line(reader: Reader, node: Node, measures: dict[str, Measure]) -> Line | None:
    with reader.fields(node, "a line") as f:
        line_id = f.need("id", reader.name)
        known = {**STANDARD_MEASURES, **measures}
        name = f.need("measure", reader.one_of(known, "measure"))
        measure = known.get(name or "")
        if measure:
            measures[measure.id] = measure
        period = f.need(
            "period", reader.one_of(measure.periods, f"period of {name}") if measure else reader.period
        )
        at_least, at_most = f.get("at_least", reader.share), f.get("at_most", reader.share)
        min_count = f.get("min_count", reader.count)
        sure = f.get("sure", reader.one_of(SURENESS, "sureness"))
        penalty, cny = f.get("penalty", lambda node: _penalty(reader, node)) or (Text(""), 0)
        source = f.get("source", reader.scalar)
        if isinstance(node, Mapping):
            _one_limit(reader, f, measure)
    if not (line_id and measure and period) or (at_least is None) == (at_most is None):
        return None
    return Line(
        id=line_id,
        measure=measure.id,
        period=period,
        at_least=at_least,
        at_most=at_most,
        min_count=1 if min_count is None else min_count,
        sure=sure or "C",
        penalty=penalty,
        penalty_cny=cny,
        source=source or "",
        place=Place(node.line, node.column),
    )


def _one_limit(reader: Reader, f: Fields, measure: Measure | None) -> None:
    """A line has one limit, and on the side on which its measure can go wrong."""
    given = [key for key in ("at_least", "at_most") if key in f.keys]
    if len(given) != 1:
        found = " and ".join(given) or "neither"
        reader.note(f.node, "a line has one limit", found=found, allowed="at_least or at_most")
    elif measure:
        sides = {"reply_rate": "at_least", "order_rate": "at_most"}
        side = sides.get(measure.kind)
        if side is None:
            reader.note(
                f.keys[given[0]],
                f"a {measure.kind} can have no line",
                allowed=f"a measure of kind {' '.join(sides)}",
            )
        elif given[0] != side:
            reader.note(
                f.keys[given[0]], f"the wrong side for a {measure.kind}", found=given[0], allowed=side
            )


def _penalty(reader: Reader, node: Node) -> tuple[Text, int] | None:
    if not isinstance(node, Mapping):
        words = reader.scalar(node, "a text, or {zh: …, en: …, cny: …}")
        return (Text(words), 0) if words else None
    with reader.fields(node, "a penalty") as f:
        zh, en = f.get("zh", reader.scalar), f.get("en", reader.scalar)
        cny = f.get("cny", reader.count)
    return Text(zh or "", en or ""), cny or 0
