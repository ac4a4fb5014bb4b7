"""A rule file's nodes to ``Rule`` values; what a rule may name comes from the packs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rules import values
from rules.figures import ANY, COUNT, EXAMPLES, FIGURES, FLAG, LATER, SHARE, TIME, Figure
from rules.limits import MAX_COMPARISONS
from rules.pack import Text
from rules.problems import Place
from rules.reader import Fields, Reader, show
from rules.rule import UPDATE_INTERVAL_MS, All, Any, Compare, Condition, Level, NoData, Rule, Selector
from rules.yaml_marks import Listing, Mapping, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rules.pack import Pack
    from rules.problems import Problem
    from rules.yaml_marks import Node

EACH = ("shop", "conversation", "source")
LATER_EACH = ("agent", "team", "platform")
DURING = ("service_hours",)

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)\s*(.+)")
_NUMBER = re.compile(r"-?\d{1,12}")


class World:
    """What rules can refer to: the lines, measures and platforms of all packs, and the receivers."""

    def __init__(self, packs: Iterable[Pack], receivers: Collection[str] | None) -> None:
        self.packs = tuple(packs)
        self.receivers = receivers
        self.platforms = tuple(dict.fromkeys(pack.platform for pack in self.packs))
        self.lines = tuple(dict.fromkeys(line for pack in self.packs for line in pack.lines))
        self.measures = tuple(dict.fromkeys(name for pack in self.packs for name in pack.measures))

    def kinds_and_periods(
        self, line: str, measure: str, platforms: Collection[str]
    ) -> dict[str, tuple[str, ...]]:
        """The kinds a rule meets over the packs it reaches, each with the periods it can have there."""
        met: dict[str, tuple[str, ...]] = {}
        for pack in self.packs:
            if platforms and pack.platform not in platforms:
                continue
            if line in pack.lines:
                of_line = pack.lines[line]
                met[pack.measures[of_line.measure].kind] = (of_line.period,)
            elif measure in pack.measures:
                met[pack.measures[measure].kind] = pack.measures[measure].periods
        return met


def read_rules(text: str, file: str, world: World) -> tuple[list[Rule], list[Problem]]:
    """Read the rules of one file: those that are right, and every problem."""
    reader = Reader(file)
    root = reader.parse(text)
    rules: list[Rule] = []
    if root:
        with reader.fields(root, "a rule file") as f:
            read = reader.list_of(lambda node: _RuleReader(reader, world).rule(node))
            rules = list(f.need("rules", read) or ())
    return rules, reader.problems


class _RuleReader:
    """Reads one rule; remembers what it watches, since that decides what it may compare."""

    def __init__(self, reader: Reader, world: World) -> None:
        self.reader, self.world = reader, world
        self.kinds: tuple[str, ...] = (ANY,)
        self.each = "shop"
        self.has_line = False
        self.period = "day"

    def rule(self, node: Node) -> Rule | None:
        reader, before = self.reader, len(self.reader.problems)
        with reader.fields(node, "a rule") as f:
            rule_id = f.need("id", reader.name)
            title, advice = f.get("title", reader.text), f.get("advice", reader.text)
            shops = f.get("shops", self._selector) or Selector()
            each = self.each = f.get("each", reader.one_of(EACH, "'each'", LATER_EACH)) or "shop"
            line, measure, period = self._watched(f, shops)
            during = f.get("during", reader.one_of(DURING, "'during'")) or ""
            warn = f.get("warn", lambda node: self._level(node, "warn", during))
            crit = f.get("crit", lambda node: self._level(node, "crit", during))
            clear = f.get("clear", self._clearing)
            no_data = f.get("no_data", lambda node: self._no_data(node, during))
            only_if = f.get("only_if", self._only_if)
            keep_firing_for_ms = f.get("keep_firing_for", reader.duration_ms)
            interval_ms = f.get("interval", reader.duration_ms)
            min_count = f.get("min_count", reader.count)
            notify = f.get("notify", self._receiver)
            shadow = f.get("shadow", reader.flag)
            self._whole(f)
        if len(reader.problems) > before or not rule_id:
            return None
        return Rule(
            id=rule_id,
            title=title or Text(rule_id),
            line=line,
            measure=measure,
            period=period,
            each=each,
            shops=shops,
            warn=warn,
            crit=crit,
            no_data=no_data,
            clear=clear,
            only_if=only_if,
            keep_firing_for_ms=keep_firing_for_ms or 0,
            interval_ms=interval_ms or UPDATE_INTERVAL_MS,
            min_count=min_count or 0,
            advice=advice or Text(""),
            notify=notify or "",
            shadow=bool(shadow),
            file=reader.file,
            place=Place(node.line, node.column),
        )

    # what the rule watches

    def _selector(self, node: Node) -> Selector:
        reader = self.reader
        with reader.fields(node, "a selector of shops") as f:
            platforms = f.get("platform", reader.list_of(reader.one_of(self.world.platforms, "platform")))
            ids = f.get("ids", reader.list_of(reader.scalar))
            teams = f.get("team", reader.list_of(reader.scalar))
            labels = f.get("labels", self._labels)
        return Selector(platforms or (), ids or (), teams or (), labels or ())

    def _labels(self, node: Node) -> tuple[tuple[str, tuple[str, ...]], ...]:
        wanted = []
        with self.reader.fields(node, "labels") as f:
            for key in f.nodes:
                values = f.get(key, self.reader.list_of(self.reader.scalar))
                wanted.append((key, values or ()))
        return tuple(sorted(wanted))

    def _watched(self, f: Fields, shops: Selector) -> tuple[str, str, str]:
        reader, world = self.reader, self.world
        line = f.get("line", reader.one_of(world.lines, "line")) or ""
        measure = f.get("measure", reader.one_of(world.measures, "measure")) or ""
        period = f.get("period", reader.period)
        if "line" in f.keys:
            for key in ("measure", "period"):
                if key in f.keys:
                    reader.note(f.keys[key], f"a rule with a line has its {key} from there", found=f"'{key}'")
        elif period and "measure" not in f.keys:
            reader.note(f.keys["period"], "a period without a measure", allowed="with 'measure'")
        self.has_line, self.period = "line" in f.keys, period or "day"
        if not (line or measure):
            unread = "line" in f.keys or "measure" in f.keys
            self.kinds = () if unread else (ANY,)
            return line, measure, self.period
        met = world.kinds_and_periods(line, measure, shops.platforms)
        self.kinds = tuple(met)
        name = "line" if line else "measure"
        if not met:
            found = f"'{line or measure}'"
            reader.note(f.nodes[name], f"the selected platforms have no such {name}", found=found)
        periods = tuple(dict.fromkeys(period for some in met.values() for period in some))
        if line and len(periods) == 1:
            self.period = periods[0]
        elif met and self.period not in periods:
            reader.note(
                f.nodes["period"],
                f"{measure} is not kept over this period",
                found=self.period,
                allowed=periods,
            )
        if self.each == "conversation" and met and "reply_rate" not in met:
            reader.note(f.nodes[name], "each: conversation needs a reply rate", found=" ".join(met))
        return line, measure, self.period

    def _whole(self, f: Fields) -> None:
        """What a rule must have as a whole."""
        reader = self.reader
        if not isinstance(f.node, Mapping):
            return
        levels = [key for key in ("warn", "crit", "no_data") if key in f.keys]
        if not levels:
            reader.note(f.node, "a rule needs a level", allowed="warn, crit or no_data")
        if "no_data" in levels and self.each != "source":
            reader.note(
                f.keys["no_data"],
                "no_data is for sources",
                found=f"each: {self.each}",
                allowed="each: source",
            )
        if self.each == "source":
            for key in ("warn", "crit", "clear", "only_if", "line", "measure"):
                if key in f.keys:
                    reader.note(f.keys[key], "a rule on a source has only no_data", found=f"'{key}'")
        elif self.each == "conversation" and self.kinds == (ANY,):
            reader.note(f.node, "each: conversation needs a 'measure' or a 'line'")
        if "interval" in f.keys and self.each != "conversation":
            reader.note(
                f.keys["interval"], "an interval is for each: conversation", found=f"each: {self.each}"
            )

    def _receiver(self, node: Node) -> str | None:
        if self.world.receivers is None:
            return self.reader.scalar(node)
        return self.reader.one_of(self.world.receivers, "receiver")(node)

    # levels and conditions

    def _no_data(self, node: Node, during: str) -> NoData | None:
        reader = self.reader
        with reader.fields(node, "no_data") as f:
            for_ms = f.need("for", reader.duration_ms)
            severity = f.get("severity", reader.one_of(("warn", "crit"), "severity"))
            own = f.get("during", reader.one_of(DURING, "'during'"))
        return NoData(for_ms, severity or "crit", own or during) if for_ms is not None else None

    def _level(self, node: Node, name: str, during: str) -> Level | None:
        reader = self.reader
        with reader.fields(node, f"'{name}'") as f:
            for_ms = f.get("for", reader.duration_ms)
            own = f.get("during", reader.one_of(DURING, "'during'"))
            min_count = f.get("min_count", reader.count)
            condition = self._figures(f)
        if condition is None:
            return None
        return Level(condition, for_ms or 0, own or during, min_count or 0, Place(node.line, node.column))

    def _clearing(self, node: Node) -> Level | None:
        """The level at which an alert may end; by then no conversation is left to compare, so the shop is."""
        each, self.each = self.each, "shop"
        level = self._level(node, "clear", "")
        self.each = each
        return level

    def _only_if(self, node: Node) -> All | None:
        condition = self._condition(node)
        return All((condition,)) if condition else None

    def _condition(self, node: Node) -> Condition | None:
        with self.reader.fields(node, "a condition") as f:
            return self._figures(f)

    def _figures(self, f: Fields) -> Condition | None:
        """All the comparisons of a mapping: figures by name, and lists under ``all`` and ``any``."""
        parts: list[Condition] = []
        for key, join in (("all", All), ("any", Any)):
            listed = f.get(key, self._listed)
            if listed:
                parts.append(join(listed))
        allowed = [*_allowed(self.kinds, self.each, self.has_line, self.period), "all", "any"]
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
                self.reader.note(
                    f.keys[name], "this figure is not supported yet", found=f"'{name}'", allowed=allowed
                )
            elif not figure:
                self.reader.note(f.keys[name], "unknown figure", found=f"'{name}'", allowed=allowed)
        if isinstance(f.node, Mapping) and not (
            asked & {"all", "any"} & set(f.nodes) or set(f.nodes) - asked
        ):
            self.reader.note(f.node, f"{f.what} compares nothing", allowed=allowed)
        if sum(map(comparisons, parts)) > MAX_COMPARISONS:
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
        """Whether the rule can have this figure; says why not."""
        what = ""
        if self.each not in figure.each:
            what = f"{figure.name} is a figure of each: {' '.join(figure.each)}"
        elif figure.line and not self.has_line and self.kinds:
            what = f"{figure.name} needs a rule with a 'line'"
        elif figure.day and self.period != "day":
            what = f"{figure.name} is a figure of the period day"
        elif any(kind not in figure.kinds for kind in self.kinds):
            kinds = [kind for kind in figure.kinds if kind != ANY]
            what = f"{figure.name} is a figure of {' '.join(kinds)}"
        if what:
            allowed = _allowed(self.kinds, self.each, self.has_line, self.period)
            self.reader.note(key, what, found=f"'{figure.name}'", allowed=" ".join(allowed))
        return not what

    def _compare(self, figure: Figure, node: Node) -> Compare | None:
        text = self.reader.scalar(node, EXAMPLES[figure.type])
        if text is None:
            return None
        compare = parse_comparison(figure, text)
        if compare is None:
            what = f"cannot be compared with {figure.name}"
            self.reader.note(node, what, found=show(node), allowed=EXAMPLES[figure.type])
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


def comparisons(condition: Condition) -> int:
    """How many comparisons a condition holds."""
    return 1 if isinstance(condition, Compare) else sum(map(comparisons, condition.parts))


def _allowed(kinds: Collection[str], each: str, has_line: bool, period: str) -> list[str]:
    return [
        figure.name
        for figure in FIGURES.values()
        if each in figure.each
        and (has_line or not figure.line)
        and (period == "day" or not figure.day)
        and all(kind in figure.kinds for kind in kinds)
    ]
