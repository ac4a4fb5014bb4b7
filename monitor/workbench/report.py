"""The figures of a shard as the stable JSON of design §11: keys, nesting and rounding may be relied on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from monitor.engine import figures
from monitor.runtime.show import share
from monitor.shard.readings import ShopReading
from rules.budget import budget_left, budget_left_today, prefix_sums
from rules.pack import Limit

if TYPE_CHECKING:
    from monitor.engine.shop import Shop
    from monitor.engine.zone import Zone
    from monitor.shard.shard import Shard
    from monitor.workbench.replay import Replayed
    from rules.pack import Measure, Pack
    from rules.transition import Transition

JSON = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def report(replayed: Replayed) -> JSON:
    """Everything a replay found: figures as of its end, budgets, who waits, and every alert on the way."""
    shard = replayed.shard
    now_ms = shard.now_ms
    shops = [shop for _, shop in sorted(shard.engine.shops.items()) if shop.sources]
    zone = shops[0].zone if shops else shard.engine.spec.default.zone
    zones = {shop.key: shop.zone for shop in shops}
    return {
        "as_of": local_time(zone, now_ms) if now_ms else None,
        "events": replayed.events,
        "shops": [_shop(shard, shop, now_ms) for shop in shops],
        "alerts": [
            _alert(told, zones.get(told.subject.get("shop", ""), zone)) for told in replayed.transitions
        ],
    }


def local_time(zone: Zone, at_ms: int) -> str:
    """RFC 3339 in a zone, to the second, and to the millisecond where it is not a whole one."""
    offset = timezone(timedelta(milliseconds=zone.local(at_ms) - at_ms))
    moment = (EPOCH + timedelta(milliseconds=at_ms)).astimezone(offset)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds")


def _alert(told: Transition, zone: Zone) -> JSON:
    return {
        "at": local_time(zone, told.at_ms),
        "rule": told.rule,
        "subject": told.subject,
        "from": told.from_state,
        "to": told.to_state,
        "severity": told.severity,
        "reason": told.reason,
    }


def _shop(shard: Shard, shop: Shop, now_ms: int) -> JSON:
    pack = shard.book.pack_on(shop.platform, shop.key, shop.day_number(now_ms))
    measures = pack.measures.values() if pack is not None else ()
    since = local_time(shop.zone, shard.sources_of(shop)[1])
    waiting = figures.waiting(shop, now_ms)
    oldest_ms = waiting.oldest_ms
    return {
        "platform": shop.platform,
        "shop_id": shop.shop_id,
        "measures": {m.id: _measure(shop, m, now_ms, since) for m in measures if m.kind in _PARTS},
        "budgets": _budgets(shop, pack, now_ms) if pack is not None else {},
        "waiting": {
            "open": waiting.open,
            "oldest_ms": max(0, oldest_ms) if oldest_ms is not None else None,  # an ask may lie ahead
        },
    }


def _measure(shop: Shop, measure: Measure, now_ms: int, since: str) -> JSON:
    """A measure over each of its periods; windows say which span they cover."""
    found: JSON = {}
    for period in dict.fromkeys(("day", *measure.periods)):
        window = figures.window_ms(period) is not None
        if window and measure.kind == "order_rate":
            continue  # its longer periods are sums of days
        found[period] = _PARTS[measure.kind](shop, measure.id, period, now_ms) | {"since": since}
        if window:
            start_ms, end_ms = figures.window_edges_ms(period, now_ms)
            edges = {"from": local_time(shop.zone, start_ms), "to": local_time(shop.zone, end_ms)}
            found[period] |= edges
    if measure.kind == "reply_rate" and "agent" in measure.by:
        rows = figures.agents(shop, measure.id, now_ms)
        found["agents"] = {agent: {"answered": row[0], "late": row[1]} for agent, row in rows.items()}
    return found


def _reply_rate(shop: Shop, measure: str, period: str, now_ms: int) -> JSON:
    rate = figures.rate(shop, measure, period, now_ms)
    return {
        **rate._asdict(),
        "value": _share(rate.asked - rate.late, rate.asked),
        "worst": _share(rate.asked - rate.late - rate.open, rate.asked),
    }


def _response_time(shop: Shop, measure: str, period: str, now_ms: int) -> JSON:
    times = figures.responses(shop, measure, period, now_ms)
    return {
        "count": times.count,
        "sum_ms": times.sum_ms,
        "max_ms": times.max_ms,
        "mean_ms": times.mean_ms(),
        "p50_ms": times.percentile_ms(50),
        "p90_ms": times.percentile_ms(90),
        "p95_ms": times.percentile_ms(95),
    }


def _order_rate(shop: Shop, measure: str, period: str, now_ms: int) -> JSON:
    count, of = figures.orders(shop, measure, period, now_ms)
    return {"count": count, "of": of, "value": _share(count, of)}


_PARTS = {"reply_rate": _reply_rate, "response_time": _response_time, "order_rate": _order_rate}


def _share(part: int, whole: int) -> float | None:
    """4 decimals, half up, rounded as integers: the float is only how JSON writes them."""
    text = share(part, whole)
    return None if text is None else float(text)


def _budgets(shop: Shop, pack: Pack, now_ms: int) -> JSON:
    """Misses left under each line: among those who asked, and by tonight's forecast (decision 17)."""
    found: JSON = {}
    sums = prefix_sums(pack.profile)
    for line in pack.lines.values():
        limit = Limit.of_line(line)
        reading = ShopReading(
            shop, pack.measures[line.measure], line.period, sums, now_ms, shop.day_number(now_ms)
        )
        found[line.id] = {
            "budget_left": budget_left(reading.asked, reading.late, limit),
            "budget_left_today": budget_left_today(reading.asked, reading.late, reading.expected, limit),
        }
    return found
