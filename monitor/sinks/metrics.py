"""Prometheus metrics of the daemon: every name, label and unit in one place.

Labels are few and bounded: a source beyond ``LABEL_VALUES`` is counted as ``other``, and no shop, agent
or customer is ever a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.sources.found import Rejected

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
        """Count what became of a batch."""
        label = self.source(source)
        results = (("accepted", accepted), ("duplicate", duplicates), ("rejected", len(rejected)))
        for result, count in results:
            if count:
                self.events.labels(source=label, result=result).inc(count)
        for one in rejected:
            self.rejected.labels(code=one.code).inc()
        self.batch_events.observe(accepted + duplicates + len(rejected))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _name_what_comes_in(self) -> None:
        self.events = self._counter(
            "events_total",
            "Events by what became of them: accepted duplicate rejected late_dropped",
            "source",
            "result",
        )
        self.rejected = self._counter("rejected_total", "Refused lines by reason", "code")
        self.batch_events = self._histogram(
            "batch_events", "Events of a batch", (1, 10, 50, 100, 500, 1000, 5000, 10000)
        )
        self.requests = self._counter("http_requests_total", "Requests answered", "route", "status")
        self.request_seconds = self._histogram("http_request_seconds", "Time to the answer", _FAST_S, "route")
        self.bodies_bytes = self._gauge("http_bodies_bytes", "Bytes of request bodies being read")
        self.streams = self._gauge("http_streams", "Live pages open")
        self.dead_letters = self._gauge("dead_letters", "Refused lines kept")
        self.source_heard = self._gauge(
            "source_heard_seconds", "When a source was last heard (epoch)", "source"
        )
        self.source_blind = self._gauge("source_blind", "1 while a source is blind", "source")

    def _name_log_and_shard(self) -> None:
        self.append_seconds = self._histogram("journal_append_seconds", "Time of a group commit", _FAST_S)
        self.journal_position = self._gauge("journal_position", "Last durable record")
        self.journal_bytes = self._gauge("journal_bytes", "Size of the journal")
        self.ingest_open = self._gauge("ingest_open", "1 while events are taken, 0 while answered 503")
        self.shard_position = self._gauge("shard_position", "Last record folded", "shard")
        self.shard_lag_seconds = self._gauge(
            "shard_lag_seconds", "The shard's clock behind the wall clock", "shard"
        )
        self.step_seconds = self._histogram("shard_step_seconds", "Time of a step", _FAST_S)
        self.shops = self._gauge("shops", "Shops in state")
        self.packless = self._gauge("platforms_without_pack", "Platforms whose shops have no measures")
        self.rounds_open = self._gauge("rounds_open", "Rounds waiting for an answer")
        self.at_limit = self._counter(
            "limit_reached_total", "Things refused or forgotten at a limit", "limit"
        )
        self.checkpoint_seconds = self._histogram(
            "checkpoint_seconds", "Time to store changed shop state", _SLOW_S
        )

    def _name_what_goes_out(self) -> None:
        self.transitions = self._counter(
            "transitions_total", "State changes of alerts", "to_state", "severity"
        )
        self.alerts = self._gauge("alerts_open", "Alerts firing", "severity")
        self.intents = self._gauge("intents_waiting", "Notifications that wait to be sent")
        self.deliveries = self._counter(
            "deliveries_total", "Messages by channel and outcome", "channel", "result"
        )
        self.delivery_seconds = self._histogram(
            "delivery_seconds", "From the transition to the channel's answer", _SLOW_S, "channel"
        )

        # The daemon itself.
        self.part_failures = self._counter(
            "part_failures_total", "Times a part failed and was started again", "part"
        )
        self.disk_free_bytes = self._gauge("disk_free_bytes", "Free where the data lies")
        self.build = self._gauge("build_info", "1, with the version", "version")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"slawatch_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"slawatch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"slawatch_{name}", text, labels, registry=self.registry, buckets=buckets)
