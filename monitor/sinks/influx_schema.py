"""What is written to InfluxDB: every measurement, tag and field, with its type, in one place. Pure.

Dashboards, documents and tests are made from these tables. A field has one type for ever (InfluxDB refuses
another), flags are integers 0 and 1, what is not known is left out, and every point has its own time in
nanoseconds, so that a point that is sent twice is one point. No tag and no field names a customer or a
conversation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from sys import intern
from typing import TYPE_CHECKING, Final

from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INT, TEXT = "int", "text"  # else "float"; compared by identity: a point has a dozen fields
Value = int | float | str | None
MS_NS: Final = 1_000_000
SEVERITY: Final = {"ok": 0, "warn": 1, "crit": 2, "unknown": 3}  # 3: nothing is known, never green
_SPECIAL = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\\]")  # a line break ends a point, a backslash escapes what follows
_TEXT_LETTERS = 500  # a longer text is cut


@dataclass(frozen=True, slots=True)
class Field:
    """A figure of a point: its type, unit and meaning."""

    name: str
    type: str
    meaning: Text
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of points. ``tags``: name → meaning, in the order in which their values are given."""

    name: str
    written: Text
    tags: dict[str, Text]
    fields: tuple[Field, ...]

    def series(self, values: Sequence[str]) -> str:
        """Measurement and tags as line protocol; an empty value leaves its tag out.

        Args:
            values: One for each of ``tags``, in their order.
        """
        tags = zip(self.tags, values, strict=True)
        return self.name + "".join(f",{tag}={tag_text(value)}" for tag, value in tags if value)

    def types(self) -> dict[str, str]:
        """Field → type."""
        return {field.name: field.type for field in self.fields}


def tag_text(value: str) -> str:
    """A tag's value, escaped."""
    return _UNWRITABLE.sub("_", value).translate(_SPECIAL)


def point(series: str, types: Mapping[str, str], values: Mapping[str, Value], ns: int) -> str:
    """One line of line protocol; empty where no field has a value.

    Args:
        series: Of ``Measurement.series``.
        types: Of ``Measurement.types``.
        values: Field → value; None is left out.
        ns: Nanoseconds since the epoch.

    Raises:
        KeyError: The measurement has no such field.
    """
    fields = []
    for name, value in values.items():
        kind = types[name]
        if value is None:
            continue
        if kind is INT:
            fields.append(f"{name}={value}i" if type(value) is int else f"{name}={int(value)}i")
        elif kind is TEXT:
            text = _UNWRITABLE.sub("_", str(value)[:_TEXT_LETTERS]).replace('"', r"\"")
            fields.append(f'{name}="{text}"')
        elif isfinite(number := float(value)):
            fields.append(f"{name}={number!r}")
    return f"{series} {','.join(fields)} {ns}" if fields else ""


def _read(table: str) -> list[tuple[list[str], Text]]:
    """Rows of ``words | zh | en``."""
    rows = [[part.strip() for part in row.split("|")] for row in table.splitlines() if row.strip()]
    return [(words.split(), Text(zh, en)) for words, zh, en in rows]


def _measurement(name: str, written: Text, tags: str, fields: str) -> Measurement:
    """A measurement of two tables: ``tag | zh | en``, and ``field type [unit] | zh | en``."""
    return Measurement(
        name,
        written,
        {words[0]: text for words, text in _read(tags)},
        tuple(Field(words[0], intern(words[1]), text, "".join(words[2:])) for words, text in _read(fields)),
    )


_SAMPLED = Text("每次采样，时间是分片时钟的整秒", "at each sample, at the whole second of the shard's clock")
_OF_SHOP = """
platform | 平台 | platform
shop | 店铺 ID | the shop's id
team | 负责的小组，shops.yaml 里有才写 | the team that answers for it, where shops.yaml names one
"""
_MEASURE = "measure | 指标 | the measure\n"
_PERIOD = "period | 周期：day 7d 30d 或窗口 | the period: day, 7d, 30d or a window\n"
_KNOWN = """
blind int | 1：来源失联，其余字段不写 | 1: a source is blind; other figures are left out
partial int | 1：数据不满整个周期 | 1: not complete for the whole period
"""

SHOP: Final = _measurement(
    "sla_shop",
    _SAMPLED,
    _OF_SHOP,
    """
severity int | 0 正常 1 警告 2 严重 3 不可知 | the worst alert that fires: 0 none 1 warn 2 crit; 3 blind
crossed int | 1：至少一条红线已越过 | 1: at least one line is crossed
waiting int rounds | 正在等待回复的轮次 | rounds that wait for an answer
oldest_wait_ms int ms | 最久的等待，没有人等为 0 | the longest of these waits, 0 while nobody waits
agents_online int agents | 在线客服，从未见过客服事件不写 | agents online, where agent events were ever seen
in_service int | 1：在考核时段内 | 1: in service hours
budget_left int units | 各红线里最小的余量 | the least budget left of its lines
breach_in_s int s | 最早多久越线，不会越线不写 | until the first line is crossed at this pace, if any is
at_risk int units | 各红线里处于风险的单位，取最大 | units at risk, the most of its lines
name text | 店铺名称 | what people call the shop
"""
    + _KNOWN,
)

