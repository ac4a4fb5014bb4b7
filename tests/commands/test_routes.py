"""`slawatch routes test`: who would be told, on the files as they are."""

import json

import pytest

from monitor.cli import slawatch

ALERTING = """
accounts: {bot: {type: console}, phone: {type: console}}
receivers: {managers: {accounts: [bot]}, boss: {accounts: [phone], to: [laowang]}}
default: managers
mute_times: {nights: {when: [{hours: ["22:00-08:00"]}]}}
escalations: {up: [{after: 3m, receivers: [boss]}]}
route:
  routes:
    - {match: {severity: warn}, mute: [nights]}
    - {name: urgent, match: {tier: A}, escalate: up}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alerting.yaml").write_text(ALERTING, "utf-8")
    (tmp_path / "shops.yaml").write_text("shops: {'pinduoduo:s1': {tier: A}}", "utf-8")
    (tmp_path / "people.yaml").write_text("people: {laowang: {phone: '13800000001'}}", "utf-8")
    return tmp_path


def run(*args):
    from click.testing import CliRunner

    return CliRunner().invoke(slawatch, ["routes", "test", *args], catch_exceptions=False)


def test_a_critical_alert_of_a_shop_climbs(folder):
    told = run("severity=crit", "shop=pinduoduo:s1", "--at", "2026-11-23T23:00:00+08:00", "--format", "json")
    found = json.loads(told.stdout)
    assert found["routes"] == ["urgent"]
    assert [(w["stage"], w["receiver"], w["account"], w["people"], w["held_by"]) for w in found["ways"]] == [
        (0, "managers", "bot", [], ""),
        (1, "boss", "phone", ["laowang"], ""),
    ]


def test_a_warning_at_night_waits_for_the_morning(folder):
    told = run("severity=warn", "tier=A", "platform=jd", "--at", "2026-11-23T23:00:00+08:00")
    assert "mute time nights" in told.stdout
    assert "11-24 " in told.stdout


def test_what_is_expected_is_held_against_it(folder):
    assert run("severity=crit", "tier=A", "--expect", "managers").exit_code == 0
    wrong = run("severity=crit", "tier=A", "--expect", "boss")
    assert (wrong.exit_code, wrong.stderr) == (1, "expected boss, but it is managers\n")


def test_a_label_that_there_is_not_is_named(folder):
    wrong = run("colour=red")
    assert (wrong.exit_code, "'colour=red' is not NAME=VALUE with a name of" in wrong.output) == (2, True)
