"""How the daemon is, for ``/readyz``, pages and metrics."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from monitor.lines import tell_alerts, tell_delivery
from monitor.runtime import limits
from monitor.sinks.metrics import DeskMetrics
from monitor.web.ports import Status
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerting.desk import Desk
    from monitor.charting import Charts
    from monitor.runtime.clock import Clock
    from monitor.runtime.cluster.desk import LeadingDesk
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.runtime.embedded import Embedded
    from monitor.runtime.health import Health
    from monitor.runtime.ports import Outputs
    from monitor.runtime.view import View
    from monitor.sinks.metrics import Metrics
    from monitor.sources.found import Rejected
    from monitor.web.ports import SourceStatus

log = structlog.get_logger(__name__)

_LATER = ("repeat", "escalate", "remind", "lapsed")  # kinds that are planned and may never be needed


def lag_ms(running: Embedded) -> int:
    """How far the shard's clock is behind; 0 while every record is folded and ticks come."""
    behind_ms = max(0, running.clock.now_ms() - running.shard_loop.arrival_ms)
    return 0 if running.caught_up and behind_ms < limits.LAG_TOLD_MS else behind_ms


def behind(behind_ms: int, shard: str, zh: str = "") -> Text:
    """That a shard is behind; ``shard`` and ``zh`` name it."""
    what = "s behind; figures are as of then until it has caught up"
    return Text(
        f"{zh}落后 {behind_ms // 1000} 秒；追上之前，数字以当时为准", f"{shard}: {behind_ms // 1000} {what}"
    )


def set_back(ahead_ms: int) -> Text:
    """That the log is ahead of the machine's clock, so that no second passes for the shard."""
    seconds = ahead_ms // 1000
    what = f"the machine's clock is {seconds} s behind what was written already: nothing is judged until then"
    return Text(
        f"机器时钟比已写入的时间慢 {seconds} 秒：追上之前不做判断，请校准时钟", f"{what}; set it right"
    )


def status_of(
    running: Embedded, started_ms: int, version: str, sources: tuple[SourceStatus, ...], shops: int
) -> Status:
    """What is wrong, and whether events are taken and judged in time."""
    problems = list(running.health.told)
    if running.entrance.closed:
        problems.append(running.entrance.closed)
    if running.journal.disk_low:
        what = "ingest: too little free disk; make room, alerts go on meanwhile"
        problems.append(Text("磁盘空间不足，暂不接收事件；告警照常，请腾出空间", what))
    if running.shard_loop.shard is None:
        problems.append(Text("正在读取状态", "shard: reading its state"))
    elif (behind_ms := lag_ms(running)) >= limits.LAG_TOLD_MS:
        problems.append(behind(behind_ms, "shard"))
    elif (ahead_ms := running.shard_loop.arrival_ms - running.clock.now_ms()) >= limits.LAG_TOLD_MS:
        problems.append(set_back(ahead_ms))
    return Status(
        ready=not problems,
        now_ms=running.shard_loop.arrival_ms,
        version=version,
        started_ms=started_ms,
        shops=shops,
        lag_ms=lag_ms(running),
        sources=tuple(replace(one, late_dropped=running.late_dropped[one.name]) for one in sources),
        problems=tuple(problems),
        notices=(*running.health.notices.values(), *running.entrance.backlog.notices),
    )


