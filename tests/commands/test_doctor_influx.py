"""The doctor and InfluxDB: what is missing is named with its command, and made when asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import slawatch
from monitor.settings_influx import InfluxSettings
from monitor.sinks import influx_setup
from tests.commands.test_doctor import conf, examine, failures  # noqa: F401 - a fixture
from tests.servers.influx import ORG, TOKEN


@pytest.fixture
def charted(conf, influx_server):  # noqa: F811 - the fixture
    influx_server.forget("figures")
    (conf.parent / "influx.token").write_text(TOKEN)
    settings = (
        f"influx: {{url: '{influx_server.url}', org: {ORG}, bucket: figures, token_file: influx.token}}"
    )
    conf.write_text(f"{conf.read_text()}\n{settings}\n")
    return conf


def said(path, *options):
    done = CliRunner().invoke(slawatch, ["--config", str(path), "doctor", *options])
    return done.exit_code, [line for line in done.output.splitlines() if "influx:" in line]


def test_buckets_and_tasks_are_named_when_missing_made_once_and_found_afterwards(charted, influx_server):
    status, lines = said(charted)
    assert status == 0  # figures would wait on disk; nothing that decides needs them
    assert [line.split("; ")[0] for line in lines if line.startswith("warn")][:2] == [
        "warn  influx: no bucket figures",
        "warn  influx: no bucket figures-half-hours",
    ]
    assert "influx bucket create --org acme --name figures --retention 7776000s" in lines[0]
    _, lines = said(charted, "--setup")
    assert [line.split("influx: ")[1].rstrip("; ") for line in lines] == [
        "bucket figures, made now",
        "bucket figures-half-hours, made now",
        "task 'slawatch half-hours', made now",
        "task 'slawatch half-hours, after outages', made now",
    ]
    _, again = said(charted, "--setup")
    assert all(line.startswith("ok") and "made" not in line for line in again)
    found = influx_server.ask("GET", "/api/v2/buckets", params={"org": ORG, "name": "figures"}).json()
    assert found["buckets"][0]["retentionRules"][0]["everySeconds"] == 90 * 86_400


def test_a_bucket_that_keeps_another_time_is_told_and_left_alone(charted, influx_server):
    """A shorter time would delete points at once."""
    influx_server.new_bucket("figures")
    _, lines = said(charted, "--setup")
    assert lines[0].startswith(
        "warn  influx: bucket figures keeps points for ever, not 7776000 s; influx bucket"
    )


def test_a_token_that_may_not_gets_the_commands_instead(charted, influx_server):
    token = charted.parent / "influx.token"
    token.write_text("not-a-token")
    status, lines = said(charted, "--setup")
    assert status == 1
    assert "401" in lines[0]
    assert "not-a-token" not in "".join(lines)
    assert sum("influx bucket create" in line for line in lines) == 2


def test_the_task_keeps_the_last_of_each_half_hour(influx_server):
    """Its Flux, run as it stands over two hours of points: one of each half-hour, its last."""
    influx_server.forget("thinned")
    settings = InfluxSettings(url=influx_server.url, org=ORG, bucket="thinned")
    list(influx_setup.set_up(settings, TOKEN, Path(), make=True))
    whole = type(influx_server.new_bucket())(influx_server.url, "thinned")
    half_ns, now_ns = 1_800 * 10**9, time.time_ns()
    edge_ns = now_ns - now_ns % half_ns
    points = [(edge_ns - half_ns * n - 10**9, 100 - n) for n in range(3)]
    points += [(ns - 60 * 10**9, 0) for ns, _ in points]
    influx_server.write(whole, [f"sla_line,shop=s1 asked={value}i {ns}" for ns, value in points])
    influx_server.write(whole, [f"sla_shop,shop=s1 severity={value % 3}i {ns}" for ns, value in points])
    influx_server.query(influx_setup.tasks(settings)[0].flux)
    flux = 'from(bucket: "thinned-half-hours") |> range(start: -1d) |> filter(fn: (r) => r._field == "asked")'
    assert sorted(row["_value"] for row in influx_server.query(flux)) == ["100", "98", "99"]
    worst = influx_server.query(flux.replace("asked", "severity"))
    assert sorted(row["_value"] for row in worst) == ["0", "1", "2"]
