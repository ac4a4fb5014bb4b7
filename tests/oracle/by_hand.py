"""One shop told what happens in words, for figures of the oracle that were computed by hand."""

from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.engine.events import Event
from rules.pack import Measure, Pack, Span, Text
from tests.oracle.naive import Oracle

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = 3_600_000
MINUTE = 60_000
DAY = "2026-11-11"
NEXT = "2026-11-12"
HOURS_8_23 = (Span(8 * HOUR, 23 * HOUR),)
ALL_DAY = (Span(0, 24 * HOUR),)


def ms(clock: str, day: str = DAY) -> int:
    """`10:10:15` or `10:10:15.250` in Shanghai, as epoch milliseconds."""
    hms, _, fraction = clock.partition(".")
    base = datetime.fromisoformat(f"{day}T{hms}").replace(tzinfo=SHANGHAI)
    return int(base.timestamp()) * 1000 + int(fraction or 0)


def rate(**changes) -> Measure:
    given = {"id": "rate", "title": Text("率"), "kind": "reply_rate", "within_ms": 180_000}
    return Measure(**(given | changes))


def pack(*measures: Measure, hours=HOURS_8_23, **changes) -> Pack:
    given = {"id": "pinduoduo", "version": "1", "timezone": "Asia/Shanghai", "service_hours": hours}
    return Pack(**(given | {"measures": {m.id: m for m in measures}} | changes))


class Shop:
    """One shop told what happens in words; arrival is the time itself unless said."""

    def __init__(self, *packs: Pack, platform="pinduoduo", **oracle) -> None:
        self.oracle = Oracle({"pinduoduo": packs}, **oracle)
        self.platform = platform
        self.numbers = itertools.count(1)

    def tell(self, clock: str, type_="message", *, day=DAY, arrives=None, **fields) -> str:
        at = ms(clock, day)
        given = {"id": str(next(self.numbers)), "platform": self.platform, "shop_id": "s1"}
        if type_ in ("message", "conversation"):
            given["conversation_id"] = "c1"
        event = Event(type=type_, at=at, **(given | fields))
        return self.oracle.feed(event, at if arrives is None else arrives)

    def asks(self, clock: str, customer="", **fields) -> str:
        return self.tell(clock, actor="customer", customer_id=customer, **fields)

    def answers(self, clock: str, actor="agent", **fields) -> str:
        return self.tell(clock, actor=actor, **fields)

    def does(self, clock: str, action: str, **fields) -> str:
        return self.tell(clock, "conversation", action=action, **fields)

    def figures(self, clock="23:59:59", day=DAY):
        (shop,) = self.oracle.figures(ms(clock, day))["shops"]
        return shop

    def counts(self, clock="23:59:59", day=DAY, period="day", measure="rate"):
        found = self.figures(clock, day)["measures"][measure][period]
        return found["asked"], found["late"], found["open"]


def pdd(**changes) -> Shop:
    return Shop(pack(rate(**({"unit": "customer_day", "counts": "human_stage"} | changes))))


def taobao(**changes) -> Shop:
    return Shop(pack(rate(**({"answered_by": ("agent", "assist")} | changes))))
