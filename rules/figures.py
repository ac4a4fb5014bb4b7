"""The one table of what a rule can compare.

The reader of rules, "did you mean", the lints, the judge and the docs are made from it: a figure added
here is known everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rules import budget
from rules.pack import Limit, Text
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.reading import Reading
    from rules.transition import Item

# A figure's value: a count or milliseconds; a pair for a share; None while it has no value.
Number = int | None
Pair = tuple[int, int] | None

COUNT, SHARE, TIME, SECONDS, FLAG = "count", "share", "time", "seconds", "flag"

ANY: Final = ""  # a rule with neither line nor measure
RATE, TIMES, WAITING, ORDERS = "reply_rate", "response_time", "waiting", "order_rate"
_LIVE: Final = (ANY, RATE, WAITING)
_EVERY: Final = ("shop", "conversation", *OVER_SHOPS)


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparable figure.

    ``kinds``: measures it exists for ("" is a rule without one). ``derived``: how it comes from a Reading.
    ``number`` or ``pair`` or ``item`` makes the function that reads it.
    """

    name: str
    type: str  # count | share | time | seconds | flag
    title: Text
    derived: str
    kinds: tuple[str, ...]
    each: tuple[str, ...] = ("shop", "conversation", "team", "platform")
    line: bool = False  # only where the rule names a line
    day: bool = False  # only over the period day
    without_miss: bool = False  # of the budget, yet can look bad although nobody was answered late
    cost: int = 1  # cheap ones are compared first: 0 an attribute, 1 arithmetic, 2 more
    lowest: int | None = 0  # no value is below
    number: Callable[[Limit], Callable[[Reading], Number]] | None = None
    pair: Callable[[Limit], Callable[[Reading], Pair]] | None = None
    item: Callable[[Reading, Item], int] | None = None


def _plain(read: Callable[[Reading], Number]) -> Callable[[Limit], Callable[[Reading], Number]]:
    return lambda _limit: read


def _budget_left(limit: Limit) -> Callable[[Reading], Number]:
    of, per = limit.of, limit.per
    return lambda r: r.asked * of // per - r.late


def _budget_left_today(limit: Limit) -> Callable[[Reading], Number]:
    of, per = limit.of, limit.per
    return lambda r: (r.asked + r.expected) * of // per - r.late


def _breach_in(limit: Limit) -> Callable[[Reading], Number]:
    def read(r: Reading) -> Number:
        minutes = budget.breach_in_minutes(r.asked, r.late, r.newly_asked, r.newly_late, limit)
        return None if minutes is None else minutes * 60_000

    return read


def _breach_if_lost(limit: Limit) -> Callable[[Reading], Number]:
    return lambda r: int(budget.breach_if_lost(r.asked, r.late, r.at_risk, limit))


def _required_rate(limit: Limit) -> Callable[[Reading], Pair]:
    return lambda r: budget.required_rate(r.asked, r.late, r.expected, limit)


def _value(_limit: Limit) -> Callable[[Reading], Pair]:
    return lambda r: (r.asked - r.late, r.asked) if r.asked else None


def _event_rate(_limit: Limit) -> Callable[[Reading], Pair]:
    return lambda r: (r.late, r.asked) if r.asked else None


def _worst(_limit: Limit) -> Callable[[Reading], Pair]:
    return lambda r: (r.asked - r.late - r.open, r.asked) if r.asked else None


def _oldest_wait(_limit: Limit) -> Callable[[Reading], Number]:
    return lambda r: r.oldest_wait_ms or 0


def _seconds_left(r: Reading, item: Item) -> int:
    return item.deadline_ms - r.now_ms


def _wait(r: Reading, item: Item) -> int:
    return r.now_ms - item.ask_ms


def _costs_budget(_r: Reading, item: Item) -> int:
    return int(item.costs_budget)


