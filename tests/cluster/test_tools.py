"""Simulated traffic to the topic, and the topic replayed: by itself, since a time, by offsets."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from monitor.errors import MonitorError
from monitor.runtime.cluster import tools
from monitor.runtime.cluster.link import link_of
from tests.cluster import inside
from tests.commands.test_cli import slawatch
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.live


@pytest.fixture
def folder(kafka, topic_name, tmp_path):
    link = f"brokers: '{kafka.bootstrap}', topic: {topic_name}, partitions: 3, replication: 1"
    (tmp_path / "slawatch.yaml").write_text(f"kafka: {{{link}}}\n")
    assert slawatch("topics", "create", cwd=tmp_path).returncode == 0
    return tmp_path


ON_PLATFORM = """
rules:
  - {id: misses, each: platform, measure: reply_rate_3m, warn: {late: ">= 3"}}
"""


def replayed(folder, *options):
    done = slawatch("replay", "--kafka", "--format", "json", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def asked(result):
    return {
        f"{shop['platform']}:{shop['shop_id']}": {
            name: one["30d"]["asked"]
            for name, one in shop["measures"].items()
            if "asked" in one.get("30d", {})
        }
        for shop in result["shops"]
    }


def ends(kafka, topic):
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    places = [TopicPartition(topic, p) for p in range(3)]
    found = consumer.end_offsets(places)
    consumer.close()
    return [found[place] for place in places]


def test_simulated_traffic_reaches_the_topic_and_is_replayed_as_from_a_file(kafka, folder, topic_name):
    yesterday = (datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)).date().isoformat()
    traffic = ("simulate", "--shops", "12", "--day", yesterday, "--hours", "0.5", "--speed", "0")
    sent = slawatch(*traffic, "--kafka", cwd=folder)
    assert sent.returncode == 0, sent.stderr
    assert sent.stderr.startswith("sent ")
    events = int(sent.stderr.split()[1])
    assert events > 100
    before = ends(kafka, topic_name)
    assert sum(before) == events
    assert all(before), "every partition has shops"
    result, _ = replayed(folder)
    counts = result["events"]
    assert counts["read"] == events
    assert counts["rejected"] == 0
    assert ends(kafka, topic_name) == before, "nothing was written"
    parts = [replayed(folder, "--partition", str(p))[0] for p in range(3)]
    assert sum(part["events"]["read"] for part in parts) == events
    assert {shop: figures for part in parts for shop, figures in asked(part).items()} == asked(result)
    assert sum(sum(figures.values()) for figures in asked(result).values()) > 50


@pytest.mark.parametrize(
    ("chosen", "mend"),
    [(True, "begin later (`--since`, `--offsets`), or raise kafka.retention"), (False, "ask again")],
)
def test_records_that_expire_under_a_reader_are_told_and_what_is_behind_them_is_not_left_out(
    settings, tmp_path, monkeypatch, chosen, mend
):
    """As retention takes the oldest segments while all of a topic is read."""
    monkeypatch.setattr(tools, "POLL_RECORDS", 50)
    inside.send(settings, 0, 20_000, shops=1)
    topic = tools.Topic(link_of(settings, tmp_path), settings.topic, tools.Span(), pytest.fail, chosen=chosen)
    records = topic.records()
    next(records)
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    admin.delete_records({place: end - 1_000 for place, (_, end) in topic._left.items() if end})
    admin.close()
    with pytest.raises(MonitorError, match=r"record \d+ expired under the reader") as raised:
        list(records)
    assert raised.value.mend == mend


def test_any_offsets_and_any_times(kafka, folder, topic_name):
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    (folder / "rules").mkdir()
    (folder / "rules" / "all.yaml").write_text(ON_PLATFORM)

    def send(first, count):
        for n in range(first, first + count):
            event = {"type": "message", "id": f"e{n}", "at": time.time_ns() // 1_000_000, "actor": "customer"}
            event |= {
                "platform": "pinduoduo",
                "shop_id": "s1",
                "conversation_id": f"c{n}",
                "customer_id": f"u{n}",
            }
            value = json.dumps(event).encode()
            done = producer.send(topic_name, key=b"pinduoduo:s1", value=value).get(PATIENCE_S)
        return done

    placed = send(0, 10)
    producer.send(topic_name, key=b"pinduoduo:s1", value=b"{nope").get(PATIENCE_S)
    later = send(10, 5)
    producer.close()
    whole, said = replayed(folder)
    assert whole["events"]["accepted"] == 15
    assert whole["events"]["rejected"] == 1
    assert f"partition {placed.partition}, offset 10: not JSON" in said
    where = ("--partition", str(placed.partition))
    part, part_said = replayed(folder, *where, "--offsets", "2:6")
    assert part["events"]["read"] == 4
    partial = f"only shops of partition {placed.partition} are in the sums of: misses"
    assert (partial in said, partial in part_said) == (False, True)
    assert replayed(folder, *where, "--offsets", "12:")[0]["events"]["read"] == 4
    since = replayed(folder, "--since", str(later.timestamp))[0]["events"]["read"]
    assert 1 <= since <= 5, "those of that millisecond and later"
    assert replayed(folder, "--at", str(placed.timestamp))[0]["events"]["read"] >= 10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kafka", "day.ndjson"], "name files, or say --kafka"),
        ([], "name files, or say --kafka"),
        (["--partition", "1", "day.ndjson"], "go with --kafka"),
        (["--kafka", "--offsets", "1:2"], "wants --partition"),
        (["--kafka", "--partition", "77"], "there is no partition 77 of topic"),
    ],
)
def test_what_is_meant_otherwise_is_one_line(folder, options, says):
    done = slawatch("replay", *options, cwd=folder)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_the_doctor_says_what_is_wrong_with_the_topic_and_the_mend(folder):
    def about_kafka():
        done = slawatch("doctor", "--format", "json", cwd=folder)
        return [one for one in json.loads(done.stdout) if "Kafka" in one["what"]]

    assert [one["state"] for one in about_kafka()] == ["ok"]
    path = folder / "slawatch.yaml"
    path.write_text(path.read_text().replace("partitions: 3", "partitions: 5"))
    (finding,) = about_kafka()
    assert finding["state"] in ("warn", "fail")
    assert "partitions" in finding["what"] + finding["mend"]
    assert finding["mend"]
