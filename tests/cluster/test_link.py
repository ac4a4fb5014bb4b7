"""What may be said of the link, what is refused, and that the password is never shown."""

from __future__ import annotations

import logging
import subprocess
import sys
from logging.handlers import BufferingHandler

import pytest
from kafka.errors import KafkaTimeoutError
from structlog.testing import capture_logs

from monitor.configuration import ConfigurationError
from monitor.errors import MonitorError
from monitor.runtime.cluster.link import Link, link_of, logged, told
from monitor.settings import load_settings


def settings(tmp_path, text):
    path = tmp_path / "slawatch.yaml"
    path.write_text(text)
    return load_settings(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kafka: {brokers: broker-1}", "brokers"),
        ("kafka: {sasl: scram-sha-256, user: a}", "`sasl` needs `user`, and `password`"),
        ("kafka: {sasl: plain, user: a, password: pw}", "sends the password in clear"),
        ("kafka: {ca_file: ca.pem}", "mean nothing without `tls: true`"),
        ("kafka: {tls: true, cert_file: me.pem}", "go together"),
        ("kafka: {password: hush, password_file: f}", "either `password` or `password_file`"),
        ("kafka: {session_timeout: 1s}", "session_timeout"),
        ("kafka: {topik: x}", "did you mean topic"),
        ("postgres: {url: postgresql://me:hush@db/sla}", "give it as `password_file`"),
        ("postgres: {url: postgresql://me:hu/hush@db/sla}", "give it as `password_file`"),
        ("postgres: {url: postgresql://me:hush?@db/sla}", "give it as `password_file`"),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend_and_without_the_password(tmp_path, text, says):
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, text)
    assert says in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_password_comes_from_a_file_and_is_shown_nowhere(tmp_path):
    (tmp_path / "pw").write_text("hush-hush\n")
    text = "kafka: {brokers: 'a:1, b:2', sasl: scram-sha-512, user: me, password_file: pw}"
    found = settings(tmp_path, text)
    link = link_of(found.kafka, tmp_path)
    assert link.brokers == ("a:1", "b:2")
    assert link.options()["sasl_plain_password"] == "hush-hush"
    assert link.options()["security_protocol"] == "SASL_PLAINTEXT"
    assert "hush" not in repr(link) + repr(found)


def test_the_environment_may_hold_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SLAWATCH_KAFKA__SASL", "scram-sha-256")
    monkeypatch.setenv("SLAWATCH_KAFKA__USER", "me")
    monkeypatch.setenv("SLAWATCH_KAFKA__PASSWORD", "hush-hush")
    found = load_settings()
    assert link_of(found.kafka, tmp_path).password == "hush-hush"
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kafka: {sasl: scram-sha-256, user: a, password_file: gone}", "gone: No such file"),
        ("kafka: {tls: true, ca_file: gone.pem}", "kafka.ca_file: gone.pem: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, says):
    with pytest.raises(ConfigurationError, match=says):
        link_of(settings(tmp_path, text).kafka, tmp_path)


@pytest.mark.parametrize(
    ("telling", "mend"),
    [
        (
            "[Error 58] SaslAuthenticationFailedError: Authentication failed",
            "see kafka.sasl, user and password",
        ),
        (
            "InvalidReceiveError: Invalid frame length: 352518912",
            "no listeners of Kafka without TLS: see kafka.tls",
        ),
    ],
)
def test_who_waits_logs_at_once_why_and_none_of_the_clients_lines_are_there(telling, mend):
    """A reason that says more is kept also where the broker only hung up at first."""
    reached = BufferingHandler(100)  # what reaches the log of a process; pytest's own has the rest as well
    logging.getLogger().addHandler(reached)

    def waits():
        with told(Link(("a:1",)), logged):
            for why in ("socket disconnected", telling, "socket disconnected"):
                line = "Bootstrap connection to bootstrap-0 failed: %s (backoff 0.09 secs)"
                logging.getLogger("kafka.net.manager").warning(line, why)
            raise KafkaTimeoutError

    with capture_logs() as lines, pytest.raises(MonitorError) as raised:
        waits()
    logging.getLogger().removeHandler(reached)
    assert [one.getMessage() for one in reached.buffer] == []
    assert [(one["event"], one["problem"].split(";")[0]) for one in lines] == [
        ("no broker is reached so far", "kafka: a:1: socket disconnected")
    ]
    assert str(raised.value).startswith(f"kafka: a:1: {telling}; {mend}")


@pytest.mark.parametrize(
    "command",
    [["replay", "--kafka"], ["simulate", "--kafka"], ["topics", "check"]],
    ids=lambda words: words[0],
)
def test_a_command_says_at_once_why_it_waits(tmp_path, command):
    """It gave up after a quarter or half of a minute, and had said nothing until then."""
    (tmp_path / "slawatch.yaml").write_text("kafka: {brokers: '127.0.0.1:1'}\n", "utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stderr.readline()
        waits = process.poll() is None
        process.kill()
    assert waits
    assert line.startswith("slawatch: no broker is reached so far: kafka: 127.0.0.1:1: ")
    assert line.endswith("ECONNREFUSED; see that the brokers run, and kafka.brokers\n")