_TABLE: Final = (
    Figure("value", SHARE,
           Text("当前值", "the rate now"),
           "(asked − late) / asked; order_rate: late / asked", (RATE, ORDERS), pair=_value),
    Figure("worst", SHARE,
           Text("最差值：未回的都算超时", "the rate if every open unit is lost"),
           "(asked − late − open) / asked", (RATE,), without_miss=True, pair=_worst),
    Figure("late", COUNT,
           Text("已超时的单位数（订单类：出事的订单数）", "units late (orders: those with the event)"),
           "late", (RATE, ORDERS), each=_EVERY, cost=0, number=_plain(lambda r: r.late)),
    Figure("open", COUNT,
           Text("还在等、仍可能超时的单位数", "units that could still become late"),
           "open", (RATE,), cost=0, number=_plain(lambda r: r.open)),
    Figure("asked", COUNT,
           Text("咨询单位数（订单：成团；时长：已回轮次）", "units asked (orders formed; rounds answered)"),
           "asked", (RATE, TIMES, ORDERS), each=_EVERY, cost=0, number=_plain(lambda r: r.asked)),
    Figure("budget_left", COUNT,
           Text("余量：按已来的咨询还可漏几个", "misses still allowed among those who asked so far"),
           "⌊N·(Q−P)/Q⌋ − L", (RATE, ORDERS), line=True, without_miss=True, lowest=None, number=_budget_left),
    Figure("budget_left_today", COUNT,
           Text("余量：按预测到今晚还可漏几个", "misses still allowed by tonight's forecast"),
           "⌊(N+R)·(Q−P)/Q⌋ − L", (RATE, ORDERS), line=True, without_miss=True, lowest=None,
           number=_budget_left_today),
    Figure("breach_in", TIME,
           Text("照近 30 分钟的速度多久破线", "time to the line at the pace of the last 30 minutes"),
           "⌈(budget_left+1) / (m − a(1−p))⌉ min", (RATE,), line=True, number=_breach_in),
    Figure("required_rate", SHARE,
           Text("今天剩下的咨询要达到的比例", "the rate that the rest of the day must reach"),
           "(p(N+R) − (N−L)) / R", (RATE,), line=True, day=True, without_miss=True, lowest=None,
           pair=_required_rate),
    Figure("breach_if_lost", FLAG,
           Text("等待中的全丢就会破线", "losing all that is at risk would cross the line"),
           "at_risk > budget_left", (RATE,), line=True, without_miss=True, number=_breach_if_lost),
    Figure("at_risk", COUNT,
           Text("丢了会耗余量的等待中单位数", "open units that would cost budget"),
           "at_risk", (RATE,), cost=0, number=_plain(lambda r: r.at_risk)),
    Figure("seconds_left", SECONDS,
           Text("离超时还剩几秒（已过时限的不算）", "seconds to the deadline, once not yet passed"),
           "deadline − now", (RATE,), each=("conversation",), item=_seconds_left),
    Figure("wait", TIME,
           Text("这个会话已等多久", "how long this conversation has waited"),
           "now − ask", (RATE,), each=("conversation",), item=_wait),
    Figure("costs_budget", FLAG,
           Text("丢了会耗余量（今天还没丢过）", "a miss would cost budget"),
           "costs_budget", (RATE,), each=("conversation",), item=_costs_budget),
    Figure("oldest_wait", TIME,
           Text("最久的等待", "the oldest wait; 0 when nobody waits"),
           "oldest_wait", _LIVE, number=_oldest_wait),
    Figure("waiting", COUNT,
           Text("现在无人回的轮次数", "rounds unanswered now"),
           "waiting", _LIVE, cost=0, number=_plain(lambda r: r.waiting)),
    Figure("mean", TIME,
           Text("平均响应时长", "mean response time"),
           "sum / count", (TIMES,),
           number=_plain(lambda r: r.mean_ms)),
    Figure("p50", TIME,
           Text("响应时长中位数", "median response time"),
           "histogram", (TIMES,),
           cost=2, number=_plain(lambda r: r.p50_ms)),
    Figure("p90", TIME,
           Text("响应时长 90 分位", "90th percentile of response time"),
           "histogram", (TIMES,),
           cost=2, number=_plain(lambda r: r.p90_ms)),
    Figure("p95", TIME,
           Text("响应时长 95 分位", "95th percentile of response time"),
           "histogram", (TIMES,),
           cost=2, number=_plain(lambda r: r.p95_ms)),
    Figure("max", TIME,
           Text("最长响应时长", "longest response time"),
           "max", (TIMES,),
           number=_plain(lambda r: r.max_ms)),
    Figure("agents_online", COUNT,
           Text("在线客服数；从未收到客服状态则无值", "agents online; no value before any agent event"),
           "agents_online", (ANY, RATE, TIMES, WAITING, ORDERS), cost=0,
           number=_plain(lambda r: r.agents_online)),
)  # fmt: skip

FIGURES: Final[dict[str, Figure]] = {figure.name: figure for figure in _TABLE}

LATER: Final = frozenset({"breach_probability", "burn", "expected_loss"})  # named in the design, not yet kept

EXAMPLES: Final = {
    COUNT: '"<= 10"',
    SHARE: '"< 92%"',
    TIME: '"<= 20m"',
    SECONDS: '"<= 80"',
    FLAG: "true or false",
}


def pair_of(figure: Figure, kind: str, limit: Limit) -> Callable[[Reading], Pair]:
    """The function that reads a share; an order rate counts what went wrong, a reply rate what went well."""
    assert figure.pair is not None, figure.name
    return _event_rate(limit) if figure.name == "value" and kind == ORDERS else figure.pair(limit)
