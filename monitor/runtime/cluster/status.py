"""How a worker is, for ``/readyz`` and Prometheus."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING

from monitor.lines import tell_alerts, tell_batch
from monitor.runtime import limits
from monitor.runtime.cluster.owner import part_of
from monitor.runtime.status import behind
from monitor.sinks.metrics import WorkerMetrics
from monitor.web.ports import SourceStatus, Status
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.runtime.cluster.held import HeldShard
    from monitor.runtime.cluster.worker import Worker
    from monitor.runtime.ports import Outputs
    from monitor.sinks.metrics import Metrics
    from monitor.sources.found import Rejected


class WorkerStatus:
    """Looks at a worker; the ``StatusPort`` of its probes."""

    def __init__(self, worker: Worker) -> None:
        self._worker, self._started_ms = worker, worker.parts.clock.now_ms()

    def behind_ms(self, held: HeldShard) -> int:
        """How far a shard's clock is behind; 0 while every record is folded and ticks come back."""
        since_ms = held.arrival_ms or held.loaded_ms  # a partition may be empty
        behind_ms = max(0, self._worker.parts.clock.now_ms() - since_ms)
        caught_up = held.caught_up_ms and not self._worker.lag(held.partition)
        return 0 if caught_up and behind_ms < limits.LAG_TOLD_MS else behind_ms

    def caught_up(self, held: HeldShard) -> bool:
        """Whether a shard reads its own ticks back in time; events may be on their way all the while."""
        now_ms = self._worker.parts.clock.now_ms()
        return now_ms - min(held.caught_up_ms, held.arrival_ms) < limits.CAUGHT_UP_MS

    def _starved(self, held: HeldShard) -> Iterator[Text]:
        """What to say where all that was fetched is folded, and of what there is nothing is given."""
        place, silent_s = self._worker.consumer.fetches(held.partition)
        unread = held.partition in self._worker.owner.unread
        if place == held.next <= held.tick_offset and 1000 * silent_s >= limits.LAG_TOLD_MS and not unread:
            who = f"shard {held.partition}: the broker gives nothing from record {place} of its partition on"
            zh = f"分片 {held.partition}：broker 不返回分区第 {place} 条起的记录；见 broker 日志"
            yield Text(zh, f"{who}; see its log")

    def status(self) -> Status:
        """What is wrong, and whether every shard of ours is judged in time."""
        owner, health = self._worker.owner, self._worker.parts.health
        problems = list(health.told)
        if owner.rebalance_began_s:
            what = "group: joining, or waiting for the others; shards are assigned after that"
            problems.append(Text("正在加入消费组，或等待其他进程；之后分配分片", what))
        problems += [
            Text(f"分片 {partition}：正在读取状态", f"shard {partition}: reading its state")
            for partition in sorted(owner.assignment - owner.held.keys())
            if part_of(partition) not in health.problems
        ]
        lags = {held.partition: self.behind_ms(held) for held in owner.held.values()}
        problems += [
            behind(lag_ms, f"shard {partition}", f"分片 {partition} ")
            for partition, lag_ms in sorted(lags.items())
            if lag_ms >= limits.LAG_TOLD_MS
        ]
        problems += [text for held in owner.held.values() for text in self._starved(held)]
        return Status(
            ready=not problems,
            now_ms=min((held.arrival_ms for held in owner.held.values()), default=0),
            version=version("slawatch"),
            started_ms=self._started_ms,
            shops=sum(len(held.state.engine.shops) for held in owner.held.values()),
            lag_ms=max(lags.values(), default=0),
            sources=self._sources(),
            problems=tuple(problems),
            notices=tuple(health.notices.values()),
        )

    def judged(self) -> list[int]:
        """The shards that are judged in time."""
        held = self._worker.owner.held
        return sorted(p for p, one in held.items() if self.behind_ms(one) < limits.LAG_TOLD_MS)

    def _sources(self) -> tuple[SourceStatus, ...]:
        """Every source of our shards: heard when any of them heard it, blind when all of them are."""
        found: dict[str, SourceStatus] = {}
        for held in self._worker.owner.held.values():
            for name, watch in held.state.sources.items():
                source, before = watch.source, found.get(name)
                heard_ms = max(source.heard_ms, (before and before.last_heard_ms) or 0)
                blind = source.blind and (before is None or before.blind)
                found[name] = SourceStatus(name, blind, heard_ms)
        return tuple(found[name] for name in sorted(found))


