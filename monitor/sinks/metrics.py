"""Prometheus metrics of the daemon: every name, label and unit in one place.

Labels are few and bounded: a source beyond ``LABEL_VALUES`` is counted as ``other``, and no shop, agent
or customer is ever a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from monitor.lines import tell_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.sources.found import Rejected
    from monitor.web.ports import Status

LABEL_VALUES = 200
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """One registry a process; attributes are the metrics. Thread-safe, as the client is."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._sources: set[str] = set()
        self._name_what_comes_in()
        self._name_log_and_shard()
        self._name_what_goes_out()

    def source(self, name: str) -> str:
        """A source's name as a label: itself, or ``other`` beyond the bound."""
        if name in self._sources:
            return name
        if len(self._sources) >= LABEL_VALUES:
            return "other"
        self._sources.add(name)
        return name

    def took(self, source: str, accepted: int, duplicates: int, rejected: Sequence[Rejected]) -> None:
        """Count what became of a batch, and say so."""
        tell_batch(source, accepted, duplicates, len(rejected))
        label = self.source(source)
        results = (("accepted", accepted), ("duplicate", duplicates), ("rejected", len(rejected)))
        for result, count in results:
            if count:
                self.events.labels(source=label, result=result).inc(count)
        for one in rejected:
            self.rejected.labels(code=one.code).inc()
        self.batch_events.observe(accepted + duplicates + len(rejected))

    def took_status(self, status: Status) -> None:
        """Set what every process says of itself: whether it is ready, and what is known of its sources."""
        self.build.labels(version=status.version).set(1)
        self.ready.set(status.ready)
        self.problems.set(len(status.problems))
        self.notices.set(len(status.notices))
        self.shops.set(status.shops)
        for source in status.sources:
            label = self.source(source.name)
            self.source_blind.labels(source=label).set(source.blind)
            if source.last_heard_ms is not None:
                self.source_heard.labels(source=label).set(source.last_heard_ms / 1_000)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _name_what_comes_in(self) -> None:
        self.events = self.counter(
            "events_total",
            "Events by what became of them: accepted duplicate rejected late_dropped",
            "source",
            "result",
        )
        self.rejected = self.counter("rejected_total", "Refused lines by reason", "code")
        self.batch_events = self.histogram(
            "batch_events", "Events of a batch", (1, 10, 50, 100, 500, 1000, 5000, 10000)
        )
        self.requests = self.counter("http_requests_total", "Requests answered", "route", "status")
        self.request_seconds = self.histogram("http_request_seconds", "Time to the answer", _FAST_S, "route")
        self.bodies_bytes = self.gauge("http_bodies_bytes", "Bytes of request bodies being read")
        self.streams = self.gauge("http_streams", "Live pages open")
        self.dead_letters = self.gauge("dead_letters", "Refused lines kept")
        self.source_heard = self.gauge(
            "source_heard_seconds", "When a source was last heard (epoch)", "source"
        )
        self.source_blind = self.gauge("source_blind", "1 while a source is blind", "source")

    def _name_log_and_shard(self) -> None:
        self.append_seconds = self.histogram("journal_append_seconds", "Time of a group commit", _FAST_S)
        self.journal_position = self.gauge("journal_position", "Last durable record")
        self.journal_bytes = self.gauge("journal_bytes", "Size of the journal")
        self.ingest_open = self.gauge("ingest_open", "1 while events are taken, 0 while answered 503")
        self.backlog_events = self.gauge("backlog_events", "Events taken and not folded yet")
        self.held_events = self.gauge("ingest_held_events", "Events of batches that wait to be taken")
        self.shard_position = self.gauge("shard_position", "Last record folded", "shard")
        self.shard_lag_seconds = self.gauge(
            "shard_lag_seconds", "The shard's clock behind the wall clock", "shard"
        )
        self.step_seconds = self.histogram("shard_step_seconds", "Time of a step", _FAST_S)
        self.shops = self.gauge("shops", "Shops in state")
        self.packless = self.gauge("platforms_without_pack", "Platforms whose shops have no measures")
        self.rounds_open = self.gauge("rounds_open", "Rounds waiting for an answer")
        self.at_limit = self.counter("limit_reached_total", "Things refused or forgotten at a limit", "limit")
        self.checkpoint_seconds = self.histogram(
            "checkpoint_seconds", "Time to store changed shop state", _SLOW_S
        )

    def _name_what_goes_out(self) -> None:
        self.transitions = self.counter(
            "transitions_total", "State changes of alerts", "to_state", "severity"
        )
        self.alerts = self.gauge("alerts_open", "Alerts firing", "severity")
        self.intents = self.gauge("intents_waiting", "Notifications that wait to be sent")
        self.deliveries = self.counter(
            "deliveries_total", "Messages by channel and outcome", "channel", "result"
        )
        self.delivery_seconds = self.histogram(
            "delivery_seconds", "From the transition to the channel's answer", _SLOW_S, "channel"
        )

        self.influx_up = self.gauge("influx_up", "1 while InfluxDB takes figures, 0 while they wait on disk")
        self.influx_at_once = self.gauge(
            "influx_points_at_once", "Points of one request at most: halved when InfluxDB takes too long"
        )
        self.influx_points = self.counter("influx_points_total", "Points that InfluxDB has taken")
        self.influx_waiting = self.gauge("influx_waiting_points", "Points that wait on disk for InfluxDB")
        self.influx_age_seconds = self.gauge("influx_age_seconds", "The age of the oldest of them")
        self.influx_dropped = self.counter("influx_dropped_total", "Points lost, by reason", "reason")

        # The daemon itself.
        self.part_failures = self.counter(
            "part_failures_total", "Times a part failed and was started again", "part"
        )
        self.disk_free_bytes = self.gauge("disk_free_bytes", "Free where the data lies")
        self.build = self.gauge("build_info", "1, with the version", "version")
        self.ready = self.gauge("ready", "1 while /readyz answers 200")
        self.problems = self.gauge("problems", "Problems that /readyz lists")
        self.notices = self.gauge("notices", "Notices that /readyz lists")
        self.audited = self.gauge("audit_seconds", "When the auditor last looked (epoch)")
        self.audit_findings = self.gauge("audit_findings", "What the auditor found that is due and stays")
        self.heartbeat = self.gauge(
            "heartbeat_seconds", "When the address outside last took a ping (epoch); 0: none yet"
        )

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter of the registry, ``slawatch_NAME``."""
        return Counter(f"slawatch_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge of the registry, ``slawatch_NAME``."""
        return Gauge(f"slawatch_{name}", text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """A histogram of the registry, ``slawatch_NAME``."""
        return Histogram(f"slawatch_{name}", text, labels, registry=self.registry, buckets=buckets)


class WorkerMetrics:
    """What a worker of a cluster has beside what every process has."""

    def __init__(self, metrics: Metrics) -> None:
        gauge = metrics.gauge
        self.shards = gauge(
            "shards", "Shards of ours: held, loading, or blind (behind, or not ticked)", "state"
        )
        self.lag = gauge("shard_lag_records", "Records of the partition that are not folded yet", "shard")
        self.caught_up = gauge(
            "shard_caught_up", "1 while the shard reads its own ticks back in time", "shard"
        )
        self.checkpoint_age = gauge(
            "shard_checkpoint_age_seconds", "Since the shard's state was last stored whole", "shard"
        )
        self.rebalance_seconds = gauge(
            "rebalance_seconds", "The last rebalance, until every shard of ours was read again"
        )
        self.awake = gauge("shops_awake", "Shops that are not packed: some 50 kB each, packed 13 kB")
        self.stale = gauge("stale_records", "Records handed over out of order, and read again")
        self.rebalances = metrics.counter("rebalances_total", "Times the group shared its partitions anew")


class DeskMetrics:
    """What a desk of a cluster has beside what every process has."""

    def __init__(self, metrics: Metrics) -> None:
        self.leads = metrics.gauge("desk_leads", "1 on the desk that leads")