class Gauges:
    """Keeps the metrics of what runs."""

    def __init__(self, running: Embedded, view: View, metrics: Metrics) -> None:
        self._running, self._view, self._metrics = running, view, metrics
        self._failures: dict[str, int] = {}
        self._refused = 0
        self._disk_low = False

    async def run(self) -> None:
        """Set every gauge each second."""
        while True:
            self.set()
            await asyncio.sleep(1.0)

    def set(self) -> None:
        """Set every gauge as of now."""
        it, metrics = self._running, self._metrics
        metrics.journal_position.set(it.journal.last.position)
        metrics.ingest_open.set(not it.entrance.closed and not it.journal.disk_low)
        if it.journal.disk_low != self._disk_low:
            self._disk_low = it.journal.disk_low
            log.warning("too little free disk, events refused" if self._disk_low else "events taken again")
        backlog = it.entrance.backlog
        metrics.backlog_events.set(backlog.events)
        metrics.held_events.set(backlog.held)
        metrics.at_limit.labels(limit="backlog").inc(backlog.refused - self._refused)
        self._refused = backlog.refused
        metrics.shard_position.labels(shard="0").set(it.shard_loop.position)
        metrics.shard_lag_seconds.labels(shard="0").set(lag_ms(it) / 1000)
        metrics.disk_free_bytes.set(shutil.disk_usage(it.journal.path.parent).free)
        metrics.journal_bytes.set(it.journal.path.stat().st_size)
        for part, failures in it.health.failures.items():
            metrics.part_failures.labels(part=part).inc(failures - self._failures.get(part, 0))
            self._failures[part] = failures
        metrics.rounds_open.set(self._view.waiting)
        set_alerts(metrics, it.desk_loop.desk)

    def count(self, outputs: Outputs) -> None:
        """Count what a step gave out, and say each alert's change."""
        tell_alerts(outputs.transitions)
        for transition in outputs.transitions:
            self._metrics.transitions.labels(to_state=transition.to_state, severity=transition.severity).inc()
        for source, dropped in outputs.late.items():
            label = self._metrics.source(source)
            self._metrics.events.labels(source=label, result="late_dropped").inc(dropped)

    def refused(self, source: str, rejected: Sequence[Rejected]) -> None:
        """Count what the shard refused, after the entrance had taken it."""
        metrics = self._metrics
        metrics.events.labels(source=metrics.source(source), result="rejected").inc(len(rejected))
        for one in rejected:
            metrics.rejected.labels(code=one.code).inc()
            if one.code.startswith("limit_"):
                metrics.at_limit.labels(limit=one.code.removeprefix("limit_")).inc()


def set_alerts(metrics: Metrics, desk: Desk | None) -> None:
    """What fires, and what of it is still to be told; a repeat lies in the future and does not wait."""
    alerts = list(desk.books.alerts.values()) if desk else []
    severities = [alert.transition.severity for alert in alerts if not alert.over]
    for severity in ("warn", "crit"):
        metrics.alerts.labels(severity=severity).set(severities.count(severity))
    queued = (waiting for alert in alerts for way in alert.ways for waiting in way.queued.values())
    metrics.intents.set(sum(waiting.kind not in _LATER for waiting in queued))


def account_failed(health: Health, account: str, error: Exception) -> None:
    """Note that an account of the sender met what should not have happened."""
    part = f"account {account}"
    health.failed(part, f"{part}: {error or type(error).__name__}", error=error)


def account_well(health: Health, account: str) -> None:
    """Note that an account is served."""
    health.well(f"account {account}")


class SenderMetrics:
    """Counts of alerting by its port's names, in the metrics of the daemon."""

    def __init__(self, metrics: Metrics, charts: Charts | None = None) -> None:
        self._metrics, self._charts = metrics, charts

    def count(self, name: str, n: int = 1, **_labels: str) -> None:
        """Count a failure by its name."""
        self._metrics.part_failures.labels(part=name).inc(n)

    def delivered(self, number: int, account: str, kind: str, alerts: int, took_ms: Sequence[int]) -> None:
        """Count a message by what its channel answered, and how long its alerts took."""
        tell_delivery(number, account, kind, alerts, took_ms)
        self._metrics.deliveries.labels(channel=account, result=kind).inc()
        for one_ms in took_ms:
            self._metrics.delivery_seconds.labels(channel=account).observe(one_ms / 1000)
        if self._charts is not None:
            self._charts.delivered(number, account, kind, alerts, took_ms)


def desk_status(
    health: Health,
    started_ms: int,
    clock: Clock,
    ours: str,
    sources: tuple[SourceStatus, ...],
    shops: int,
) -> Status:
    """How a desk is: ready when nothing of it fails, be it leading or waiting for the lead.

    Args:
        health: What fails.
        started_ms: When it started.
        clock: What it goes by.
        ours: The version that runs.
        sources: None, for it hears none.
        shops: Likewise.
    """
    problems = health.told
    return Status(
        ready=not problems,
        now_ms=clock.now_ms(),
        version=ours,
        started_ms=started_ms,
        shops=shops,
        sources=sources,
        problems=problems,
        notices=tuple(health.notices.values()),
    )


async def measure_desk(desk: LeadingDesk, loop: DeskLoop, metrics: Metrics) -> None:
    """Set the gauges of a cluster's desk each second: who leads, what fires, what is to be told."""
    own = DeskMetrics(metrics)
    while True:
        own.leads.set(desk.leads)
        set_alerts(metrics, loop.desk)
        await asyncio.sleep(1.0)
