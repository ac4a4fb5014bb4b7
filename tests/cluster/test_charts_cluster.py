"""A cluster's figures in InfluxDB: a worker writes those of its shards, a desk what it sent."""

from __future__ import annotations

import json
import time

import pytest
from kafka import KafkaProducer

from tests.cluster.workers import Desk, begin, message
from tests.servers.wecom import Wecom
from tests.waiting import PATIENCE_S, eventually

pytestmark = [pytest.mark.live]


def found(server, bucket, measurement, field):
    flux = f'from(bucket: "{bucket.name}") |> range(start: -1h)'
    flux += f' |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}") |> last()'
    return server.query(flux)


def late_of(server, bucket):
    return {one["shop"]: one["_value"] for one in found(server, bucket, "sla_line", "late")}


def test_a_miss_in_a_cluster_is_in_the_charts(
    kafka, postgres_server, influx_server, topic_name, tmp_path, monkeypatch
):
    bucket = influx_server.new_bucket()
    named = {
        "URL": bucket.url,
        "ORG": bucket.org,
        "BUCKET": bucket.name,
        "TOKEN": bucket.token,
        "EVERY": "1s",
    }
    for name, value in named.items():
        monkeypatch.setenv(f"SLAWATCH_INFLUX__{name}", value)
    database = postgres_server.new_database()
    (worker,) = begin(tmp_path, kafka.bootstrap, database, topic_name, 1)
    with Wecom() as wecom:
        desk = Desk(tmp_path / "desk", kafka.bootstrap, database, topic_name, wecom.url)
        with worker, desk:
            for process in (worker, desk):
                process.start()
            eventually(worker.ready, what="the worker ready")
            event = message("1-ask", time.time_ns() // 1_000_000, "s1", 1, "customer")
            producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
            producer.send(topic_name, key=b"mall:s1", value=json.dumps(event).encode()).get(PATIENCE_S)
            producer.close()
            (sent,) = eventually(
                lambda: found(influx_server, bucket, "sla_delivery", "count"),
                what="the delivery in the charts",
            )
            assert (sent["result"], sent["_value"]) == ("ok", "1")
            eventually(lambda: late_of(influx_server, bucket) == {"s1": "1"}, what="the miss in the charts")

            def alerts():
                all_of = found(influx_server, bucket, "sla_alert", "severity")
                return [(one["shop"], one["_value"]) for one in all_of if one["rule"] == "a-miss"]

            def roles():
                return {one["role"] for one in found(influx_server, bucket, "sla_self", "ready")}

            eventually(lambda: alerts() == [("s1", "2")], what="the alert in the charts")
            eventually(lambda: roles() == {"worker", "desk"}, what="both processes in the charts")
            eventually(lambda: worker.metric("slawatch_influx_up") == "1.0", what="that it says so")
            assert b"a-token-of-tests" not in (worker.folder / "log").read_bytes()
