"""InfluxDB behind TLS whose authority no system knows: named by ``influx.ca_file``, else nothing is sent."""

from __future__ import annotations

import ssl

import pytest
from click.testing import CliRunner

from monitor.cli import slawatch
from monitor.settings_influx import InfluxSettings
from monitor.sinks import influx_limits as limits
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from tests.servers.certificates import own_certificate
from tests.servers.influx import ORG, TOKEN, InfluxServer, missing
from tests.servers.influx_standin import DRIPS, STORED, Standin
from tests.waiting import eventually

LINE = "sla_line,shop=s1 asked=1i 1795000000000000000"
pytestmark = pytest.mark.usefixtures("short_operator_pauses")


@pytest.fixture
def certificate(tmp_path):
    return own_certificate(tmp_path)


@pytest.fixture
def sink_to(tmp_path):
    made = []

    def make(url, bucket, authority):
        spool = Spool(tmp_path / "spool.db", 1 << 30, 1 << 50)
        made.append(InfluxSink(spool, Link(url, ORG, bucket, lambda: TOKEN, authority), lambda: 1))
        made[-1].start()
        made[-1].put([LINE])
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_points_go_to_a_real_influxdb_over_tls_and_the_doctor_looks_at_it(certificate, sink_to, tmp_path):
    with InfluxServer(tls=certificate) as server:
        bucket = server.new_bucket("figures")
        sink = sink_to(server.url, bucket.name, certificate[0])
        eventually(lambda: not sink.waiting and sink.state.sent == 1)
        assert server.points(bucket) == 1
        link = f"url: '{server.url}', org: {ORG}, bucket: figures, token: {TOKEN}"
        assert "ok    influx: bucket figures-half-hours, made now" in doctor(
            tmp_path, f"{{{link}, ca_file: localhost.pem}}"
        )
        unknown = doctor(tmp_path, f"{{{link}}}")
        assert "CERTIFICATE_VERIFY_FAILED" in unknown
        assert "and `ca_file`) lead to it" in unknown
        assert "influx.ca_file: " in doctor(tmp_path, f"{{{link}, ca_file: gone.pem}}")


def doctor(folder, influx):
    path = folder / "slawatch.yaml"
    path.write_text(f"influx: {influx}\n", "utf-8")
    done = CliRunner().invoke(slawatch, ["--config", str(path), "doctor", "--setup"])
    return "\n".join(line for line in done.output.splitlines() if "influx:" in line)


def test_a_server_that_nobody_vouches_for_gets_nothing_until_its_authority_is_named(
    certificate, sink_to, tmp_path
):
    """Neither token nor figures; the file is read again, so that no restart is needed."""
    authority = tmp_path / "authority.pem"
    with Standin(lambda _: STORED, server_context(certificate)) as server:
        sink = sink_to(server.url, "any", authority)
        eventually(lambda: "influx.ca_file: No such file" in sink.state.words and sink.state.way == "refused")
        other = tmp_path / "other"
        other.mkdir()
        authority.write_bytes(own_certificate(other)[0].read_bytes())
        eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in sink.state.words and sink.state.way == "refused")
        assert server.asked == []
        authority.write_bytes(certificate[0].read_bytes())
        eventually(lambda: not sink.waiting)
        assert server.stored == [LINE]


def test_an_answer_that_drips_through_tls_is_given_up_as_well(certificate, sink_to, monkeypatch):
    monkeypatch.setattr(limits, "ASK_S", 0.5)
    with Standin(lambda _: DRIPS, server_context(certificate)) as server:
        sink = sink_to(server.url, "any", certificate[0])
        eventually(lambda: "no whole answer" in sink.state.words)
        server.answer = lambda _: STORED
        eventually(lambda: not sink.waiting)


def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_an_authority_without_tls_is_a_mistake_that_is_told():
    with pytest.raises(ValueError, match="`ca_file` means nothing without a `url` of https"):
        InfluxSettings(url="http://influx:8086", ca_file="ca.pem")
