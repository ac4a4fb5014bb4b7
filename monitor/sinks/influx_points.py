"""From figures to points: pure, one shop at a time. ``influx_schema`` says what each field means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.sinks.influx_schema import (
    AGENT,
    ALERT,
    DELIVERY,
    LINE,
    MEASURE,
    MEASUREMENTS,
    MS_NS,
    SELF,
    SEVERITY,
    SHOP,
    SOURCE,
    Measurement,
    point,
)
from rules.budget import breach_in_minutes, budget_left, budget_left_today
from rules.pack import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.runtime.ports import SourceHeard, Watched
    from monitor.sinks.influx_schema import Value
    from monitor.web.ports import Status
    from rules.pack import Line
    from rules.reading import Reading
    from rules.transition import Transition

_TYPES: Final = {one.name: one.types() for one in MEASUREMENTS}
_LINE_TYPES, _MEASURE_TYPES = _TYPES[LINE.name], _TYPES[MEASURE.name]
FIRES: Final = ("firing", "holding")


@dataclass(frozen=True, slots=True)
class ShopName:
    """What a shop's points are told apart and read by."""

    platform: str
    shop_id: str
    team: str = ""
    name: str = ""

    @property
    def tags(self) -> tuple[str, str, str]:
        """The tags that every point of a shop has."""
        return self.platform, self.shop_id, self.team


class Points:
    """Makes points; remembers how the series of up to ``shops_max`` shops are written."""

    def __init__(self, shops_max: int) -> None:
        self._series: dict[tuple[str, ...], str] = {}
        self._of_shops: dict[tuple[str, ...], dict[str | tuple[str, str], str]] = {}
        self._shops_max = shops_max

    def shop(self, shop: ShopName, watched: Sequence[Watched], severity: str, now_ms: int) -> list[str]:
        """All of a shop at a second: itself, its lines, its measures.

        Args:
            shop: Which.
            watched: Its lines and measures.
            severity: The worst of its rules that fire: ok, warn, crit.
            now_ms: The second.
        """
        if not watched:
            return []
        ns, known = now_ms * MS_NS, self._known(shop)
        same: dict[tuple[str, str], Reading] = {}  # what a line and a measure are both read from, once
        found, fewest = [], _Worst()
        for measure, period, line, own, _ in watched:
            place = measure.id, period
            reading = same.setdefault(place, own)
            if line is not None:
                values = _line(line, measure.kind, reading)
                fewest.look(values)
                series = known.get(line.id)
                if series is None:
                    series = known[line.id] = LINE.series((*shop.tags, line.id, *place))
                found.append(point(series, _LINE_TYPES, values, ns))
            elif measure.kind != "waiting":  # that is of the shop
                series = known.get(place)
                if series is None:
                    series = known[place] = MEASURE.series((*shop.tags, *place))
                found.append(point(series, _MEASURE_TYPES, _measure(measure.kind, reading), ns))
        whole = _shop(shop.name, watched[0].reading, severity, fewest)
        return [self._point(SHOP, shop.tags, whole, now_ms), *filter(None, found)]

    def agents(
        self, shop: ShopName, measure: str, counts: Mapping[str, tuple[str, int, int]], now_ms: int
    ) -> list[str]:
        """A shop's agents today: id → name, answered, late."""
        return [
            self._point(
                AGENT,
                (*shop.tags, agent, measure),
                {"answered": answered, "late": late, "name": name},
                now_ms,
            )
            for agent, (name, answered, late) in counts.items()
        ]

    def source(self, source: SourceHeard, now_ms: int) -> str:
        """A source at a second."""
        return self._point(
            SOURCE, (source.name,), {"blind": source.blind, "heard_ms": source.heard_ms}, now_ms
        )

    def alert(self, t: Transition, team: str, title: str) -> str:
        """A change of an alert's state; the place within its record keeps two of one second apart."""
        platform, _, shop_id = t.subject.get("shop", "").partition(":")
        fires = t.to_state in FIRES
        values: dict[str, Value] = {
            "severity": SEVERITY.get(t.severity, 0) if fires else 0,
            "from_state": t.from_state,
            "to_state": t.to_state,
            "verdict": t.verdict,
            "reason": t.reason,
            "text": title,
            "condition": t.facts.condition or None,
            "since_ms": t.since_ms,
            "asked": t.facts.asked,
            "late": t.facts.late,
            "budget_left": t.facts.budget_left,
            "shadow": t.shadow,
            "after_the_fact": t.after_the_fact,
        }
        series = ALERT.series((platform, shop_id, team, t.subject.get("source", ""), t.rule))
        return point(series, _TYPES[ALERT.name], values, t.at_ms * MS_NS + t.n)

    def delivery(self, number: int, account: str, result: str, alerts: int, took_ms: int, at_ms: int) -> str:
        """A message's answer; its number keeps two of one millisecond apart."""
        values: dict[str, Value] = {"count": 1, "alerts": alerts, "took_ms": took_ms}
        series = DELIVERY.series((account, result))
        return point(series, _TYPES[DELIVERY.name], values, at_ms * MS_NS + number % MS_NS)

    def itself(
        self, instance: str, role: str, status: Status, spool: tuple[int, int, int], now_ms: int
    ) -> str:
        """The process at a second; ``spool``: points that wait, age of the oldest, points dropped."""
        waiting, age_ms, dropped = spool
        values: dict[str, Value] = {
            "ready": status.ready,
            "problems": len(status.problems),
            "lag_ms": status.lag_ms,
            "shops": status.shops,
            "spool_points": waiting,
            "spool_age_ms": age_ms,
            "dropped": dropped,
        }
        return self._point(SELF, (instance, role), values, now_ms)

    def _known(self, shop: ShopName) -> dict[str | tuple[str, str], str]:
        """Of a shop: line, or measure and period, → series."""
        known = self._of_shops.get(shop.tags)
        if known is None:
            if len(self._of_shops) >= self._shops_max:
                self._of_shops.clear()
            known = self._of_shops[shop.tags] = {}
        return known

    def _point(self, of: Measurement, tags: tuple[str, ...], values: Mapping[str, Value], now_ms: int) -> str:
        key = (of.name, *tags)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= 10 * self._shops_max:
                self._series.clear()
            series = self._series[key] = of.series(tags)
        return point(series, _TYPES[of.name], values, now_ms * MS_NS)