LINE: Final = _measurement(
    "sla_line",
    _SAMPLED,
    _OF_SHOP + "line | 红线 | the line's id\n" + _MEASURE + _PERIOD,
    """
limit float share | 红线本身，0–1，改动留下历史 | the line itself, 0–1; its changes are seen in history
at_least int | 1：不得低于红线；0：不得高于 | 1: must not fall below the line, 0: not rise above
value float share | 当前值，0–1 | the value now, 0–1
asked int units | 咨询单位（订单类：成团订单） | units asked (order rates: orders formed)
late int units | 超时单位（订单类：出事的） | units late (order rates: with the event)
at_risk int units | 还开着、丢了就扣余量的单位 | open units, each of which costs budget when it is lost
expected int units | 今天预计还会来的单位 | units still expected today
budget_left int units | 余量：现在还能错多少，人数不足则不写 | misses still allowed now; none below min_count
budget_left_today int units | 到今晚的余量 | misses still allowed by the end of the day
breach_in_s int s | 按近 30 分钟多久越线，不会则不写 | until the line is crossed at this pace, if it is
breach int | 1：红线已越过 | 1: the line is crossed
too_few int | 1：还不到红线的最少单位数 | 1: fewer units than the line's minimum count
"""
    + _KNOWN,
)

MEASURE: Final = _measurement(
    "sla_measure",
    _SAMPLED,
    _OF_SHOP + _MEASURE + _PERIOD,
    """
value float share | 当前值，0–1（比率类） | the value now, 0–1 (rates)
worst float share | 未回的都算超时时的值 | the value if every open unit is lost
asked int units | 咨询单位；成团订单；已回轮次 | units asked; orders formed; rounds answered
late int units | 超时单位；出事的订单 | units late; orders with the event
open int units | 还在等、仍可能超时的单位 | units that could still become late
mean_ms int ms | 平均响应时长 | mean response time
p50_ms int ms | 响应时长中位数 | its median
p90_ms int ms | 九成不超过的响应时长 | what nine of ten are within
p95_ms int ms | 95% 不超过的响应时长 | what nineteen of twenty are within
max_ms int ms | 最长的响应时长 | the longest
"""
    + _KNOWN,
)

AGENT: Final = _measurement(
    "sla_agent",
    Text("每分钟，时间是分片时钟的整秒", "each minute, at the whole second of the shard's clock"),
    _OF_SHOP + "agent | 客服 ID | the agent's id\n" + _MEASURE,
    """
answered int units | 今天记在其名下的回复 | answers credited to the agent today
late int units | 今天记在其名下的超时 | misses blamed on the agent today
name text | 客服姓名，people.yaml 里有才不同于 ID | the agent's name, of people.yaml; else the id
""",
)

SOURCE: Final = _measurement(
    "sla_source",
    _SAMPLED,
    "source | 来源 | the source",
    """
blind int | 1：来源失联 | 1: the source is blind
heard_ms int ms | 最近一次听到它的时刻，从未为 0 | when it was last heard (epoch), 0: never
""",
)

ALERT: Final = _measurement(
    "sla_alert",
    Text("每次告警状态变化，时间是变化的那一秒", "at each change of an alert's state, at its second"),
    _OF_SHOP + "source | 来源，来源类告警才有 | the source, of an alert on a source\nrule | 规则 | the rule",
    """
severity int | 0 已结束 1 警告 2 严重 | 0 over, 1 warn, 2 crit
from_state text | 之前的状态 | the state before
to_state text | 之后：pending firing holding ok ended | the state after: pending firing holding ok ended
verdict text | 当时的判定 | the verdict then
reason text | 原因代码 | the reason's code
text text | 规则的标题，供标注使用 | the rule's title, for annotations
condition text | 起决定作用的比较 | the comparison that decided
since_ms int ms | 从何时开始告警，尚未开始为 0 | since when it fires (epoch), 0: not yet
asked int units | 当时的咨询单位 | units asked then
late int units | 当时的超时单位 | units late then
budget_left int units | 当时的余量 | misses still allowed then
shadow int | 1：影子规则，不通知 | 1: a shadow rule, nobody is told
after_the_fact int | 1：补数据后才知道 | 1: known only after a backfill
""",
)

DELIVERY: Final = _measurement(
    "sla_delivery",
    Text("每条消息，时间是渠道应答的时刻", "at each message, when its channel had answered"),
    """
account | 渠道账号 | the channel's account
result | 结果：ok rate_limited transient … | what became of it: ok rate_limited transient …
""",
    """
count int messages | 消息数，恒为 1 | messages, always 1
alerts int alerts | 消息里的告警数 | alerts that it told of
took_ms int ms | 从状态变化到应答，最久的一条 | from the transition to the answer, the longest of them
""",
)

SELF: Final = _measurement(
    "sla_self",
    _SAMPLED,
    """
instance | 进程：主机名或 kafka.instance | the process: the host's name, or kafka.instance
role | run worker desk | run, worker or desk
""",
    """
ready int | 1：/readyz 正常 | 1: /readyz is well
problems int problems | 正在报告的问题数 | problems it reports
lag_ms int ms | 分片时钟落后多少 | how far the shards' clock is behind
shops int shops | 状态里的店铺数 | shops in state
spool_points int points | InfluxDB 还没收下的点数 | points that InfluxDB has not taken yet
spool_age_ms int ms | 其中最老的有多久 | the age of the oldest of them
dropped int points | 启动以来丢弃的点数 | points dropped since the start
""",
)

MEASUREMENTS: Final = (SHOP, LINE, MEASURE, AGENT, SOURCE, ALERT, DELIVERY, SELF)
