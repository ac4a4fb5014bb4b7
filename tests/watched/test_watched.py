"""What is said of slawatch itself is documented, answered and true: metrics, log lines, alerts, runbook."""

from __future__ import annotations

import io
import json
import logging
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
import yaml

from alerting.policy.rulings import OWN_RULES
from monitor import lines
from monitor.logs import configure_logging
from monitor.runtime.cluster.status import Counts
from monitor.shard.outputs import Outputs
from monitor.sinks.metrics import DeskMetrics, Metrics, WorkerMetrics
from rules.transition import Transition

ROOT = Path(__file__).resolve().parent.parent.parent
MIXIN = ROOT / "deploy" / "prometheus" / "slawatch.rules.yaml"
BOTH = ("", ".zh")


def registered():
    """Name → (type, labels) of everything any process of ours may expose."""
    metrics = Metrics()
    WorkerMetrics(metrics)
    DeskMetrics(metrics)
    kinds = [one for one in metrics.registry._collector_to_names if hasattr(one, "_name")]
    return {
        one._name + ("_total" if one._type == "counter" else ""): (one._type, one._labelnames)
        for one in kinds
    }


def mixin():
    groups = yaml.safe_load(MIXIN.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.mark.parametrize("language", BOTH)
def test_every_metric_is_documented_by_name_type_labels_and_meaning_and_no_other(language):
    text = (ROOT / "docs" / f"watching{language}.md").read_text("utf-8")
    rows = re.findall(r"^\| `(slawatch_\w+)` \| (\w+) \|([^|]*)\| (\S[^|]*) \|$", text, re.MULTILINE)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _meaning in rows}
    assert told == registered()


@pytest.mark.parametrize("language", BOTH)
def test_every_canonical_line_is_documented_with_its_fields_in_order(language):
    text = (ROOT / "docs" / f"watching{language}.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", fields)) for name, fields in rows}
    assert {name: told.get(name) for name in lines.LINES} == lines.LINES


