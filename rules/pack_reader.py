"""A pack file's nodes to a ``Pack``: what each key means, and what cannot be."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from rules.line_reader import SURENESS, read_lines
from rules.pack import DAY_MS, Measure, Pack, Span, Text
from rules.problems import closest
from rules.reader import Fields, Reader
from rules.yaml_marks import Mapping

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rules.problems import Problem
    from rules.yaml_marks import Node

UNITS = ("message", "round", "session", "customer_day")
ANSWERERS = ("agent", "assist", "bot")
KINDS = ("reply_rate", "response_time", "waiting", "order_rate")
LATER_KINDS = (
    "customer_rate",
    "duration",
    "satisfaction",
    "conversion",
    "resolution",
    "robot_share",
    "load",
    "word_hits",
    "score",
)
ORDER_EVENTS = (
    "dispute.opened",
    "dispute.closed",
    "refund.requested",
    "refund.returned",
    "refund.completed",
    "refund.refused",
    "refund.cancelled",
)

# Keys of a later release, with the value that says what the engine does today.
LATER_KEYS = {
    "on_transfer": "keep",
    "on_close": "open",
    "unassigned": "late",
    "rounds": "all",
    "cross_midnight": "count",
    "cap": "",
}

# A usual day of shop chat by half-hours: rises from 8, a peak 10–12, a dip at dinner, the high peak 19–22.
DEFAULT_PROFILE = (
    *(6, 4, 3, 2, 2, 1, 1, 1, 1, 1, 2, 3),  # 00–06
    *(5, 8, 12, 18, 28, 38, 48, 56, 62, 64, 64, 60),  # 06–12
    *(52, 48, 48, 50, 54, 56, 56, 56, 54, 52, 48, 44),  # 12–18
    *(46, 52, 62, 70, 76, 80, 80, 76, 66, 52, 34, 18),  # 18–24
)


def read_pack(text: str, file: str, zones: Collection[str]) -> tuple[Pack | None, list[Problem]]:
    """Read one pack; None when anything in it is wrong. ``zones`` are the time zones that exist."""
    reader = Reader(file)
    root = reader.parse(text)
    pack = _pack(reader, root, zones) if root else None
    return (None if reader.problems else pack), reader.problems


def _pack(reader: Reader, root: Node, zones: Collection[str]) -> Pack | None:
    with reader.fields(root, "a pack") as f:
        pack_id = f.need("pack", reader.name)
        version = f.need("version", reader.scalar)
        platform = f.get("platform", reader.name)
        title = f.get("title", reader.text)
        from_date, until_date = f.get("from", reader.date), f.get("until", reader.date)
        verified = f.get("verified", reader.date)
        timezone = f.need("timezone", reader.scalar)
        if timezone and timezone not in zones:
            near = closest(timezone, zones)
            reader.note(f.nodes["timezone"], "unknown time zone", found=f"'{timezone}'", hint=near)
        if from_date and until_date and until_date <= from_date:
            reader.note(f.nodes["until"], "the pack ends before it begins", found=f"'{until_date}'")
        service_hours = f.need("service_hours", lambda node: _hours(reader, node)) or ()
        exempt_dates = f.get("exempt_dates", reader.list_of(reader.date))
        profile = f.get("profile", lambda node: _profile(reader, node))
        measures = f.need("measures", lambda node: _measures(reader, node)) or {}
        lines = f.get("lines", lambda node: read_lines(reader, node, measures)) or {}
    if not (pack_id and version and timezone):
        return None
    return Pack(
        id=pack_id,
        version=version,
        timezone=timezone,
        service_hours=service_hours,
        measures=measures,
        platform=platform or pack_id,
        lines=lines,
        from_date=from_date,
        until_date=until_date,
        verified=verified or "",
        title=title or Text(pack_id),
        exempt_dates=exempt_dates or (),
        profile=profile or within_hours(DEFAULT_PROFILE, service_hours),
        path=reader.file,
    )


def within_hours(profile: Sequence[int], spans: Sequence[Span]) -> tuple[int, ...]:
    """A profile with what lies outside the service hours cut away, since only asks inside count."""
    slot_ms = DAY_MS // len(profile)
    weights = []
    for slot, weight in enumerate(profile):
        start_ms, end_ms = slot * slot_ms, (slot + 1) * slot_ms
        inside_ms = sum(max(0, min(end_ms, span.end_ms) - max(start_ms, span.start_ms)) for span in spans)
        weights.append(weight * inside_ms // slot_ms)
    return tuple(weights)


def _hours(reader: Reader, node: Node) -> tuple[Span, ...]:
    spans = sorted(reader.list_of(reader.span)(node) or (), key=lambda span: span.start_ms)
    for earlier, later in pairwise(spans):
        if later.start_ms < earlier.end_ms:
            reader.note(node, "service hours overlap")
    return tuple(spans)


def _profile(reader: Reader, node: Node) -> tuple[int, ...] | None:
    weights = reader.list_of(reader.count)(node) or ()
    if len(weights) == 48 and any(weights):
        return weights
    reader.note(node, "not a profile", found=f"{len(weights)} weights", allowed="48 whole numbers, not all 0")
    return None


def _measures(reader: Reader, node: Node) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    with reader.fields(node, "the measures") as f:
        for name in list(f.nodes):
            reader.name(f.keys[name])
            measure = f.get(name, lambda node, name=name: _measure(reader, name, node))  # type: ignore[misc]
            if measure:
                measures[name] = measure
        kinds = {measure.kind for measure in measures.values()}
        if "waiting" in kinds and "reply_rate" not in kinds:
            reader.note(node, "a waiting measure needs a reply rate, whose rounds it looks at")
        if isinstance(node, Mapping) and not f.nodes:
            reader.note(node, "a pack needs a measure")
    return measures


def _measure(reader: Reader, name: str, node: Node) -> Measure | None:
    what = f"measure {name}"
    with reader.fields(node, what) as f:
        title = f.need("title", reader.text)
        kind = f.need("kind", reader.one_of(KINDS, "kind of measure", LATER_KINDS))
        sure = f.get("sure", reader.one_of(SURENESS, "sureness"))
        source = f.get("source", reader.scalar)
        service_hours = f.get("service_hours", lambda node: _hours(reader, node))
        exempt_dates = f.get("exempt_dates", reader.list_of(reader.date))
        periods = f.get("periods", reader.list_of(reader.period)) or ()
        by = f.get("by", reader.list_of(reader.one_of(("agent",), "breakdown", ("team", "slot"))))
        rounds = _RoundKeys(reader, f, kind)
        event = outcome = None
        if kind in ("order_rate", None):
            event = f.get("event", reader.one_of(ORDER_EVENTS, "event of an order rate"))
            outcome = f.get("outcome", reader.list_of(reader.scalar))
        else:
            for key in ("event", "outcome"):
                f.refuse(key, f"a {kind} has no such key")
    if not kind:
        return None
    return Measure(
        id=name,
        title=title or Text(name),
        kind=kind,
        within_ms=rounds.within_ms,
        unit=rounds.unit,
        late_if=rounds.late_if,
        answered_by=rounds.answered_by,
        counts=rounds.counts,
        hours_by=rounds.hours_by,
        on_handover=rounds.on_handover,
        periods=("day", *dict.fromkeys(period for period in periods if period != "day")),
        by=tuple(dict.fromkeys(by or ())),
        event=(event or "dispute.opened") if kind == "order_rate" else None,
        outcome=outcome or (),
        service_hours=service_hours,
        exempt_dates=exempt_dates or (),
        sure=sure or "C",
        source=source or "",
    )


class _RoundKeys:
    """The keys of a measure made of rounds, refused in the other kinds."""

    def __init__(self, reader: Reader, f: Fields, kind: str | None) -> None:
        self.within_ms: int | None = None
        self.unit, self.late_if, self.counts, self.hours_by, self.on_handover = _ROUND_DEFAULTS
        self.answered_by: tuple[str, ...] = ("agent",)
        if kind in ("reply_rate", "response_time", None):
            self._of_rounds(reader, f)
        else:
            for key in ("answered_by", "counts", "hours_by", "on_handover", *LATER_KEYS):
                f.refuse(key, f"a {kind} has no such key")
        if kind in ("reply_rate", None):
            self._of_rates(reader, f, needed=kind is not None)
        else:
            for key in ("within", "unit", "late_if"):
                f.refuse(key, f"a {kind} has no such key")

    def _of_rounds(self, reader: Reader, f: Fields) -> None:
        choose = reader.one_of
        self.answered_by = tuple(
            sorted(set(f.get("answered_by", reader.list_of(choose(ANSWERERS, "answerer"))) or ("agent",)))
        )
        self.counts = f.get("counts", choose(("all", "human_stage"), "way to count")) or self.counts
        self.hours_by = f.get("hours_by", choose(("ask", "session_start"), "hours rule")) or self.hours_by
        self.on_handover = (
            f.get("on_handover", choose(("opens", "waits"), "hand-over rule")) or self.on_handover
        )
        for key, today in LATER_KEYS.items():
            f.later(key, today)

    def _of_rates(self, reader: Reader, f: Fields, *, needed: bool) -> None:
        choose = reader.one_of
        ask = f.need if needed else f.get
        self.within_ms = ask("within", reader.duration_ms)
        if self.within_ms is not None and not 1_000 <= self.within_ms <= DAY_MS:
            reader.note(f.nodes["within"], "a limit out of bounds", allowed="1s to 1d")
        self.unit = f.get("unit", choose(UNITS, "unit")) or self.unit
        self.late_if = f.get("late_if", choose(("any_round", "first_round"), "late rule")) or self.late_if
        if self.late_if == "first_round" and self.unit in ("message", "round"):
            allowed = "unit session or customer_day"
            reader.note(
                f.nodes["late_if"],
                "first_round has no meaning here",
                found=f"unit {self.unit}",
                allowed=allowed,
            )


_ROUND_DEFAULTS = ("round", "any_round", "all", "ask", "opens")
