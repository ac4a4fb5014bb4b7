"""From figures to what a page shows: pure, one shop at a time."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from monitor.web.ports import Figure, LineView, ShopView, WaitingView
from rules.budget import breach_in_minutes, budget_left, budget_left_today
from rules.pack import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.ports import ShopInfo
    from monitor.runtime.ports import Watched
    from monitor.web.ports import Health
    from rules.pack import Line, Share, Text
    from rules.transition import Item

WORST_FIRST: tuple[Health, ...] = ("crit", "unknown", "warn", "partial", "ok")


def shop_view(
    shop: str, watched: Sequence[Watched], info: ShopInfo, health: Health, *, figures: bool = False
) -> ShopView:
    """A shop with its lines, the nearest to being crossed first, and its figures where asked for."""
    platform, _, shop_id = shop.partition(":")
    readings = [one.reading for one in watched]
    waits = [r.oldest_wait_ms for r in readings if r.oldest_wait_ms is not None]
    lines = sorted((_line_view(one) for one in watched if one.line), key=_nearness)
    return ShopView(
        platform=platform,
        shop_id=shop_id,
        health=health,
        blind=any(r.blind for r in readings),
        name=info.name,
        team=info.team,
        waiting=max((r.waiting for r in readings), default=0),
        oldest_wait_ms=max(waits, default=None),
        lines=tuple(lines),
        figures=tuple(_figure(one) for one in watched if not one.line) if figures else (),
        as_of_ms=max((r.now_ms for r in readings), default=0),
        platform_name=both(info.platform) if info.platform.zh else {},
        timezone=info.timezone,
    )


class Countdown(NamedTuple):
    """An open round under the measure whose deadline comes first."""

    deadline_ms: int
    measure: str
    item: Item


def countdowns(watched: Sequence[Watched]) -> list[Countdown]:
    """The open rounds of a shop, each once, the soonest deadline last."""
    measures = {one.measure.id: one.reading for one in watched if one.line is None}
    found: dict[tuple[str, int], Countdown] = {}
    for measure, reading in measures.items():
        for item in reading.items:
            key = item.conversation_id, item.ask_ms
            first = found.get(key)
            if first is None or item.deadline_ms < first.deadline_ms:
                found[key] = Countdown(item.deadline_ms, measure, item)
    return sorted(found.values(), key=itemgetter(0), reverse=True)


def waiting_view(shop: str, one: Countdown, info: ShopInfo, agent_name: str) -> WaitingView:
    """A round as pages show it."""
    platform, _, shop_id = shop.partition(":")
    _, measure, item = one
    return WaitingView(
        platform=platform,
        shop_id=shop_id,
        conversation_id=item.conversation_id,
        customer_id=item.customer_id,
        measure=measure,
        ask_ms=item.ask_ms,
        deadline_ms=item.deadline_ms,
        agent_id=item.agent_id,
        costs_budget=item.costs_budget,
        shop_name=info.name,
        agent_name=agent_name,
        url=info.url.replace("{conversation_id}", item.conversation_id).replace(
            "{customer_id}", item.customer_id
        ),
    )


def shop_health(alerts: Sequence[str], watched: Sequence[Watched]) -> Health:
    """The worst that is known of a shop: severities of its open alerts, then how far its figures are true."""
    blind = any(one.reading.blind for one in watched)
    partial = any(not one.reading.complete for one in watched if one.period == "day")
    known = {*alerts, "unknown" if blind else "", "partial" if partial else "", "ok"}
    return next(health for health in WORST_FIRST if health in known)


def nearness(view: ShopView) -> tuple[int, int, int, int, str]:
    """Sort key of shops: a crossed line or health, then the nearest line, then name."""
    worst = 0 if view.crossed else WORST_FIRST.index(view.health)
    return worst, *(_nearness(view.lines[0]) if view.lines else (1 << 40, 0, 0)), view.key


def _nearness(line: LineView) -> tuple[int, int, int]:
    """The fewest misses left first, then the dearest penalty, then the most at risk.

    A line that nobody asked under says nothing and comes last.
    """
    left = line.budget_left if line.budget_left is not None else 1 << 30
    return (left if line.late or line.at_risk else left + (1 << 20)), -line.penalty_cny, -line.at_risk


def _line_view(one: Watched) -> LineView:
    line, r = one.line, one.reading
    assert line is not None
    limit = Limit.of_line(line)
    told = not r.blind and r.asked >= line.min_count
    minutes = breach_in_minutes(r.asked, r.late, r.newly_asked, r.newly_late, limit) if told else None
    return LineView(
        line=line.id,
        measure=line.measure,
        period=line.period,
        limit=_limit(line),
        penalty=both(line.penalty),
        penalty_cny=line.penalty_cny,
        budget_left=budget_left(r.asked, r.late, limit) if told else None,
        budget_left_today=budget_left_today(r.asked, r.late, r.expected, limit) if told else None,
        breach_in_s=None if minutes is None else minutes * 60,
        at_risk=r.at_risk,
        asked=r.asked,
        late=r.late,
        title=both(one.measure.title),
        kind=one.measure.kind,
        since_ms=one.since_ms,
        partial=not r.complete,
    )


def _figure(one: Watched) -> Figure:
    r, measure = one.reading, one.measure
    value: str | None = None
    worst: str | None = None
    parts: dict[str, int | None]
    if measure.kind == "response_time":
        parts = {"count": r.asked, "max_ms": r.max_ms, "mean_ms": r.mean_ms}
        parts |= {"p50_ms": r.p50_ms, "p90_ms": r.p90_ms, "p95_ms": r.p95_ms}
    elif measure.kind == "order_rate":
        parts = {"count": r.late, "of": r.asked}
        value = share(r.late, r.asked)
    elif measure.kind == "waiting":
        parts = {"open": r.waiting, "oldest_ms": r.oldest_wait_ms}
    else:
        parts = {"asked": r.asked, "late": r.late, "open": r.open}
        value = share(r.asked - r.late, r.asked)
        worst = share(r.asked - r.late - r.open, r.asked)
    return Figure(
        measure=measure.id,
        period=one.period,
        title=both(measure.title),
        kind=measure.kind,
        parts=parts,
        value=value,
        worst=worst,
        since_ms=one.since_ms,
        partial=not r.complete,
    )


def share(part: int, whole: int) -> str | None:
    """``part / whole`` with 4 decimals, half up; None of nothing."""
    if not whole:
        return None
    scaled = (part * 20_000 + whole) // (2 * whole)
    return f"{scaled // 10_000}.{scaled % 10_000:04d}"


def _limit(line: Line) -> str:
    share_: Share | None = line.at_least or line.at_most
    assert share_ is not None
    percent = f"{share_.of * 100 / share_.per:.4f}".rstrip("0").rstrip(".")  # shown only, never compared
    return f"{'≥' if line.at_least else '≤'} {percent}%"


def both(text: Text) -> dict[str, str]:
    """A text in each language of the pages."""
    return {"zh": text.in_language("zh"), "en": text.in_language("en")}
