"""The doctor and InfluxDB: what is missing is named with its command, and made when asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import slawatch
from monitor.settings_influx import InfluxSettings
from monitor.sinks import influx_limits, influx_setup
from tests.commands.test_doctor import conf, examine, failures  # noqa: F401 - a fixture
from tests.servers.influx import ORG, TOKEN, Bucket
from tests.servers.influx_standin import DRIPS, Reply, Standin
from tests.waiting import eventually


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


def of_setup(lines):
    """Without what is said of the way of figures themselves."""
    return [line for line in lines if "takes figures" not in line]


def test_buckets_and_tasks_are_named_when_missing_made_once_and_found_afterwards(charted, influx_server):
    status, lines = said(charted)
    assert status == 0  # figures would wait on disk; nothing that decides needs them
    assert not any("takes figures" in line for line in lines)
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
    assert f"ok    influx: {influx_server.url} takes figures for bucket figures" in again[0]
    assert all(line.startswith("ok") and "made" not in line for line in again)
    found = influx_server.ask("GET", "/api/v2/buckets", params={"org": ORG, "name": "figures"}).json()
    assert found["buckets"][0]["retentionRules"][0]["everySeconds"] == 90 * 86_400


def test_a_bucket_that_keeps_another_time_is_told_and_left_alone(charted, influx_server):
    """A shorter time would delete points at once."""
    influx_server.new_bucket("figures")
    lines = of_setup(said(charted, "--setup")[1])
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


def rights(influx_server, *wanted):
    """A token that may do no more than named."""
    asked = {"orgID": influx_server._org_id(), "permissions": list(wanted)}
    return influx_server.ask("POST", "/api/v2/authorizations", json=asked).json()["token"]


def test_the_token_that_the_documents_ask_for_is_enough_and_says_what_it_cannot_see(charted, influx_server):
    """It may write to the bucket and see nothing: no bucket is called missing for that."""
    influx_server.new_bucket("figures")
    (charted.parent / "influx.token").write_text(
        rights(influx_server, {"action": "write", "resource": {"type": "buckets"}})
    )
    status, lines = said(charted)
    assert status == 0
    assert [line.split("; ")[0] for line in lines] == [
        f"ok    influx: {influx_server.url} takes figures for bucket figures",
        "ok    influx: the token writes, buckets and tasks are not looked at",
    ]
    status, lines = said(charted, "--setup")
    assert (status, sum("influx bucket create" in line for line in lines)) == (1, 2)


def test_a_token_that_may_not_write_is_found_though_another_sets_up(charted, influx_server, monkeypatch):
    influx_server.new_bucket("figures", retention_s=90 * 86_400)
    monkeypatch.setenv("SLAWATCH_SECRET_INFLUX_SETUP", TOKEN)
    (charted.parent / "influx.token").write_text(
        rights(influx_server, {"action": "read", "resource": {"type": "buckets"}})
    )
    status, lines = said(charted, "--setup")
    assert status == 1
    assert lines[0].startswith("FAIL")
    assert "insufficient permissions for write" in lines[0]
    assert "influx.token_file" in lines[0]
    assert any("task 'slawatch half-hours', made now" in line for line in lines)


def test_a_bucket_of_the_same_name_in_another_organisation_is_not_ours(charted, influx_server):
    influx_server.new_bucket("figures")
    other = f"other-{time.time_ns()}"
    influx_server.ask("POST", "/api/v2/orgs", json={"name": other})
    charted.write_text(charted.read_text().replace(f"org: {ORG}", f"org: {other}"))
    _, lines = said(charted)
    assert lines[0].startswith("warn  influx: no bucket figures; ")


def test_an_organisation_that_is_not_there_is_said_with_the_commands(charted):
    charted.write_text(charted.read_text().replace(f"org: {ORG}", "org: nobodys"))
    status, lines = said(charted, "--setup")
    assert status == 1
    assert "nobodys" in lines[0]
    assert sum("influx bucket create --org nobodys" in line for line in lines) == 2


def test_a_name_that_flux_would_work_out_stays_a_name(charted, influx_server):
    """A task made of it runs on that bucket and no other."""
    influx_server.forget("thinned")
    settings = InfluxSettings(url=influx_server.url, org=ORG, bucket="thinned ${1 + 1}' |>")
    assert {one.state for one in influx_setup.set_up(settings, TOKEN, Path(), make=True)} == {"made"}
    half_ns = 1_800 * 10**9
    edge_ns = time.time_ns() // half_ns * half_ns
    bucket = type(influx_server.new_bucket())(influx_server.url, settings.bucket)
    influx_server.write(bucket, [f"sla_line,shop=s1 asked=7i {edge_ns - 10**9}"])
    influx_server.query(influx_setup.tasks(settings)[0].flux)
    found = influx_server.query(
        f'from(bucket: "{influx_setup._text(settings.bucket)}-half-hours") |> range(start: -1d)'
    )
    assert [row["_value"] for row in found] == ["7"]


def test_a_task_that_is_paused_or_fails_is_not_called_well(charted, influx_server):
    said(charted, "--setup")
    task = influx_server.ask("GET", "/api/v2/tasks", params={"name": influx_setup.TASK}).json()["tasks"][0]
    influx_server.ask("PATCH", f"/api/v2/tasks/{task['id']}", json={"status": "inactive"})
    _, lines = said(charted, "--setup")
    (paused,) = [line for line in lines if line.startswith("warn")]
    assert f"task 'slawatch half-hours' is paused; influx task update --id {task['id']}" in paused
    influx_server.ask("PATCH", f"/api/v2/tasks/{task['id']}", json={"status": "active"})
    place = f"/api/v2/tasks/{task['id']}"
    influx_server.delete_bucket(Bucket(influx_server.url, "figures-half-hours"))
    influx_server.ask("POST", f"{place}/runs", json={})
    eventually(lambda: influx_server.ask("GET", place).json().get("lastRunStatus") == "failed")
    _, lines = said(charted)
    assert any(
        "task 'slawatch half-hours' failed: " in line
        and f"influx task log list --task-id {task['id']}" in line
        for line in lines
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>log in</html>"),
        (200, "null"),
        (200, "[1]"),
        (401, '{"code":"unauthorized","message":"\\u001b[2Jgone"}'),
        (500, "x"),
        (302, ""),
    ],
)
def test_whoever_answers_in_its_place_is_one_line_and_no_riddle(charted, status, body):
    """No traceback, and nothing that a terminal would obey."""
    with Standin(lambda _: Reply(status, body)) as server:
        text = charted.read_text().splitlines()
        charted.write_text("\n".join([*text[:-1], text[-1].replace(text[-1].split("'")[1], server.url)]))
        done = CliRunner().invoke(slawatch, ["--config", str(charted), "doctor"])
    assert done.exit_code == 1
    lines = [line for line in done.output.splitlines() if "influx:" in line]
    assert lines[0].startswith("FAIL  influx: http://localhost:")
    assert "\x1b" not in done.output


def test_one_that_drips_is_given_up(charted, monkeypatch):
    monkeypatch.setattr(influx_limits, "ASK_S", 0.3)
    with Standin(lambda _: DRIPS) as server:
        text = charted.read_text().splitlines()
        charted.write_text("\n".join([*text[:-1], text[-1].replace(text[-1].split("'")[1], server.url)]))
        status, lines = said(charted)
    assert status == 1
    assert len(lines) == 1
    assert "no whole answer in 0.3 s" in lines[0]
