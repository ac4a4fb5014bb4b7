"""The topic is made as it must be; what is wrong with another is said with its mend, on a real broker."""

from __future__ import annotations

import gc
import warnings

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ACLOperation, ConfigResource, ConfigResourceType, ResourceType

from monitor.errors import MonitorError
from monitor.runtime.cluster import topics
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.topics import check, create, require_usable
from monitor.settings_cluster import KafkaSettings
from tests.commands.test_cli import slawatch
from tests.servers.kafka import PASSWORD, USER
from tests.servers.rights import grant
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.live


@pytest.fixture
def settings(kafka, topic_name):
    return KafkaSettings(brokers=kafka.bootstrap, topic=topic_name, partitions=3, replication=1)


@pytest.fixture
def admin(kafka):
    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    yield client
    client.close()


def found(settings, base=None):
    return [str(finding) for finding in check(link_of(settings, base), settings)]


def test_made_once_it_is_as_it_should_be_and_time_is_the_brokers(settings):
    link = link_of(settings, None)
    assert "there is none that we may see; make it with `slawatch topics create`" in found(settings)[0]
    with pytest.raises(MonitorError, match="there is none"):
        require_usable(link, settings)
    assert create(link, settings)
    assert found(settings) == []
    require_usable(link, settings)
    producer = KafkaProducer(bootstrap_servers=settings.brokers)
    sent = producer.send(settings.topic, b"{}", timestamp_ms=1).get(PATIENCE_S)
    producer.close()
    assert sent.timestamp > 1_700_000_000_000, "the broker's time replaces the sender's"


def test_each_thing_that_is_wrong_is_named_with_its_mend_and_create_mends_what_can_be(settings, admin):
    link = link_of(settings, None)
    create(link, settings)
    wrong = {
        "cleanup.policy": "compact,delete",
        "message.timestamp.type": "CreateTime",
        "retention.ms": "3600000",
        "retention.bytes": "1000000",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "true",
    }
    kept = {"max.message.bytes": "2000000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic, wrong | kept)])
    said = eventually(lambda: len(said := found(settings)) == 6 and said, what="six findings")
    parts = ("compacted", "LogAppendTime", "kept for 1 h, the configuration says 72 h", "cut at 1000000")
    for part in (*parts, "unclean elections", "once 2 brokers have it, and is on 1"):
        (line,) = [line for line in said if part in line]
        assert line.endswith("; `slawatch topics create` sets it")
    with pytest.raises(MonitorError, match=r"compacted.*\n.*LogAppendTime"):
        require_usable(link, settings)
    assert create(link, settings) is False
    eventually(lambda: found(settings) == [], what="everything mended")
    asked = [ConfigResource(ConfigResourceType.TOPIC, settings.topic)]
    (configs,) = admin.describe_configs(asked)["topic"].values()
    assert configs["max.message.bytes"]["value"] == "2000000", "and what is not ours is left alone"
    larger = settings.model_copy(update={"partitions": 9, "replication": 3})
    said = found(larger)
    assert "3 partitions, the configuration says 9; set kafka.partitions to 3" in said[0]
    assert "are on 1 brokers, the configuration says 3" in said[1]
    assert "1 broker in sync is enough" in said[2]


@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-256", "scram-sha-512"])
def test_over_tls_with_a_name_rights_that_lack_are_named(kafka, settings, admin, topic_name, mechanism):
    create(link_of(settings, None), settings)
    secured = KafkaSettings(
        brokers=kafka.secure_bootstrap,
        topic=topic_name,
        partitions=3,
        replication=1,
        group=f"group-{topic_name}",
        tls=True,
        ca_file=kafka.authority,
        sasl=mechanism,
        user=USER,
        password=PASSWORD,
    )
    (line,) = found(secured, kafka.authority.parent)
    assert f"user {USER} may not DESCRIBE; kafka-acls --add --allow-principal User:{USER}" in line
    for look in (topics.see, topics.identity):  # without the right it is not known to be gone
        with pytest.raises(MonitorError, match="may not DESCRIBE"):
            look(link_of(secured, kafka.authority.parent), secured)
    grant(admin, ResourceType.TOPIC, topic_name, ACLOperation.READ)
    said = eventually(
        lambda: len(said := found(secured, kafka.authority.parent)) == 3 and said, what="three findings"
    )
    assert [line.partition(";")[0] for line in said[:2]] == [
        f"topic {topic_name}: user {USER} may not WRITE",
        f"group group-{topic_name}: user {USER} may not READ",
    ]
    assert "--operation DescribeConfigs" in said[2]
    grant(admin, ResourceType.TOPIC, topic_name, ACLOperation.WRITE)
    grant(admin, ResourceType.TOPIC, topic_name, ACLOperation.DESCRIBE_CONFIGS)
    grant(admin, ResourceType.GROUP, f"group-{topic_name}", ACLOperation.READ)
    eventually(lambda: found(secured, kafka.authority.parent) == [], what="nothing lacking")
    consumer = KafkaConsumer(topic_name, **link_of(secured, kafka.authority.parent).options())
    assert consumer.partitions_for_topic(topic_name) == {0, 1, 2}
    consumer.close()


def test_the_command_makes_and_checks_and_its_status_says_what_it_found(kafka, topic_name, tmp_path):
    text = f"kafka: {{brokers: '{kafka.bootstrap}', topic: {topic_name}, partitions: 2, replication: 1}}\n"
    (tmp_path / "slawatch.yaml").write_text(text)
    missing = slawatch("topics", "check", cwd=tmp_path)
    assert (missing.returncode, "there is none" in missing.stdout) == (1, True)
    made = slawatch("topics", "create", cwd=tmp_path)
    assert (made.returncode, made.stdout) == (0, f"topic {topic_name}: as it should be\n")
    assert slawatch("topics", "check", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"brokers": "127.0.0.1:1"}, "ECONNREFUSED; see that the brokers run, and kafka.brokers\n"),
        ({"ca_file": None}, "self-signed certificate (_ssl.c:1006); see kafka.ca_file, and"),
        ({"password": "another"}, "sasl, user and password\n"),
        (
            {"tls": False, "ca_file": None, "sasl": "none"},
            ": see kafka.tls",  # they hang up, or say in TLS why
        ),
    ],
    ids=["nobody", "certificate", "password", "no tls"],
)
def test_why_no_broker_is_reached_is_in_the_line(kafka, tmp_path, monkeypatch, change, said):
    monkeypatch.setattr(topics, "ANSWER_MS", 4_000)
    link = {"brokers": kafka.secure_bootstrap, "tls": True, "ca_file": kafka.authority}
    link |= {"sasl": "plain", "user": USER, "password": PASSWORD} | change
    settings = KafkaSettings(**{name: value for name, value in link.items() if value is not None})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            found = str(check(link_of(settings, tmp_path), settings))
        except MonitorError as error:
            found = str(error)
        gc.collect()  # kafka-python leaves the sockets behind by which it did not come through
    assert said in f"{found}\n"
