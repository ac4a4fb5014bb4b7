"""Figures of a process to InfluxDB: sampled between the steps of its shards, never in their way."""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from alerting.policy.records import Health as Told
from monitor.engine import figures
from monitor.runtime.shard_figures import ShardFigures
from monitor.sinks import influx_limits as limits
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_points import FIRES, Points, ShopName
from monitor.sinks.influx_sender import DOWN, OK, REFUSED, SLOW
from monitor.sinks.influx_spool import opened
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AsyncExitStack

    from monitor.configured import Configured
    from monitor.engine.shop import Shop
    from monitor.runtime.clock import Clock
    from monitor.runtime.health import Health
    from monitor.runtime.names import Names
    from monitor.runtime.ports import Outputs
    from monitor.shard.shard import Shard
    from monitor.sinks.metrics import Metrics
    from monitor.web.ports import Status

log = structlog.get_logger(__name__)
PART = "influx"
_MENDS = {
    DOWN: "see that InfluxDB runs and can be reached",
    REFUSED: "`slawatch doctor` says what is wrong with token, organisation or bucket",
    SLOW: "InfluxDB is slow: it gets {at_once} points at once, more as it keeps up",
}


def charts_of(
    configured: Configured,
    role: str,
    shards: Callable[[], Iterable[Shard]],
    status: Callable[[], Status],
    clock: Clock,
    stack: AsyncExitStack,
) -> Charts | None:
    """What writes figures to the InfluxDB of the configuration; None: it names none.

    Args:
        configured: Where it is.
        role: Of the process: run, worker, desk.
        shards: Those that are live here.
        status: How the process is.
        clock: When it is time for a sample.
        stack: Closes it.
    """
    settings = configured.settings.influx
    if not settings.url:
        return None
    # Room that belongs to events is left twice over: charts stop before ingest does.
    disk_min = 2 * configured.settings.low_water
    spool = opened(configured.data / "influx.db", settings.spool_size, settings.spool_age, disk_min)
    token = partial(settings.read_token, configured.base)
    authority = configured.base / settings.ca_file if settings.ca_file else None
    link = Link(settings.url, settings.org, settings.bucket, token, authority)
    sink = InfluxSink(spool, link, lambda: time.time_ns() // 1_000_000)
    sink.start()
    stack.callback(sink.close)
    instance = configured.settings.kafka.instance or socket.gethostname()
    return Charts(sink, settings.every, shards, configured.names, status, clock, (instance, role))


def chart(
    charts: Charts | None,
    part: Callable[[str, Callable[[], Awaitable[None]]], object],
    health: Health,
    metrics: Metrics,
    hear: Callable[[Told], Awaitable[object]],
    clock: Clock,
) -> None:
    """Run what samples and what watches it as two parts, if there are charts; see ``ChartsWatch``."""
    if charts is not None:
        part("charts", charts.run)
        part(PART, ChartsWatch(charts, health, metrics, hear, clock.now_ms).run)


class Charts:
    """Takes samples, and what happens in between.

    Args:
        sink: Where points go; closed by who made it.
        every_ms: Between two samples.
        shards: Those of this process that are live.
        names: Of shops, agents and rules.
        status: How the process is.
        clock: When it is time.
        instance: The process, as it is called in points; with its role run, worker or desk.
    """

    def __init__(
        self,
        sink: InfluxSink,
        every_ms: int,
        shards: Callable[[], Iterable[Shard]],
        names: Names,
        status: Callable[[], Status],
        clock: Clock,
        instance: tuple[str, str],
    ) -> None:
        self.sink, self._every_ms, self._shards, self._names = sink, every_ms, shards, names
        self._status, self._clock, self.instance = status, clock, instance
        self._points = Points(limits.SHOPS)
        self._agents_ms = 0  # when agents were last written
        self._sampled: dict[int, int] = {}  # shard → the second of its last sample

    async def run(self) -> None:
        """Take a sample of every whole ``every_ms``, once its tick is folded, for ever."""
        while True:
            before_ms = self._clock.now_ms() - limits.AFTER_TICK_MS
            whole_ms = before_ms - before_ms % self._every_ms + self._every_ms
            await self._clock.sleep_until(whole_ms + limits.AFTER_TICK_MS)
            await self.sample()

    async def sample(self) -> None:
        """Write every figure as of now, some shops in a turn of the loop."""
        now_ms = self._clock.now_ms()
        with_agents = not 0 <= now_ms - self._agents_ms < limits.AGENTS_MS  # a clock may be set back
        if with_agents:
            self._agents_ms = now_ms
        sink = self.sink
        spool = (sink.waiting, sink.age_ms, sum(sink.dropped.values()))
        sink.put([self._points.itself(*self.instance, self._status(), spool, now_ms // 1000 * 1000)])
        for shard in list(self._shards()):
            await self._sample(shard, with_agents=with_agents)

    def outputs(self, outputs: Outputs) -> None:
        """Write what a step changed of alerts."""
        lines = []
        for told in outputs.transitions:
            shop = told.subject.get("shop", "")
            title = self._names.rule(told.rule, shop).title.zh
            lines.append(self._points.alert(told, self._team(shop), title))
        self.sink.put(lines, lasting=True)

    def delivered(self, number: int, account: str, result: str, alerts: int, took_ms: Sequence[int]) -> None:
        """Write what became of a message."""
        now_ms = self._clock.now_ms()
        line = self._points.delivery(number, account, result, alerts, max(took_ms, default=0), now_ms)
        self.sink.put([line], lasting=True)

    async def _sample(self, shard: Shard, *, with_agents: bool) -> None:
        second_ms = shard.now_ms // 1000 * 1000
        if not second_ms or self._sampled.get(shard.number) == second_ms:
            return  # nothing has moved: a chart must show that
        self._sampled[shard.number] = second_ms
        reader = ShardFigures(shard)
        lines = [self._points.source(source, second_ms) for source in reader.sources()]
        for count, shop in enumerate(list(shard.engine.shops.values()), 1):
            lines += self.shop_points(shard, reader, shop, with_agents=with_agents)
            if count % limits.SLICE_SHOPS == 0:
                await asyncio.sleep(0)
            if len(lines) >= limits.BATCH_POINTS:
                self.sink.put(lines)
                lines = []
        self.sink.put(lines)

    def shop_points(self, shard: Shard, reader: ShardFigures, shop: Shop, *, with_agents: bool) -> list[str]:
        """All of one shop as of the shard's second."""
        second_ms = shard.now_ms // 1000 * 1000
        known = self._names.shop(shop.key).name
        plan = shard.plan.shops.get(shop.key)
        name = ShopName(shop.platform, shop.shop_id, plan.team if plan else "", known)
        watched = reader.watched(shop.key)
        watch = shard.watches.get(shop.key)
        severities = [s.severity for s in watch.states.values() if s.state in FIRES] if watch else []
        worst = "crit" if "crit" in severities else "warn" if severities else "ok"
        lines = self._points.shop(name, watched, worst, second_ms)
        if with_agents:
            shop = shard.slumber.read(shop)
            for measure in {one.measure.id: one.measure for one in watched if one.measure.by}:
                counts = {
                    agent: (self._names.agent(shop.key, agent).name, answered, late)
                    for agent, (answered, late) in figures.agents(shop, measure, second_ms).items()
                }
                lines += self._points.agents(name, measure, counts, second_ms)
        return lines

    def _team(self, shop: str) -> str:
        for shard in self._shards():
            if shop in shard.plan.shops:
                return shard.plan.shops[shop].team
        return ""


class ChartsWatch:
    """Says when charts are behind: in ``/readyz``, in metrics, and to people once it lasts.

    Args:
        charts: Whose.
        health: Where notices stay to be seen: the process is ready all the same.
        metrics: Where figures of it stand.
        hear: Awaited with what the desk should alert of.
        now_ms: The time.
    """

    def __init__(
        self,
        charts: Charts,
        health: Health,
        metrics: Metrics,
        hear: Callable[[Told], Awaitable[object]],
        now_ms: Callable[[], int],
    ) -> None:
        self._sink, self._health, self._metrics, self._hear = charts.sink, health, metrics, hear
        self._now_ms, self._name = now_ms, " ".join(charts.instance)
        self._counted: dict[str, int] = {}
        self._sent = 0
        self._dropped_ms = 0  # when points were last found dropped
        self._behind_ms = now_ms()  # until when figures were not behind
        self._told = False

    async def run(self) -> None:
        """Look each second, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(1.0)

    async def look(self) -> None:
        """Set metrics and notice, and tell people what has lasted for a while or is over."""
        sink, metrics = self._sink, self._metrics
        metrics.influx_waiting.set(sink.waiting)
        metrics.influx_age_seconds.set(sink.age_ms / 1000)
        metrics.influx_up.set(sink.state.way in (OK, SLOW))
        metrics.influx_at_once.set(sink.state.at_once)
        metrics.influx_points.inc(sink.state.sent - self._sent)
        self._sent = sink.state.sent
        for reason, count in sink.dropped.items():
            if count > (known := self._counted.get(reason, 0)):
                metrics.influx_dropped.labels(reason=reason).inc(count - known)
                self._counted[reason], self._dropped_ms = count, self._now_ms()
        notice, broken = self._notice()
        if notice:
            zh = f"图表数据未及时写入，告警不受影响：{notice}"
            self._health.notices[PART] = Text(zh, notice)
        else:
            self._health.notices.pop(PART, None)
        if broken != self._told:
            now_ms = self._now_ms()
            await self._hear(Told(now_ms, f"{PART} {self._name}", ok=not broken, detail=notice, charts=True))
            self._told = broken

    def _notice(self) -> tuple[str, bool]:
        """One line about it, and whether somebody should be told."""
        sink, state, now_ms = self._sink, self._sink.state, self._now_ms()
        self._dropped_ms, self._behind_ms = min(self._dropped_ms, now_ms), min(self._behind_ms, now_ms)
        dropped = bool(self._dropped_ms) and now_ms - self._dropped_ms < limits.DROPPED_TOLD_MS
        if sink.age_ms < limits.BEHIND_TOLD_MS:
            self._behind_ms = now_ms  # not yet; what an earlier run left is sent in a moment
        behind = now_ms - self._behind_ms >= limits.TOLD_MS
        lasts = state.way != OK and now_ms - state.since_ms >= limits.TOLD_MS
        said = []
        if lasts:
            said.append(state.words[:120])
        if lasts or behind:
            said.append(f"{sink.waiting} points wait on disk, the oldest {sink.age_ms // 1000} s")
        if dropped:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(self._counted.items()))
            said.append(f"points dropped since the start: {counts}")
        if lasts:
            said.append(f"alerts go on; {_MENDS[state.way].format(at_once=state.at_once)}")
        notice = f"{PART}: {'; '.join(filter(None, said))}" if said else ""
        return notice, dropped or behind or (lasts and state.way == REFUSED)
