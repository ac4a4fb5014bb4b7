"""A rule file's nodes to ``Rule`` values; what a rule may name comes from the packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from rules.condition_reader import DURING, ConditionReader, Scope
from rules.figures import ANY, RATE
from rules.pack import NO_TEXT, Text
from rules.problems import Place
from rules.reader import Fields, Reader, show
from rules.rule import OVER_SHOPS, UPDATE_INTERVAL_MS, All, Level, NoData, Rule, Selector
from rules.yaml_marks import Mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from rules.pack import Line, Measure, Pack
    from rules.problems import Problem
    from rules.yaml_marks import Node

EACH = ("shop", "conversation", "source", *OVER_SHOPS)
_NOT_OF_SOURCES = ("warn", "crit", "clear", "only_if", "line", "measure")


class _Levels(TypedDict):
    """The part of a rule that says when it alerts."""

    warn: Level | None
    crit: Level | None
    clear: Level | None
    no_data: NoData | None
    only_if: All | None
    keep_firing_for_ms: int
    interval_ms: int
    min_count: int


class World:
    """What rules can refer to: the lines, measures and platforms of all packs, and the receivers.

    ``whole``: these are all the packs; else what they do not have may be in one that could not be read.
    """

    def __init__(
        self, packs: Iterable[Pack], receivers: Collection[str] | None, *, whole: bool = True
    ) -> None:
        self.whole = whole
        self.packs = tuple(packs)
        self.receivers = receivers
        self.platforms = tuple(dict.fromkeys(pack.platform for pack in self.packs))
        self.lines = tuple(dict.fromkeys(line for pack in self.packs for line in pack.lines))
        self.given: dict[str, str] = {}  # the rules read so far, and where
        self.measures = tuple(dict.fromkeys(name for pack in self.packs for name in pack.measures))

    def kinds_and_periods(
        self, line: str, measure: str, platforms: Collection[str]
    ) -> dict[str, tuple[str, ...]]:
        """The kinds a rule meets over the packs it reaches, each with the periods it can have there."""
        met: dict[str, tuple[str, ...]] = {}
        for _, watched, watched_line in self.met(line, measure, platforms):
            periods = [watched_line.period] if watched_line else watched.periods
            met[watched.kind] = tuple(dict.fromkeys((*met.get(watched.kind, ()), *periods)))
        return met

    def met(
        self, line: str, measure: str, platforms: Collection[str]
    ) -> Iterator[tuple[Pack, Measure, Line | None]]:
        """The packs a rule reaches, with what it watches there."""
        for pack in self.packs:
            if platforms and pack.platform not in platforms:
                continue
            if line in pack.lines:
                yield pack, pack.measures[pack.lines[line].measure], pack.lines[line]
            elif measure in pack.measures:
                yield pack, pack.measures[measure], None


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
    """Reads one rule."""

    def __init__(self, reader: Reader, world: World) -> None:
        self.reader, self.world = reader, world

    def rule(self, node: Node) -> Rule | None:
        """The rule at a node; None after a problem in it."""
        reader, before = self.reader, len(self.reader.problems)
        with reader.fields(node, "a rule") as f:
            rule_id = f.need("id", self._id)
            title, advice = f.get("title", reader.text), f.get("advice", reader.text)
            shops = f.get("shops", self._selector) or Selector()
            line, measure, scope = self._watched(f, shops)
            conditions = ConditionReader(
                reader, scope, f.get("during", reader.one_of(DURING, "'during'")) or ""
            )
            # When an alert may clear no conversation is left to compare: its clear looks at the shop.
            of_items = scope.each == "conversation"
            clearing = ConditionReader(reader, scope._replace(each="shop") if of_items else scope)
            found = _Levels(
                warn=f.get("warn", lambda node: conditions.level(node, "warn")),
                crit=f.get("crit", lambda node: conditions.level(node, "crit")),
                clear=f.get("clear", lambda node: clearing.level(node, "clear")),
                no_data=f.get("no_data", conditions.no_data),
                only_if=f.get("only_if", conditions.only_if),
                keep_firing_for_ms=f.get("keep_firing_for", reader.duration_ms) or 0,
                interval_ms=f.get("interval", reader.lasting_ms) or UPDATE_INTERVAL_MS,
                min_count=f.get("min_count", reader.count) or 0,
            )
            notify, shadow = f.get("notify", self._receiver), f.get("shadow", reader.flag)
            self._whole(f, scope)
        if len(reader.problems) > before or not rule_id:
            return None
        return Rule(
            id=rule_id,
            title=title or Text(rule_id),
            line=line,
            measure=measure,
            period=scope.period,
            each=scope.each,
            shops=shops,
            **found,
            advice=advice or NO_TEXT,
            notify=notify or "",
            shadow=bool(shadow),
            file=reader.file,
            place=Place(node.line, node.column),
        )

    def _id(self, node: Node) -> str | None:
        rule_id = self.reader.name(node)
        if rule_id in self.world.given:
            what = f"a rule of this id was given before, at {self.world.given[rule_id]}"
            self.reader.note(node, what, found=f"'{rule_id}'")
        elif rule_id:
            self.world.given[rule_id] = f"{self.reader.file}:{node.line}"
        return rule_id

    # what the rule watches

    def _selector(self, node: Node) -> Selector:
        reader = self.reader
        with reader.fields(node, "a selector of shops") as f:
            platforms = f.get("platform", reader.list_of(self._of_packs(self.world.platforms, "platform")))
            ids = f.get("ids", reader.list_of(reader.scalar))
            teams = f.get("team", reader.list_of(reader.scalar))
            labels = f.get("labels", self._labels)
        return Selector(platforms or (), ids or (), teams or (), labels or ())

    def _of_packs(self, names: Collection[str], what: str) -> Callable[[Node], str | None]:
        """A reader of a name that packs give; of any, while some of them cannot be read."""
        return self.reader.one_of(names, what) if self.world.whole else self.reader.scalar

    def _labels(self, node: Node) -> tuple[tuple[str, tuple[str, ...]], ...]:
        wanted = []
        with self.reader.fields(node, "labels") as f:
            for key in f.nodes:
                values = f.get(key, self.reader.list_of(self.reader.scalar))
                wanted.append((key, values or ()))
        return tuple(sorted(wanted))

    def _watched(self, f: Fields, shops: Selector) -> tuple[str, str, Scope]:
        """The line or measure of a rule, and what that lets it compare."""
        reader, world = self.reader, self.world
        each = f.get("each", reader.one_of(EACH, "'each'")) or "shop"
        line = f.get("line", self._of_packs(world.lines, "line")) or ""
        measure = f.get("measure", self._of_packs(world.measures, "measure")) or ""
        period = f.get("period", reader.period) or "day"
        if "line" in f.keys:
            for key in {"measure", "period"} & f.keys.keys():
                reader.note(f.keys[key], f"a rule with a line has its {key} from there", found=f"'{key}'")
        elif "period" in f.keys and "measure" not in f.keys:
            reader.note(f.keys["period"], "a period needs a measure", found=f"'{period}'")
        scope = Scope((ANY,), each=each, has_line="line" in f.keys, period=period)
        if not (line or measure):
            unread = "line" in f.keys or "measure" in f.keys
            return line, measure, scope._replace(kinds=() if unread else (ANY,))
        if not world.whole:
            return line, measure, scope._replace(kinds=(), period="" if line else period)
        met = world.kinds_and_periods(line, measure, shops.platforms)
        scope = scope._replace(kinds=tuple(met))
        name = "line" if line else "measure"
        periods = tuple(dict.fromkeys(period for some in met.values() for period in some))
        if not met:
            found = f"'{line or measure}'"
            reader.note(f.nodes[name], f"the selected platforms have no such {name}", found=found)
        elif line:
            scope = scope._replace(period=periods[0])
        elif period not in periods:
            what = f"{measure} is not kept over this period"
            reader.note(f.nodes["period"], what, found=period, allowed=periods)
        if each == "conversation" and met and RATE not in met:
            reader.note(f.nodes[name], "each: conversation needs a reply rate", found=" ".join(met))
        if each in OVER_SHOPS and met:
            self._over_shops(f.nodes[name], scope, world.met(line, measure, shops.platforms))
        return line, measure, scope

    def _over_shops(self, node: Node, scope: Scope, met: Iterable[tuple[Pack, Measure, Line | None]]) -> None:
        """A sum over shops is of one thing: the same kind against the same limit, wherever it is kept."""
        meant: dict[tuple[object, ...], str] = {}
        for pack, measure, line in met:
            limit = (line.at_least, line.at_most) if line else ()
            meant.setdefault((measure.kind, *limit), pack.platform)
            if scope.each == "agent" and ("agent" not in measure.by or scope.period != "day"):
                what = "each: agent needs a measure that its pack keeps `by: [agent]`, over the day"
                self.reader.note(node, what, found=f"'{measure.id}' of {pack.id}, {scope.period}")
                return
        if len(set(meant.values())) > 1:
            what = f"a sum over each {scope.each} must mean one thing, and platforms differ in this"
            hint = f"shops: {{platform: {min(meant.values())}}}"
            self.reader.note(node, what, found=" ".join(sorted(set(meant.values()))), hint=hint)

    def _whole(self, f: Fields, scope: Scope) -> None:
        """What a rule must have as a whole."""
        note, each = self.reader.note, f"each: {scope.each}"
        if not isinstance(f.node, Mapping):
            return
        if not {"warn", "crit", "no_data"} & f.keys.keys():
            note(f.node, "a rule needs a level", allowed="warn, crit or no_data")
        unread = "each" in f.keys and show(f.nodes["each"]) != f"'{scope.each}'"  # a mistake named already
        if unread:
            return
        if "no_data" in f.keys and scope.each != "source":
            note(f.keys["no_data"], "no_data is for sources", found=each, allowed="each: source")
        if scope.each == "source":
            for key in [key for key in _NOT_OF_SOURCES if key in f.keys]:
                note(f.keys[key], "a rule on a source has only no_data", found=f"'{key}'")
        elif scope.each in ("conversation", "agent") and scope.kinds == (ANY,):
            note(f.node, f"{each} needs a 'measure' or a 'line'")
        if "for" in f.keys:
            f.refuse("for", "'for' belongs into a level: warn: {…, for: 5m}")
        if "interval" in f.keys and scope.each != "conversation":
            note(f.keys["interval"], "an interval is for each: conversation", found=each)

    def _receiver(self, node: Node) -> str | None:
        if self.world.receivers is None:
            return self.reader.scalar(node)
        return self.reader.one_of(self.world.receivers, "receiver")(node)
