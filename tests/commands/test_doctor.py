"""The doctor: every mistake named, status 1 only where the daemon could not work."""

from __future__ import annotations

import json
import socket

import pytest

from monitor.commands.doctor import _holds
from monitor.runtime.embedded import owned
from tests.commands.test_cli import slawatch


@pytest.fixture
def conf(tmp_path):
    assert slawatch("init", "conf", cwd=tmp_path).returncode == 0
    with socket.socket() as door:  # a port nobody else has now
        door.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{door.getsockname()[1]}"
    path = tmp_path / "conf" / "slawatch.yaml"
    path.write_text(path.read_text().replace("127.0.0.1:8700", listen))
    return path


def examine(path):
    done = slawatch("--config", str(path), "doctor", "--format", "json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def failures(findings):
    return [finding["what"] for finding in findings if finding["state"] == "fail"]


def test_a_starter_configuration_is_healthy(conf):
    status, findings = examine(conf)
    assert (status, failures(findings)) == (0, [])


def test_what_shops_say_is_compared_with_the_packs_as_a_start_does(conf):
    (conf.parent / "shops.yaml").write_text(
        "shops:\n  pinduoduo:s1: {lines: {pdd-90: {at_least: 92%}}}\n  pdd:s2: {name: x}\n"
    )
    status, findings = examine(conf)
    (failure,) = failures(findings)
    assert (status, failure.partition(": ")[2]) == (
        1,
        (
            "its pack has no such line, found 'pdd-90', allowed pdd-reply-50 pdd-reply-90 pdd-intervention,"
            " did you mean pdd-reply-90?"
        ),
    )
    (conf.parent / "shops.yaml").write_text("shops:\n  pdd:s2: {name: x}\n")
    status, findings = examine(conf)
    assert status == 0
    assert any(
        one["what"].startswith("shops of platform 'pdd': no pack counts them, 1 named") for one in findings
    )


def test_every_mistake_of_every_file_is_named(conf):
    """A misspelt figure in a rule, and an unknown key of a shop, in one run."""
    rules = conf.parent / "rules" / "pinduoduo.yaml"
    rules.write_text(rules.read_text().replace("budget_left_today", "budget_left_todya", 1))
    (conf.parent / "shops.yaml").write_text("shops:\n  pinduoduo:s1: {nmae: x}\n")
    status, findings = examine(conf)
    assert status == 1
    found = "\n".join(failures(findings))
    assert f"{rules}:" in found
    assert "did you mean budget_left_today?" in found
    assert "shops.yaml:2:" in found


def test_a_mistake_in_the_configuration_hides_none_in_what_it_names(conf):
    """Unknown keys, a bad address and a key given twice, each at its place; then the rules and the shops."""
    conf.write_text(
        "listen_to: everybody\nlisten: 127.0.0.1\nlog: {level: loud}\nlateness: 5m\nlateness: 6m\n"
    )
    rules = conf.parent / "rules" / "pinduoduo.yaml"
    rules.write_text(rules.read_text().replace("budget_left_today", "budget_left_todya", 1))
    (conf.parent / "shops.yaml").write_text("shops:\n  pinduoduo:s1: {nmae: x}\n")
    status, findings = examine(conf)
    found = failures(findings)
    assert status == 1
    for mistake in (
        f"{conf}:1:1: unknown key `listen_to`, did you mean listen?",
        (
            f"{conf}:2:1: `listen`: must be an address and a port, such as 127.0.0.1:8700 or [::1]:8700, "
            "found '127.0.0.1'"
        ),
        f"{conf}:3:7: `log.level`: Input should be 'debug', 'info', 'warning' or 'error', found 'loud'",
        f"{conf}:5:1: `lateness` is given twice",
    ):
        assert mistake in found, mistake
    assert any("did you mean budget_left_today?" in one for one in found)
    assert any("shops.yaml:2:" in one for one in found)


def test_an_open_door_without_a_token_is_refused(conf):
    conf.write_text(conf.read_text().replace("listen: 127.0.0.1", "listen: 0.0.0.0"))
    status, findings = examine(conf)
    assert status == 1
    assert "slawatch tokens add" in "\n".join(failures(findings))


def test_a_taken_address_is_told(conf):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = conf.read_text()
        listen = text[text.index("listen: ") :].splitlines()[0]
        conf.write_text(text.replace(listen, f"listen: 127.0.0.1:{port}"))
        status, findings = examine(conf)
    assert status == 1
    assert failures(findings) == [f"127.0.0.1:{port}: Address already in use"]


def test_a_folder_that_a_worker_shares_is_no_running_daemons(tmp_path):
    with owned(tmp_path, shared=True):
        assert not _holds(tmp_path)
    with owned(tmp_path):
        assert _holds(tmp_path)


def test_a_mistake_in_the_configuration_is_placed(conf):
    conf.write_text(conf.read_text() + "\nlisten_to: everybody\n")
    status, findings = examine(conf)
    assert status == 1
    assert "listen_to" in failures(findings)[0]
    assert "did you mean listen?" in failures(findings)[0]


def test_who_can_acknowledge_from_nowhere_is_told_so(conf):
    """A group bot alone has no buttons, and without an address messages carry no link."""
    alerting = conf.parent / "alerting.yaml"
    bot = "  group: {type: wecom_bot, key: k}\n"
    text = alerting.read_text("utf-8")
    alerting.write_text(text.replace("accounts:\n", f"accounts:\n{bot}", 1), "utf-8")

    def warned():
        return [one for one in examine(conf)[1] if "acknowledge from the phone" in one["what"]]

    (finding,) = warned()
    assert (finding["state"], "public_url" in finding["mend"]) == ("warn", True)
    conf.write_text(conf.read_text() + "\npublic_url: https://sla.example\n")
    assert warned() == []
