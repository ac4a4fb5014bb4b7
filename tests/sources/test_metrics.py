"""Metrics: documented, bounded, readable by Prometheus."""

from prometheus_client.parser import text_string_to_metric_families

from monitor.sinks.metrics import LABEL_VALUES, Metrics


def test_sources_beyond_the_bound_are_one_label():
    metrics = Metrics()
    names = {metrics.source(f"s{number}") for number in range(LABEL_VALUES + 50)}
    assert len(names) == LABEL_VALUES + 1
    assert (metrics.source("s0"), metrics.source("new")) == ("s0", "other")


def test_every_metric_is_ours_named_with_its_unit_and_explained():
    metrics = Metrics()
    metrics.events.labels(source="erp", result="accepted").inc(3)
    families = {one.name: one for one in text_string_to_metric_families(metrics.exposition().decode())}
    ours = {name: one for name, one in families.items() if not name.startswith("process_")}
    assert all(name.startswith("slawatch_") and one.documentation for name, one in ours.items())
    assert ours["slawatch_events"].samples[0].value == 3
    assert "process_resident_memory_bytes" in families