class WorkerGauges:
    """Keeps the metrics of a worker, beside those that every daemon has."""

    def __init__(self, worker: Worker, status: WorkerStatus, metrics: Metrics) -> None:
        self._worker, self._status, self._metrics = worker, status, metrics
        self._failures: dict[str, int] = {}
        self._labelled: set[int] = set()
        self._own = WorkerMetrics(metrics)
        self._rebalances = 0

    async def run(self) -> None:
        """Set every gauge each second."""
        while True:
            self.set()
            await asyncio.sleep(1.0)

    def set(self) -> None:
        """Set every gauge as of now."""
        owner, metrics = self._worker.owner, self._metrics
        now_ms, blind = self._worker.parts.clock.now_ms(), 0
        for partition in self._labelled - owner.held.keys():
            for one in (self._own.lag, self._own.caught_up, self._own.checkpoint_age):
                one.remove(str(partition))
            metrics.shard_position.remove(str(partition))
            metrics.shard_lag_seconds.remove(str(partition))
        self._labelled = set(owner.held)
        for partition, held in owner.held.items():
            label, behind_ms = str(partition), self._status.behind_ms(held)
            blind += behind_ms >= limits.LAG_TOLD_MS
            metrics.shard_position.labels(shard=label).set(held.position)
            metrics.shard_lag_seconds.labels(shard=label).set(behind_ms / 1000)
            self._own.lag.labels(shard=label).set(self._worker.lag(partition))
            self._own.caught_up.labels(shard=label).set(self._status.caught_up(held))
            self._own.checkpoint_age.labels(shard=label).set((now_ms - held.checkpoint_ms) / 1000)
        self._own.shards.labels(state="held").set(len(owner.held))
        self._own.shards.labels(state="loading").set(len(owner.assignment - owner.held.keys()))
        self._own.shards.labels(state="blind").set(blind)
        self._own.awake.set(sum(len(held.state.watches) for held in owner.held.values()))
        self._own.rebalances.inc(owner.rebalances - self._rebalances)
        self._rebalances = owner.rebalances
        self._own.rebalance_seconds.set(owner.rebalance_s)
        self._own.stale.set(self._worker.stale)
        for part, failures in self._worker.parts.health.failures.items():
            metrics.part_failures.labels(part=part).inc(failures - self._failures.get(part, 0))
            self._failures[part] = failures


EVERY_SOURCE = "all"  # a step is of many sources, and counts them together


class Counts:
    """Counts what shards give out and refuse."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.outputs_told: list[Callable[[Outputs], None]] = []  # beside the counting

    def outputs(self, outputs: Outputs) -> None:
        """Count what a step gave out, and say each alert's change."""
        for told in self.outputs_told:
            told(outputs)
        tell_alerts(outputs.transitions)
        taken = [outputs.counts.get(name, 0) for name in ("accepted", "duplicates", "rejected")]
        if any(taken):  # a tick takes nothing
            tell_batch(EVERY_SOURCE, *taken)
        for transition in outputs.transitions:
            self._metrics.transitions.labels(to_state=transition.to_state, severity=transition.severity).inc()
        for result, label in (("accepted", "accepted"), ("duplicates", "duplicate")):
            if n := outputs.counts.get(result):  # counted by step, and a step is of many sources
                self._metrics.events.labels(source=EVERY_SOURCE, result=label).inc(n)
        for source, dropped in outputs.late.items():
            name = self._metrics.source(source)
            self._metrics.events.labels(source=name, result="late_dropped").inc(dropped)

    def refused(self, source: str, rejected: Sequence[Rejected]) -> None:
        """Count what could not be read, or was refused."""
        self._metrics.events.labels(source=self._metrics.source(source), result="rejected").inc(len(rejected))
        for one in rejected:
            self._metrics.rejected.labels(code=one.code).inc()
            if one.code.startswith("limit_"):
                self._metrics.at_limit.labels(limit=one.code.removeprefix("limit_")).inc()
