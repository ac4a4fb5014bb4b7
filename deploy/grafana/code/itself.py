"""Whether slawatch itself is well: the board to look at when another shows NO DATA."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.grafana.code import flux
from deploy.grafana.code.house import AMBER, GREEN, MORE_IS_WORSE, RED, board, course, number, rows, states
from deploy.grafana.code.shades import CALM, FLAG, READY, STALE
from monitor.sinks.influx_schema import SELF, SOURCE

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard


def itself() -> Dashboard:
    """Whether slawatch itself is well: the board to look at when another shows NO DATA."""
    top = [
        number(
            "就绪 · Ready",
            "任一进程未就绪即为 0。 0 if any process is not ready.",
            flux.total(SELF, "ready", "min"),
            ((None, RED),),
            words=READY,
        ),
        number(
            "问题 · Problems",
            "/readyz 列出的问题。 What /readyz lists.",
            flux.total(SELF, "problems", "sum"),
        ),
        number(
            "落后 · Behind",
            "最慢的分片时钟落后多少。 How far the slowest shard's clock is behind.",
            flux.total(SELF, "lag_ms", "max"),
            ((None, RED), (0, GREEN), (10_000, AMBER), (30_000, RED)),
            "ms",
        ),
        number(
            "数据年龄 · Age of data",
            "最新一点有多旧。 How old the newest point is.",
            flux.age(SELF, "ready"),
            STALE,
            "s",
        ),
        number(
            "失联来源 · Blind sources",
            "听不到的来源。 Sources that are not heard.",
            flux.total(SOURCE, "blind", "sum"),
        ),
        number(
            "待写 · Spooled",
            "InfluxDB 还没收下的点。 Points that InfluxDB has not taken yet.",
            flux.total(SELF, "spool_points", "sum"),
            ((None, RED), (0, GREEN), (100_000, AMBER), (1_000_000, RED)),
        ),
        number(
            "丢弃 · Dropped",
            "启动以来丢弃的点。 Points dropped since the start.",
            flux.total(SELF, "dropped", "sum"),
        ),
        number("店铺 · Shops", "状态里的店铺。 Shops in state.", flux.total(SELF, "shops", "sum"), CALM),
    ]
    ready = states(
        "就绪 · Ready",
        "各进程；空白即没有数据。 Each process; a gap is nothing heard of it.",
        flux.history(SELF, ("ready",), "min", by="instance"),
        READY,
        {},
    )
    lag = course(
        "落后 · Behind",
        "各进程。 Each process.",
        [flux.history(SELF, ("lag_ms",), "max", by="instance")],
        {},
        "ms",
        steps=((None, "transparent"), (30_000, RED)),
        area=True,
    )
    spool = course(
        "待写 · Spooled",
        "InfluxDB 慢或停时上升。 Rises while InfluxDB is slow or down.",
        [flux.history(SELF, ("spool_points",), "max", by="instance")],
        {},
    )
    sources = rows(
        "来源 · Sources",
        "听不到的在前。 Those not heard come first.",
        flux.rows(SOURCE, ("source",), ("blind", "heard_ms"), "-r.blind"),
        (
            ("source", "来源 source", "", None),
            ("blind", "失联 blind", "", None),
            ("heard_ms", "最近听到 last heard", "dateTimeFromNow", None),
        ),
        {"blind": FLAG},
    )
    processes = rows(
        "进程 · Processes",
        "两分钟内有数据的进程。 Processes heard within two minutes.",
        flux.rows(SELF, ("instance", "role"), ("ready", "problems", "lag_ms", "shops", "dropped"), "r.ready"),
        (
            ("instance", "进程 process", "", None),
            ("role", "角色 role", "", None),
            ("ready", "就绪 ready", "", None),
            ("problems", "问题 problems", "short", MORE_IS_WORSE),
            ("lag_ms", "落后 behind", "ms", None),
            ("shops", "店铺 shops", "short", None),
            ("dropped", "丢弃 dropped", "short", MORE_IS_WORSE),
        ),
        {"ready": READY},
    )
    return board(
        "slawatch-self",
        "别处没有数据时看这里。 Whether slawatch is well; look here when others show NO DATA.",
        "now-6h",
        "10s",
        [(4, top), (5, [ready]), (8, [lag, spool]), (8, [processes, sources])],
    )