@pytest.fixture
def logged(monkeypatch):
    """What is logged from now on, a dict a line, as a machine reads it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("json", "info")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_lines_carry_the_fields_that_are_told_and_no_others(logged, monkeypatch):
    monkeypatch.setattr(lines, "log", structlog.get_logger("slawatch"))
    change = Transition(
        at_ms=1,
        rule="pdd-drift",
        subject={"shop": "pinduoduo:s1"},
        from_state="ok",
        to_state="firing",
        severity="crit",
        verdict="crit",
        reason="crit",
    )
    lines.tell_request("POST", "/api/v1/events", 202, 0.0042)
    lines.tell_batch("erp", 3, 1, 0)
    lines.tell_alerts([change])
    lines.tell_delivery(7, "wecom", "ok", 2, [900, 1400])
    beside = {"event", "level", "logger", "timestamp"}
    found = {line["event"]: line for line in logged()}
    assert {name: set(line) - beside for name, line in found.items()} == {
        name: set(fields) for name, fields in lines.LINES.items()
    }
    assert found["alert"]["subject"] == "shop:pinduoduo:s1"
    assert found["delivery"]["told_after_ms"] == 1400
    assert found["request"]["took_ms"] == 4.2


def test_on_kafka_each_step_that_took_events_is_one_line_and_a_tick_is_none(logged, monkeypatch):
    monkeypatch.setattr(lines, "log", structlog.get_logger("slawatch"))
    counts = Counts(Metrics())
    counts.outputs(Outputs((), (), {"accepted": 500, "duplicates": 2, "rejected": 1, "read": 503}, {}))
    counts.outputs(Outputs((), (), {"accepted": 0, "duplicates": 0, "rejected": 0, "read": 0}, {}))
    (line,) = logged()
    assert [line[name] for name in ("event", *lines.LINES["batch"])] == ["batch", "all", 500, 2, 1]


def test_a_probe_that_is_well_is_not_told_and_one_that_fails_is(logged, monkeypatch):
    monkeypatch.setattr(lines, "log", structlog.get_logger("slawatch"))
    lines.tell_request("GET", "/readyz", 200, 0.001)
    lines.tell_request("GET", "/readyz", 503, 0.001)
    assert [line["status"] for line in logged()] == [503]


@pytest.mark.parametrize("language", BOTH)
def test_every_alert_about_slawatch_has_its_entry_in_the_runbook_and_a_link_to_it(language):
    text = (ROOT / "docs" / f"runbook{language}.md").read_text("utf-8")
    entries = re.findall(r"^### (\S+)\n\n(?:.+\n)+\n\*\*(?:Do|处理)\*\*", text, re.MULTILINE)
    assert sorted(entries) == sorted([*OWN_RULES, *mixin()])
    for name, rule in mixin().items():
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
        assert rule["annotations"].keys() == {"summary", "summary_zh", "runbook"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_metric_in_an_alert_is_one_of_ours():
    """A metric that is renamed fails here: an expression over nothing never fires."""
    ours = registered()
    exposed = {
        f"{name}{suffix}"
        for name, (kind, _labels) in ours.items()
        for suffix in (("_bucket", "_count", "_sum") if kind == "histogram" else ("",))
    } | {"process_start_time_seconds"}
    for name, rule in mixin().items():
        used = set(re.findall(r"\b(?:slawatch|process)_\w+", rule["expr"]))
        assert used <= exposed, name
        labels = {label for metric in used if metric in ours for label in ours[metric][1]}
        asked = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) - {"instance", "job"}
        assert asked <= labels, name


AT = '{job="slawatch",instance="a"'
WELL = {
    f"up{AT}}}": "1x120",
    f"slawatch_ready{AT}}}": "1x120",
    f'slawatch_shard_lag_seconds{AT},shard="0"}}': "0x120",
    f"slawatch_ingest_open{AT}}}": "1x120",
    f"slawatch_journal_position{AT}}}": "100+10x120",
    f"slawatch_disk_free_bytes{AT}}}": "500000000000-1000000x120",
    f"slawatch_audit_findings{AT}}}": "0x120",
    f"slawatch_audit_seconds{AT}}}": "30+30x120",
    f"slawatch_heartbeat_seconds{AT}}}": "30+30x120",
    f'slawatch_deliveries_total{AT},channel="w",result="ok"}}': "0+1x120",
    f'slawatch_deliveries_total{AT},channel="w",result="rate_limited"}}': "0x120",
    f'slawatch_delivery_seconds_bucket{AT},channel="w",le="2"}}': "0+1x120",
    f'slawatch_delivery_seconds_bucket{AT},channel="w",le="300"}}': "0+1x120",
    f'slawatch_delivery_seconds_bucket{AT},channel="w",le="+Inf"}}': "0+1x120",
    f"slawatch_influx_age_seconds{AT}}}": "12x120",
    f'slawatch_influx_dropped_total{AT},reason="full"}}': "7x120",
    f'slawatch_source_blind{AT},source="erp"}}': "0x120",
    f'slawatch_events_total{AT},source="erp",result="accepted"}}': "0+1000x120",
    f'slawatch_events_total{AT},source="erp",result="rejected"}}': "0+1x120",
    f'slawatch_part_failures_total{AT},part="sender"}}': "1x120",
    f'slawatch_limit_reached_total{AT},limit="shops"}}': "1x120",
    f"slawatch_platforms_without_pack{AT}}}": "0x120",
    f"process_start_time_seconds{AT}}}": "5x120",
    f'slawatch_desk_leads{AT},desk="1"}}': "1x120",
    f'slawatch_desk_leads{AT},desk="2"}}': "0x120",
    f'slawatch_shards{AT},state="held"}}': "4x120",
    f'slawatch_shards{AT},state="blind"}}': "0x120",
    f'slawatch_shard_checkpoint_age_seconds{AT},shard="0"}}': "30x120",
    f"slawatch_rebalances_total{AT}}}": "2x120",
}
# What each alert is for: the series that tell of it, in place of those of a system that is well.
ILL = {
    "SlawatchDown": {f"up{AT}}}": "0x120"},
    "SlawatchAbsent": {f"up{AT}}}": "_x120"},
    "SlawatchNotReady": {f"slawatch_ready{AT}}}": "0x120"},
    "SlawatchBehind": {f'slawatch_shard_lag_seconds{AT},shard="0"}}': "45x120"},
    "SlawatchIngestClosed": {f"slawatch_ingest_open{AT}}}": "0x120"},
    "SlawatchDiskFilling": {f"slawatch_disk_free_bytes{AT}}}": "20000000000-10000000x120"},
    "SlawatchAlertsNotLeaving": {f"slawatch_audit_findings{AT}}}": "1x120"},
    "SlawatchAuditorSilent": {f"slawatch_audit_seconds{AT}}}": "30x120"},
    "SlawatchHeartbeatStale": {f"slawatch_heartbeat_seconds{AT}}}": "30x120"},
    "SlawatchDeliveriesFail": {
        f'slawatch_deliveries_total{AT},channel="w",result="ok"}}': "_x120",  # none was ever taken
        f'slawatch_deliveries_total{AT},channel="w",result="rate_limited"}}': "0+1x120",
    },
    "SlawatchAlertsLate": {f'slawatch_delivery_seconds_bucket{AT},channel="w",le="2"}}': "0x120"},
    "SlawatchChartsBehind": {f"slawatch_influx_age_seconds{AT}}}": "0+30x120"},
    "SlawatchChartsLost": {f'slawatch_influx_dropped_total{AT},reason="full"}}': "7+50x120"},
    "SlawatchSourceBlind": {f'slawatch_source_blind{AT},source="erp"}}': "1x120"},
    "SlawatchEventsRefused": {f'slawatch_events_total{AT},source="erp",result="rejected"}}': "0+20x120"},
    "SlawatchPartFails": {f'slawatch_part_failures_total{AT},part="sender"}}': "0+1x120"},
    "SlawatchLimitReached": {f'slawatch_limit_reached_total{AT},limit="shops"}}': "0+1x120"},
    "SlawatchPlatformWithoutPack": {f"slawatch_platforms_without_pack{AT}}}": "1x120"},
    "SlawatchRestarts": {f"process_start_time_seconds{AT}}}": "0+30x120"},
    "SlawatchNoDeskLeads": {f'slawatch_desk_leads{AT},desk="1"}}': "0x120"},
    "SlawatchTwoDesksLead": {f'slawatch_desk_leads{AT},desk="2"}}': "1x120"},
    "SlawatchShardsNotHeld": {f'slawatch_shards{AT},state="blind"}}': "1x120"},
    "SlawatchCheckpointOld": {f'slawatch_shard_checkpoint_age_seconds{AT},shard="0"}}': "900x120"},
    "SlawatchRebalances": {f"slawatch_rebalances_total{AT}}}": "0+1x120"},
}


def scene(series, *firing):
    """An hour of series every 30 s, and what fires at their end."""
    return {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in (WELL | series).items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "59m",
                "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in firing],
            }
        ],
    }


@pytest.mark.live
@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool: install one (Debian: prometheus)")
def test_each_alert_fires_of_what_it_is_for_and_of_nothing_else(tmp_path):
    """Prometheus' own tool: all alerts over a system that is well, and over one in which a thing is wrong."""
    assert ILL.keys() == mixin().keys()
    config = MIXIN.with_name("prometheus.yaml")
    tests = [scene({}), *(scene(series, name) for name, series in ILL.items())]
    asked = tmp_path / "tests.yaml"
    asked.write_text(
        yaml.safe_dump({"rule_files": [str(MIXIN)], "evaluation_interval": "30s", "tests": tests})
    )
    for command in (("check", "config", str(config)), ("test", "rules", str(asked))):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
