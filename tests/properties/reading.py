"""An engine's figures in the oracle's shape, so that the two can be compared as they are."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from monitor.engine import figures
from tests.oracle.days import pack_of_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.engine.engine import Engine
    from monitor.engine.shop import Shop
    from rules.pack import Measure, Pack


def read(engine: Engine, packs: Mapping[str, Sequence[Pack]], now_ms: int) -> dict[str, Any]:
    """What ``Oracle.figures`` says, read from the engine."""
    shops = [shop for _, shop in sorted(engine.shops.items()) if shop.sources]
    return {"shops": [_shop(shop, packs.get(shop.platform, ()), now_ms) for shop in shops]}


def _shop(shop: Shop, versions: Sequence[Pack], now_ms: int) -> dict[str, Any]:
    shop.wake()
    found: dict[str, Any] = {
        "platform": shop.platform,
        "shop_id": shop.shop_id,
        "measures": {},
        "waiting": {"open": 0, "oldest_ms": None},
        "agents": {},
        "newly": {},
    }
    day = date(1970, 1, 1) + timedelta(days=shop.day_number(now_ms))
    pack = pack_of_day(versions, day) if versions else None
    for measure in pack.measures.values() if pack else ():
        if measure.kind in ("reply_rate", "response_time", "order_rate"):
            found["measures"][measure.id] = _measure(shop, measure, now_ms)
        if measure.kind == "reply_rate":
            agents = figures.agents(shop, measure.id, now_ms)
            found["agents"][measure.id] = {a: {"answered": x, "late": y} for a, (x, y) in agents.items()}
            asked, late = figures.pace(shop, measure.id, now_ms)
            found["newly"][measure.id] = {"newly_asked": asked, "newly_late": late}
    if pack and any(m.kind == "reply_rate" for m in pack.measures.values()):
        waiting = figures.waiting(shop, now_ms)
        oldest_ms = None if waiting.oldest_ms is None else max(0, waiting.oldest_ms)
        found["waiting"] = {"open": waiting.open, "oldest_ms": oldest_ms}
    return found


def _measure(shop: Shop, measure: Measure, now_ms: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for period in ("day", *measure.periods):
        if measure.kind == "reply_rate":
            found[period] = figures.rate(shop, measure.id, period, now_ms)._asdict()
        elif measure.kind == "response_time":
            times = figures.responses(shop, measure.id, period, now_ms)
            found[period] = {
                "count": times.count,
                "sum_ms": times.sum_ms,
                "max_ms": times.max_ms,
                "p50_ms": times.percentile_ms(50),
                "p90_ms": times.percentile_ms(90),
                "p95_ms": times.percentile_ms(95),
            }
        elif figures.window_ms(period) is None:
            orders = figures.orders(shop, measure.id, period, now_ms)
            found[period] = {"count": orders.with_event, "of": orders.of}
    return found


def differences(wanted: Any, got: Any, place: str = "") -> list[str]:
    """Where two figures differ, a line each."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        keys = sorted({*wanted, *got}, key=str)
        return [line for key in keys for line in differences(wanted.get(key), got.get(key), f"{place}/{key}")]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [
            line
            for index, pair in enumerate(zip(wanted, got, strict=True))
            for line in differences(*pair, f"{place}/{index}")
        ]
    return [] if wanted == got else [f"{place}: oracle {wanted!r}, engine {got!r}"]