class _Worst:
    """What of its lines a shop shows for itself."""

    def __init__(self) -> None:
        self.crossed, self.at_risk = 0, 0
        self.budget_left: int | None = None
        self.breach_in_s: int | None = None

    def look(self, values: Mapping[str, Value]) -> None:
        """Take a line in."""
        self.crossed |= int(values.get("breach") or 0)
        self.at_risk = max(self.at_risk, int(values.get("at_risk") or 0))
        self.budget_left = _least(self.budget_left, values.get("budget_left"))
        self.breach_in_s = _least(self.breach_in_s, values.get("breach_in_s"))


def _least(known: int | None, value: Value) -> int | None:
    if not isinstance(value, int):
        return known
    return value if known is None else min(known, value)


def _shop(name: str, r: Reading, severity: str, worst: _Worst) -> dict[str, Value]:
    if r.blind:
        return {"severity": SEVERITY["unknown"], "blind": 1, "name": name}
    return {
        "severity": SEVERITY[severity],
        "blind": 0,
        "partial": not r.complete,
        "crossed": worst.crossed,
        "waiting": r.waiting,
        "oldest_wait_ms": r.oldest_wait_ms or 0,
        "agents_online": r.agents_online,
        "in_service": r.in_service,
        "budget_left": worst.budget_left,
        "breach_in_s": worst.breach_in_s,
        "at_risk": worst.at_risk,
        "name": name,
    }


def _line(line: Line, kind: str, r: Reading) -> dict[str, Value]:
    share = line.at_least or line.at_most
    assert share is not None, line.id
    values: dict[str, Value] = {"limit": share.of / share.per, "at_least": int(line.at_least is not None)}
    if r.blind:
        values["blind"] = 1
        return values
    asked, late, expected = r.asked, r.late, r.expected
    too_few, left = asked < line.min_count, 0
    values["value"] = _value(kind, asked, late)
    values["asked"], values["late"], values["at_risk"] = asked, late, r.at_risk
    values["expected"] = expected
    if not too_few:
        limit = Limit.of_line(line)
        left = values["budget_left"] = budget_left(asked, late, limit)
        values["budget_left_today"] = budget_left_today(asked, late, expected, limit)
        minutes = breach_in_minutes(asked, late, r.newly_asked, r.newly_late, limit)
        values["breach_in_s"] = None if minutes is None else minutes * 60
    values["breach"], values["too_few"] = int(left < 0), int(too_few)
    values["blind"], values["partial"] = 0, int(not r.complete)
    return values


def _measure(kind: str, r: Reading) -> dict[str, Value]:
    if r.blind:
        return {"blind": 1}
    asked = r.asked
    values: dict[str, Value] = {"asked": asked, "blind": 0, "partial": int(not r.complete)}
    if kind == "response_time":
        if asked:
            values["mean_ms"], values["max_ms"] = r.mean_ms, r.max_ms
            values["p50_ms"], values["p90_ms"], values["p95_ms"] = r.p50_ms, r.p90_ms, r.p95_ms
        return values
    late = values["late"] = r.late
    values["value"] = _value(kind, asked, late)
    if kind == "reply_rate":
        still = values["open"] = r.open
        values["worst"] = (asked - late - still) / asked if asked else None
    return values


def _value(kind: str, asked: int, late: int) -> float | None:
    if not asked:
        return None
    return (late if kind == "order_rate" else asked - late) / asked
