"""``slawatch refused-points``: what InfluxDB refused is listed, sent again once mended, or dropped."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from monitor.cli import slawatch
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_spool import Spool
from tests.waiting import eventually

TIME_NS = 1_795_000_000_000_000_000


@pytest.fixture
def conf(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "slawatch.yaml"
    path.write_text("data: data\n", "utf-8")
    return path


@pytest.fixture
def refusing(influx_server, conf):
    """A bucket in which ``asked`` is a text, and the sink of a daemon that writes it as a number."""
    bucket = influx_server.new_bucket()
    influx_server.write(bucket, [f'sla_line,shop=s1 asked="many" {TIME_NS}'])
    link = Link(bucket.url, bucket.org, bucket.name, lambda: bucket.token)
    sink = InfluxSink(Spool(conf.parent / "data" / "influx.db", 1 << 30, 1 << 50), link, lambda: 1)
    sink.start()
    sink.put([f"sla_line,shop=s1 asked=1i {TIME_NS + 1}", f"sla_shop,shop=s1 waiting=1i {TIME_NS}", "wrong"])
    eventually(lambda: sink.dropped == {"refused": 2} and not sink.waiting)
    yield bucket, sink
    sink.close()


def said(conf, *args):
    done = CliRunner().invoke(slawatch, ["--config", str(conf), "refused-points", *args])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_was_refused_is_listed_with_the_servers_words_and_shown_line_by_line(conf, refusing):
    listed = json.loads(said(conf, "list", "--format", "json"))
    assert {(one["status"], len(one["lines"])) for one in listed} == {(400, 1), (422, 2)}
    conflict = next(one for one in listed if one["status"] == 422)
    assert "dropped=1" in conflict["words"]
    assert said(conf, "show", str(conflict["id"])).splitlines() == conflict["lines"]
    table = said(conf, "list")
    assert "missing fields" in table
    assert "field type conflict" in table


def test_once_mended_it_is_sent_again_beside_the_daemon_and_kept_no_longer(conf, refusing, influx_server):
    bucket, sink = refusing
    influx_server.delete_bucket(bucket)
    influx_server.new_bucket(bucket.name)
    assert said(conf, "replay", "--all") == "3 lines wait to be sent\n"
    sink.put([f"sla_shop,shop=s2 waiting=1i {TIME_NS}"])  # the next figures of the daemon
    eventually(lambda: influx_server.points(bucket) == 3, what="what was refused")
    eventually(lambda: sink.dropped == {"refused": 3} and not sink.waiting)
    (left,) = json.loads(said(conf, "list", "--format", "json"))
    assert left["lines"] == ["wrong"], "refused again, kept again"


def test_what_nobody_needs_is_dropped_and_an_id_that_is_not_there_drops_nothing(conf, refusing):
    ids = [str(one["id"]) for one in json.loads(said(conf, "list", "--format", "json"))]
    done = CliRunner().invoke(slawatch, ["--config", str(conf), "refused-points", "drop", ids[0], "77"])
    assert "no refused points 77" in str(done.exception)
    assert len(json.loads(said(conf, "list", "--format", "json"))) == 2
    said(conf, "drop", ids[0])
    assert said(conf, "drop", "--all").endswith("lines dropped\n")
    assert said(conf, "list") == "nothing was refused\n"


@pytest.mark.parametrize("args", [["replay"], ["drop"], ["drop", "1", "--all"]])
def test_nothing_is_sent_or_dropped_without_saying_what(conf, args):
    done = CliRunner().invoke(slawatch, ["--config", str(conf), "refused-points", *args])
    assert done.exit_code == 2
    assert "name ids, or --all" in done.output


def test_where_nothing_was_ever_written_nothing_was_refused(conf):
    assert said(conf, "list") == "nothing was refused\n"
    assert not (conf.parent / "data" / "influx.db").exists()


def test_what_the_disk_has_damaged_can_still_be_dropped(conf, refusing):
    with closing(sqlite3.connect(conf.parent / "data" / "influx.db")) as db, db:
        db.execute("UPDATE refused SET body = x'00'")
    assert "3 lines dropped" in said(conf, "drop", "--all")
    assert "nothing was refused" in said(conf, "list")
