"""From the topic to the phone: a worker finds it, the leading desk decides, a sender tells, each once."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from kafka import KafkaProducer

from tests.cluster.workers import Desk, begin, message
from tests.servers.wecom import Wecom
from tests.waiting import PATIENCE_S, eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]


def ask(brokers, topic, n, shop):
    event = message(f"{n}-ask", time.time_ns() // 1_000_000, shop, n, "customer")
    producer = KafkaProducer(bootstrap_servers=brokers)
    producer.send(topic, key=f"mall:{shop}".encode(), value=json.dumps(event).encode()).get(PATIENCE_S)
    producer.close()


def acknowledged(desk):
    return [alert["acknowledged_by"] for alert in desk.get("/api/v1/alerts")["alerts"]] == ["local"]


def leads(desks):
    return [desk for desk in desks if desk.metric("slawatch_desk_leads") == "1.0"]


def shops_of(desk):
    return {alert["subject"]["shop"] for alert in desk.get("/api/v1/alerts")["alerts"]}


def told_of(wecom, shop):
    return [text for text in wecom.fake.texts() if f"mall:{shop}" in text]


def test_a_miss_is_told_once_also_when_the_leading_desk_is_killed(
    kafka, postgres_server, topic_name, tmp_path
):
    database = postgres_server.new_database()
    (worker,) = begin(tmp_path, kafka.bootstrap, database, topic_name, 1)
    with Wecom() as wecom:
        desks = [Desk(tmp_path / f"d{n}", kafka.bootstrap, database, topic_name, wecom.url) for n in range(2)]
        with worker, desks[0], desks[1]:
            for process in (worker, *desks):
                process.start()
            eventually(worker.ready, what="the worker ready")
            eventually(lambda: all(desk.ready() for desk in desks), what="both desks ready")
            ask(kafka.bootstrap, topic_name, 1, "s1")
            eventually(lambda: told_of(wecom, "s1"), what="the first miss told")
            sent = "select state from delivery"
            eventually(lambda: postgres_server.execute(database, sent) == [("accepted",)], what="it recorded")
            eventually(lambda: len(leads(desks)) == 1, what="that one leads")
            leading = leads(desks)
            (other,) = [desk for desk in desks if desk is not leading[0]]
            eventually(lambda: other.get("/api/v1/alerts")["alerts"], what="who follows shows it as well")
            (alert,) = other.get("/api/v1/alerts")["alerts"]
            status, answer = other._ask("POST", f"/api/v1/alerts/{quote(alert['id'])}/ack")
            assert (status, answer.get("acknowledged")) == (200, alert["id"]), answer
            eventually(lambda: acknowledged(leading[0]), what="who leads knows it")
            leading[0].kill()
            ask(kafka.bootstrap, topic_name, 2, "s2")
            eventually(lambda: told_of(wecom, "s2"), what="the second miss told by the other desk")
            eventually(lambda: shops_of(other) == {"mall:s1", "mall:s2"}, what="the alerts of the other desk")
            pass_real_time(2)
            assert [len(told_of(wecom, shop)) for shop in ("s1", "s2")] == [1, 1]
            assert shops_of(other) == {"mall:s1", "mall:s2"}
            assert other.stop() == 0
            assert worker.stop() == 0
