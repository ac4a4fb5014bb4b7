"""Figures of a day of shops as slawatch writes them, one of which has a known bad hour. Pure.

``pinduoduo:s1``, from 14:00 to 15:00 of 2026-11-11: of the 40 customers who ask in a half hour 25 are
answered late, 24 of them by agent a1; in any other half hour 1 of 40 is. The line allows one in ten by the
end of the day. A critical alert fires at 14:20 and is over at 15:30. Of ``pinduoduo:s2`` nothing is known
since 15:50: its source is blind. At the pace of ``pinduoduo:s3`` its line is crossed in a day. All others are
well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.sinks.influx_schema import (
    AGENT,
    ALERT,
    DELIVERY,
    LINE,
    MEASURE,
    MS_NS,
    SELF,
    SHOP,
    SOURCE,
    Measurement,
    point,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60_000
MIDNIGHT_MS = 1_794_326_400_000  # 2026-11-11T00:00:00+08:00
SLOT = 30 * MINUTE


def at(hours: float) -> int:
    """A time of the day, epoch milliseconds."""
    return MIDNIGHT_MS + round(hours * 60 * MINUTE)


END_MS = at(16)
ASKED_A_SLOT, LATE_A_SLOT, LATE_IN_BAD = 40, 1, 25
LIMIT, EXPECTED = 0.9, 400  # at least; still expected until the night


class Day:
    """What is counted of a shop until a time; ``bad``: whether it has the bad hour."""

    def __init__(self, now_ms: int, *, bad: bool) -> None:
        slots = list(range(at(9), now_ms, SLOT))  # it opens at nine
        part = [min(1.0, (now_ms - slot) / SLOT) for slot in slots]
        in_bad = [bad and at(14) <= slot < at(15) for slot in slots]
        self.asked = sum(round(ASKED_A_SLOT * share) for share in part)
        self.late = sum(
            round((LATE_IN_BAD if worse else LATE_A_SLOT) * share)
            for share, worse in zip(part, in_bad, strict=True)
        )
        self.late_a1 = self.late - sum(round(share) for share in part) * (1 if bad else 0) if bad else 0
        self.budget = self.asked // 10 - self.late
        self.budget_today = (self.asked + EXPECTED) // 10 - self.late
        self.value = (self.asked - self.late) / self.asked if self.asked else None
        self.crit = bad and at(14 + 1 / 3) <= now_ms < at(15.5)


def _line(measurement: Measurement, tags: tuple[str, ...], at_ms: int, **values: float | str | None) -> str:
    return point(measurement.series(tags), measurement.types(), values, at_ms * MS_NS)


def of_shop(number: int, now_ms: int) -> Iterator[str]:
    """All that is written of a shop at a sample."""
    tags, bad = ("pinduoduo", f"s{number}", "north"), number == 1
    blind = number == 2 and now_ms >= at(15) + 50 * MINUTE
    if blind:
        yield _line(SHOP, tags, now_ms, blind=1, severity=3)
        return
    day = Day(now_ms, bad=bad)
    until = 86_400 if number == 3 else 600 if day.crit else None
    crossed = int(day.value is not None and day.value < LIMIT)
    yield _line(
        SHOP,
        tags,
        now_ms,
        severity=2 if day.crit else 0,
        crossed=crossed,
        waiting=9 if day.crit else 1,
        oldest_wait_ms=400_000 if day.crit else 20_000,
        agents_online=2,
        in_service=1,
        budget_left=day.budget,
        breach_in_s=until,
        at_risk=3 if day.crit else 0,
        name=f"店铺{number}",
        blind=0,
        partial=0,
    )
    shares = {"limit": LIMIT, "value": day.value}
    left = {"budget_left": day.budget, "budget_left_today": day.budget_today, "at_risk": 3 if day.crit else 0}
    yield _line(
        LINE,
        (*tags, "pdd-reply", "reply_rate_3m", "day"),
        now_ms,
        at_least=1,
        asked=day.asked,
        late=day.late,
        expected=EXPECTED,
        breach_in_s=until,
        breach=crossed,
        too_few=0,
        blind=0,
        partial=0,
        **shares,
        **left,
    )
    yield _line(
        MEASURE,
        (*tags, "reply_rate_3m", "day"),
        now_ms,
        value=day.value,
        worst=day.value,
        asked=day.asked,
        late=day.late,
        open=1,
        blind=0,
        partial=0,
    )
    yield _line(
        MEASURE,
        (*tags, "response_time", "day"),
        now_ms,
        asked=day.asked,
        mean_ms=30_000,
        p50_ms=25_000,
        p90_ms=90_000,
        p95_ms=120_000,
        max_ms=400_000,
    )


def of_agents(number: int, now_ms: int) -> Iterator[str]:
    """What two agents of a shop did today."""
    day, tags = Day(now_ms, bad=number == 1), ("pinduoduo", f"s{number}", "north")
    late = {"a1": day.late_a1, "a2": day.late - day.late_a1}
    for agent, misses in late.items():
        names = {"name": f"小{agent}"}
        own = (*tags, agent, "reply_rate_3m")
        yield _line(AGENT, own, now_ms, answered=day.asked // 2 - misses, late=misses, **names)


def of_itself(shops: int, now_ms: int) -> Iterator[str]:
    """What the daemon says of itself and its sources."""
    well = {"ready": 1, "problems": 0, "lag_ms": 0, "spool_points": 12, "spool_age_ms": 900, "dropped": 0}
    yield _line(SELF, ("one", "run"), now_ms, shops=shops, **well)
    yield _line(SOURCE, ("erp",), now_ms, blind=0, heard_ms=now_ms - 4_000)
    yield _line(
        SOURCE, ("second",), now_ms, blind=int(now_ms >= at(15) + 50 * MINUTE), heard_ms=at(15) + 45 * MINUTE
    )


def told() -> Iterator[str]:
    """The alert of the bad hour, and how it was delivered."""
    tags = ("pinduoduo", "s1", "north", "", "pdd-reply-drift")
    words = {
        "text": "回复率告急",
        "condition": "budget_left_today 3 <= 3",
        "verdict": "crit",
        "reason": "crit",
    }
    changes = ((at(14 + 1 / 3), 2, "ok", "firing", 3), (at(15.5), 0, "firing", "ok", -7))
    for at_ms, severity, before, after, left in changes:
        states = {"severity": severity, "from_state": before, "to_state": after, "budget_left": left}
        yield _line(ALERT, tags, at_ms, shadow=0, after_the_fact=0, asked=400, late=30, **states, **words)
    sent = ((0, "rate_limited", 300), (2_000, "ok", 2_100), (at(15.5) - at(14 + 1 / 3), "ok", 800))
    for later_ms, result, took_ms in sent:
        when = at(14 + 1 / 3) + later_ms
        yield _line(DELIVERY, ("wecom", result), when, count=1, alerts=1, took_ms=took_ms)


def day_of(shops: int) -> Iterator[str]:
    """Lines of the whole day: s1 each 10 s, others each minute, all of them in the last five each 10 s."""
    for number in range(1, shops + 1):
        for now_ms in range(at(9), END_MS + 1, 10_000):
            often = number == 1 or now_ms > END_MS - 5 * MINUTE
            if often or now_ms % MINUTE == 0:
                yield from of_shop(number, now_ms)
            if now_ms % MINUTE == 0:
                yield from of_agents(number, now_ms)
    for now_ms in range(at(9), END_MS + 1, 10_000):
        yield from of_itself(shops, now_ms)
    yield from told()
