"""Shops of some minutes, and rules made for them: they compare a figure with what it comes to later on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.engine.events import Event
from monitor.shard.readings import PageReading
from rules.figures import ANY, COUNT, FIGURES, FLAG, ORDERS, RATE, SECONDS, SHARE, TIME, TIMES, pair_of
from rules.load import load_pack
from rules.pack import Limit, Text
from rules.rule import All, Compare, Level, Rule
from rules.rule import Any as AnyOf

if TYPE_CHECKING:
    import random

    from monitor.engine.shop import Shop
    from monitor.shard.shard import Shard
    from rules.figures import Figure
    from rules.pack import Pack
    from rules.rule import Condition

MINUTE_MS = 60_000
MORNING_MS = 1_794_355_200_000  # 08:00 in Shanghai
OPS = ("<", "<", "<=", "<=", ">", ">=", "==", "!=")
PACK = """
pack: {name}
version: "1"
timezone: {zone}
service_hours: {hours}
profile: {profile}
measures:
  by_customer:
    {{title: 甲, kind: reply_rate, within: 30s, unit: customer_day, {late_if} periods: [5m, 1h, 7d]}}
  by_message: {{title: 乙, kind: reply_rate, within: 3m, unit: message, periods: [15m]}}
  times: {{title: 丙, kind: response_time, periods: [5m]}}
  stepped_in: {{title: 丁, kind: order_rate, periods: [7d]}}
lines:
  - {{id: day, measure: by_customer, period: day, at_least: 70%, min_count: {least}}}
  - {{id: messages, measure: by_message, period: day, at_least: 60%}}
  - {{id: week, measure: by_customer, period: 7d, at_least: 80%}}
  - {{id: window, measure: by_message, period: 15m, at_least: 80%}}
  - {{id: orders, measure: stepped_in, period: 7d, at_most: 20%}}
