"""Every query of the dashboards over 30 days of 1,000 shops, on a real InfluxDB.

One shop is written each 10 s for all of the time, as the daemon does: its histories are asked for. Others, of
which a board shows only what is now, are written each 10 s in the last ten minutes, and each 30 minutes
before. Alerts, deliveries, sources and the daemon itself are written as often as they come. Variables and
annotations are asked with the rest; the time of a query is the better of two, from request to last row.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.table import Row, measure_and_print
from monitor.sinks.influx_schema import AGENT, ALERT, DELIVERY, LINE, MEASURE, SELF, SHOP, SOURCE, point
from tests.dashboards.as_grafana import filled_in, questions
from tests.servers.influx import InfluxServer, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.sinks.influx_schema import Measurement

SHOPS, DAYS, WITHIN_S = 1_000, 30, 1.0
END_MS = 1_794_384_000_000  # 2026-11-11T16:00:00+08:00
DAY_MS, OFTEN_MS, SELDOM_MS, RECENT_MS = 86_400_000, 10_000, 1_800_000, 600_000
BATCH, VARIANTS = 20_000, 97


class Boards(NamedTuple):
    """What was seeded, and the slowest query of each board: its time and what asks it."""

    points: int
    seeded_s: float
    slowest: dict[str, tuple[float, str]]


def rows(shops: int = SHOPS, days: int = DAYS) -> list[Row]:
    """Seed, ask, and tell the slowest query of each board."""
    if why := missing():
        raise SystemExit(why)
    with InfluxServer() as server:
        found = ask_all(server, shops, days)
    size = f"{days} days of {shops} shops, {found.points:,} points (written in {found.seeded_s:.0f} s)"
    bar = f"≤ {WITHIN_S:.0f} s" if (shops, days) == (SHOPS, DAYS) else ""
    return [
        Row(f"{size}: {board}", f"{took_s:.2f} s: {of}", "", bar, took_s <= WITHIN_S if bar else None)
        for board, (took_s, of) in found.slowest.items()
    ]


def ask_all(
    server: InfluxServer, shops: int, days: int, now_s: Callable[[], float] = time.perf_counter
) -> Boards:
    """Seed a bucket, and ask every query of every board over all of its time; ``now_s`` times each."""
    bucket, points, began_s = server.new_bucket(), 0, time.perf_counter()
    lines = history(shops, days)
    while batch := list(islice(lines, BATCH)):
        server.write(bucket, batch)
        points += len(batch)
    seeded_s = time.perf_counter() - began_s
    slowest: dict[str, tuple[float, str]] = {}
    for question in questions():
        flux = filled_in(question.query, bucket.name, END_MS - days * DAY_MS, END_MS)
        took_s = min(_asked(server, flux, now_s), _asked(server, flux, now_s))
        slowest[question.board] = max(slowest.get(question.board, (0.0, "")), (took_s, question.of))
        print(f"{took_s * 1_000:7.0f} ms  {question.name}")
    return Boards(points, seeded_s, slowest)


def _asked(server: InfluxServer, flux: str, now_s: Callable[[], float]) -> float:
    began_s = now_s()
    server.query(flux)
    return now_s() - began_s


def history(shops: int, days: int) -> Iterator[str]:
    """All lines, a series after the other."""
    begin_ms = END_MS - days * DAY_MS
    often = range(begin_ms, END_MS, OFTEN_MS)
    for number in range(1, shops + 1):
        seldom = [
            *range(begin_ms, END_MS - RECENT_MS, SELDOM_MS),
            *range(END_MS - RECENT_MS, END_MS, OFTEN_MS),
        ]
        for measurement, tags in _of_shop(number):
            yield from _series(measurement, tags, often if number == 1 else seldom, number)
        fired = range(begin_ms + number * 1_000, END_MS, DAY_MS // 6)  # three alerts a day: begin and end
        yield from _series(ALERT, ("pinduoduo", f"s{number}", "", "", f"rule-{number % 8}"), fired, number)
    yield from _series(SELF, ("one", "run"), often, 1)
    yield from _series(SOURCE, ("erp",), often, 1)
    for result, every_ms in (("ok", DAY_MS // 3_000), ("rate_limited", DAY_MS // 100)):
        yield from _series(DELIVERY, ("wecom", result), range(begin_ms, END_MS, every_ms), 1)


def _of_shop(number: int) -> Iterator[tuple[Measurement, tuple[str, ...]]]:
    tags = ("pinduoduo", f"s{number}", "north")
    yield SHOP, tags
    for line, measure, period in (
        ("pdd-reply", "reply_rate_3m", "day"),
        ("pdd-reply-90", "reply_rate_3m", "30d"),
        ("pdd-intervention", "intervention_rate", "30d"),
    ):
        yield LINE, (*tags, line, measure, period)
    for measure, period in (("reply_rate_3m", "day"), ("reply_rate_3m", "30d"), ("response_time", "day")):
        yield MEASURE, (*tags, measure, period)
    for agent in range(4):
        yield AGENT, (*tags, f"a{agent}", "reply_rate_3m")


def _series(
    measurement: Measurement, tags: tuple[str, ...], times: range | list[int], seed: int
) -> Iterator[str]:
    """Points of one series, their values drawn from a few that differ."""
    series, types = measurement.series(tags), measurement.types()
    ends = [point(series, types, _values(measurement, seed, n), 0)[:-1] for n in range(VARIANTS)]
    for n, at_ms in enumerate(times):
        yield f"{ends[n % VARIANTS]}{at_ms}000000"


def _values(measurement: Measurement, seed: int, n: int) -> dict[str, int | float | str]:
    found: dict[str, int | float | str] = {}
    for place, field in enumerate(measurement.fields):
        some = (seed * 31 + n * 17 + place * 7) % 1_000
        if field.type == "text":
            found[field.name] = "firing" if field.name == "to_state" else f"text {some % 5}"
        elif field.type == "float":
            found[field.name] = some / 1_000
        else:
            found[field.name] = some % (3 if field.name == "severity" else 2 if not field.unit else 500)
    return found


if __name__ == "__main__":
    measure_and_print(__doc__, rows, shops=SHOPS, days=DAYS)
