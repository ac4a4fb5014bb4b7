"""From packs and rules to what the engine must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from monitor.engine.figures import window_ms
from monitor.engine.spec import (
    DaySpec,
    EngineSpec,
    MeterSpec,
    OrderSpec,
    PackSpec,
    ResponseSpec,
    TrackSpec,
)
from monitor.engine.zone import DAY_MS
from monitor.zones import zone_of

if TYPE_CHECKING:
    from rules.pack import Measure, Pack, Span

EPOCH = date(1970, 1, 1)

Marks = Mapping[str, Sequence[int]]
TrackKey = tuple[frozenset[str], bool, bool, bool, tuple[tuple[int, int], ...]]


def day_number(iso: str) -> int:
    """Days since 1970 of a date ``YYYY-MM-DD``."""
    return (date.fromisoformat(iso) - EPOCH).days


def engine_spec(
    packs: Mapping[str, Sequence[Pack]],
    lateness_ms: int,
    marks_ms: Mapping[str, Sequence[int]] | None = None,
    shop_packs: Mapping[str, str] | None = None,
    *,
    pace_all: bool = False,
) -> EngineSpec:
    """Compile packs for the engine.

    Args:
        packs: Versions of each pack by pack id, sorted by ``from_date``; each ends where the next begins.
        lateness_ms: How late an event may come and still change every figure.
        marks_ms: Measure → a rule looks at it so long before each deadline.
        shop_packs: Shop key → id of the pack it has instead of its platform's.
        pace_all: Keep the pace of every reply rate; else of those with a line, which alone can be breached.
    """
    marks = marks_ms or {}
    compiled = {pack_id: _pack(versions, marks, pace_all) for pack_id, versions in packs.items()}
    platforms = {versions[0].platform or pack_id: compiled[pack_id] for pack_id, versions in packs.items()}
    shops = {shop: compiled[pack_id] for shop, pack_id in (shop_packs or {}).items()}
    return EngineSpec(platforms=platforms, shops=shops, lateness_ms=lateness_ms)


def _pack(versions: Sequence[Pack], marks_ms: Marks, pace_all: bool) -> PackSpec:
    versions = _with_all_windows(versions)
    from_days: list[int] = []
    specs: list[DaySpec] = []
    exceptions: dict[int, DaySpec] = {}
    for index, pack in enumerate(versions):
        first = day_number(pack.from_date) if pack.from_date else 0
        following = versions[index + 1].from_date if index + 1 < len(versions) else None
        ends = [day_number(end) for end in (pack.until_date, following) if end]
        from_days.append(first)
        specs.append(day_spec(pack, None, marks_ms, pace_all))
        if pack.until_date and day_number(pack.until_date) not in from_days and pack.until_date != following:
            from_days.append(day_number(pack.until_date))
            specs.append(DaySpec())
        exempt = {*pack.exempt_dates, *(day for m in pack.measures.values() for day in m.exempt_dates)}
        for iso in exempt:
            number = day_number(iso)
            if first <= number and all(number < end for end in ends):
                exceptions[number] = day_spec(pack, iso, marks_ms, pace_all)
    return PackSpec(zone_of(versions[0].timezone), tuple(from_days), tuple(specs), exceptions)


def _with_all_windows(versions: Sequence[Pack]) -> Sequence[Pack]:
    """A window reaches over the midnight at which two versions meet: each keeps the windows of both."""
    windows: dict[str, set[str]] = {}
    for pack in versions:
        for measure in pack.measures.values():
            windows.setdefault(measure.id, set()).update(p for p in measure.periods if window_ms(p))
    return [
        replace(
            pack,
            measures={
                m.id: replace(m, periods=(*m.periods, *sorted(windows[m.id] - set(m.periods))))
                for m in pack.measures.values()
            },
        )
        for pack in versions
    ]


def _spans(spans: Sequence[Span]) -> tuple[tuple[int, int], ...]:
    return tuple((span.start_ms, span.end_ms) for span in spans)


def day_spec(pack: Pack, iso: str | None, marks_ms: Marks, pace_all: bool = False) -> DaySpec:
    """What a pack counts on a day; ``iso`` names a date on which some or all measures are exempt."""
    measures = [
        m
        for m in pack.measures.values()
        if iso is None or (iso not in pack.exempt_dates and iso not in m.exempt_dates)
    ]
    groups: dict[TrackKey, list[Measure]] = {}
    for measure in measures:
        if measure.kind in ("reply_rate", "response_time"):
            groups.setdefault(_track_key(pack, measure), []).append(measure)
    first = next((m.id for m in pack.measures.values() if m.kind == "reply_rate"), None)
    paced = {m.id for m in measures} if pace_all else {line.measure for line in pack.lines.values()}
    tracks = tuple(_track(key, members, first, marks_ms, paced) for key, members in groups.items())
    orders = tuple(
        OrderSpec(m.id, m.event or "dispute.opened", frozenset(m.outcome))
        for m in measures
        if m.kind == "order_rate"
    )
    return DaySpec(
        pack=f"{pack.id} {pack.version}",
        tracks=tracks,
        orders=orders,
        spans=_spans(pack.service_hours),
        profile=pack.profile,
    )


def _track_key(pack: Pack, measure: Measure) -> TrackKey:
    spans = _spans(measure.service_hours if measure.service_hours is not None else pack.service_hours)
    return (
        frozenset(measure.answered_by),
        measure.counts == "human_stage",
        measure.hours_by == "session_start",
        measure.on_handover == "opens",
        spans or ((0, DAY_MS),),
    )


def _windows(measure: Measure) -> tuple[int, ...]:
    widths = (window_ms(period) for period in measure.periods)
    return tuple(width for width in widths if width is not None)


def _track(
    key: TrackKey, members: Sequence[Measure], first: str | None, marks_ms: Marks, paced: set[str]
) -> TrackSpec:
    answered_by, human_stage, session_start, opens, spans = key
    rates = [m for m in members if m.kind == "reply_rate"]
    meters = tuple(_meter(m, marks_ms.get(m.id, ()), m.id in paced) for m in rates)
    waiting = [index for index, m in enumerate(rates) if m.id == first]
    return TrackSpec(
        answered_by=answered_by,
        human_stage=human_stage,
        session_start=session_start,
        handover_opens=opens,
        spans=spans,
        meters=meters,
        responses=tuple(ResponseSpec(m.id, _windows(m)) for m in members if m.kind == "response_time"),
        waiting=bool(waiting),
        waiting_meter=waiting[0] if waiting else 0,
        messages=any(meter.unit == "message" for meter in meters),
        marked=any(meter.marks_ms for meter in meters),
    )


def _meter(measure: Measure, marks_ms: Sequence[int], paced: bool) -> MeterSpec:
    assert measure.within_ms is not None
    return MeterSpec(
        measure=measure.id,
        within_ms=measure.within_ms,
        unit=measure.unit,
        first_round=measure.late_if == "first_round" and measure.unit in ("session", "customer_day"),
        by_agent="agent" in measure.by,
        paced=paced,
        windows_ms=_windows(measure),
        marks_ms=tuple(sorted(set(marks_ms))),
    )