"""
AIMS = (  # line, measure, period, kind
    *[("day", "by_customer", "day", RATE)] * 3,
    *[("messages", "by_message", "day", RATE)] * 2,
    *[("week", "by_customer", "7d", RATE)] * 2,
    ("window", "by_message", "15m", RATE),
    ("orders", "stepped_in", "7d", ORDERS),
    ("", "by_customer", "5m", RATE),
    ("", "by_message", "day", RATE),
    ("", "times", "day", TIMES),
    ("", "times", "5m", TIMES),
    ("", "", "day", ANY),
)


def a_pack(rng: random.Random, name: str = "pdd", zone: str = "Asia/Shanghai") -> Pack:
    """A pack of random service hours, traffic and units."""
    hours = rng.choice(['["00:00-24:00"]', '["08:00-10:00", "20:00-24:00"]', '["08:10-23:00"]'])
    late_if = rng.choice(["", "late_if: first_round,"])
    profile = rng.choice([[1] * 48, [0] * 16 + [3, 1] * 16, [0] * 17 + [1] * 2 + [0] * 20 + [9] * 9])
    fields = {"hours": hours, "late_if": late_if, "profile": profile, "least": rng.choice([1, 6])}
    return load_pack(text=PACK.format(name=name, zone=zone, **fields))


def events(
    rng: random.Random, start_ms: int, platform: str = "pdd", shop_id: str = "A"
) -> list[tuple[int, Event]]:
    """Some minutes of a shop: most is answered, some of it late, and some is dated ahead of the clock."""
    found = []
    for number in range(rng.choice([3, 10, 40])):
        arrival_ms = start_ms + rng.randrange(rng.choice([60_000, 600_000]))
        at = arrival_ms + rng.choice([0, 0, 0, -20_000, 120_000, 200_000, 280_000])
        event = Event(type="message", id=f"{start_ms}-{number}", at=at, platform=platform, shop_id=shop_id)
        kind = rng.random()
        if kind < 0.9:
            event.conversation_id = f"c{rng.randrange(6)}"
            event.customer_id = f"u{event.conversation_id}"
            event.actor = rng.choice(["customer", "agent"])
            event.agent_id = "x" if event.actor == "agent" else ""
        elif kind < 0.95:
            event.type, event.order_id = rng.choice(["order", "dispute"]), f"o{rng.randrange(3)}"
            event.action = "paid" if event.type == "order" else "opened"
        else:
            event.type, event.agent_id, event.action = "agent", "x", rng.choice(["online", "offline"])
        found.append((arrival_ms, event))
    return sorted(found, key=lambda pair: pair[0])


def seconds_until(now_ms: int, end_ms: int) -> list[int]:
    """Whole seconds that come: all of a minute, where a bucket begins for an hour, then some of each hour."""
    near = [*range(1, 60), *range(60, 3_600, 5), *range(3_600, 86_400, 570)]
    return [at_ms for second in near if (at_ms := now_ms + second * 1_000) < end_ms]


def compare(rng: random.Random, figure: Figure, reading: PageReading, limit: Limit) -> Compare:
    """A comparison with what a figure comes to in a reading of a later second, or with a little beside it."""
    op, beside = rng.choice(OPS), rng.choice([0, 0, 1, -1])
    if figure.item:
        return Compare(
            figure.name, op, (rng.choice([10_000, 20_000, 60_000]), 1) if figure.type != FLAG else (1, 1), ""
        )
    if figure.type == SHARE:
        of, per = pair_of(figure, reading.measure.kind if reading.measure else "", limit)(reading) or (1, 2)
        return Compare(figure.name, op, (max(of, 0), max(per, 1)), "")
    assert figure.number is not None
    value = figure.number(limit)(reading) or 0
    step = {COUNT: 1, TIME: MINUTE_MS, SECONDS: 1_000, FLAG: 0}[figure.type]
    return Compare(figure.name, "==" if figure.type == FLAG else op, (value + beside * step, 1), "")


def figures_for(kind: str, each: str, line: str, period: str) -> list[Figure]:
    """Those that a rule on a measure of a kind, on each of something, may compare."""
    return [
        one
        for one in FIGURES.values()
        if kind in one.kinds
        and each in one.each
        and (line or not one.line)
        and (period == "day" or not one.day)
    ]


def a_rule(rng: random.Random, shard: Shard, shop: Shop, seconds: list[int]) -> Rule:
    """A rule on some figures of the shop, that could hold at one of the seconds."""
    pack = shard.plan.packs[shop.platform][0]
    line, measure, period, kind = rng.choice(AIMS)
    each = "conversation" if kind == RATE and rng.random() < 0.3 else "shop"
    limit = Limit.of_line(pack.lines[line]) if line else Limit(0, 1)
    day = shop.day_number(shard.now_ms)
    sums = shard.book.sums(pack)
    reading = PageReading(shop, pack.measures.get(measure), period, sums, rng.choice(seconds), day)
    figures = figures_for(kind, each, line, period)
    often = [one for one in figures if one.item or one.name == "breach_in"]  # those that move by seconds

    def condition() -> Condition:
        chosen = [
            rng.choice(rng.choice([figures, often or figures])) for _ in range(rng.choice([1, 1, 2, 3]))
        ]
        parts = tuple(compare(rng, one, reading, limit) for one in chosen)
        if kind == RATE and reading.late and rng.random() < 0.5:
            parts += (Compare("late", ">=", (1, 1), ">= 1"),)
        return parts[0] if len(parts) == 1 else rng.choice([All, All, AnyOf])(parts)

    crit = Level(condition()) if rng.random() < 0.3 else None
    during = rng.choice(["", "", "service_hours"])
    warn = Level(condition(), during=during, min_count=rng.choice([0, 0, 2]))
    return Rule(
        "r",
        Text("r"),
        line=line,
        measure="" if line else measure,
        period=period,
        each=each,
        warn=warn,
        crit=crit,
    )
