"""A worker whose rights are taken away ends, says which it lacks, and goes on once it has them again."""

from __future__ import annotations

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACLOperation, ResourceType

from tests.cluster.inside import make_topic, send, settings_of
from tests.cluster.workers import Worker
from tests.servers.kafka import PASSWORD, USER
from tests.servers.rights import grant, revoke
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.live
TOPIC, GROUP = ResourceType.TOPIC, ResourceType.GROUP
OF_TOPIC = (ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS)


@pytest.mark.parametrize("kind", [TOPIC, GROUP], ids=["topic", "group"])
def test_a_right_that_is_taken_away_ends_a_worker_which_names_it_and_it_goes_on_with_it(
    kafka, postgres_server, topic_name, tmp_path, kind
):
    settings = settings_of(kafka, topic_name)
    make_topic(settings)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    for operation in OF_TOPIC:
        grant(admin, TOPIC, topic_name, operation)
    grant(admin, GROUP, topic_name, ACLOperation.READ)
    link = {"tls": True, "ca_file": str(kafka.authority), "sasl": "plain", "user": USER, "password": PASSWORD}
    database = postgres_server.new_database()
    worker = Worker(tmp_path / "w", kafka.secure_bootstrap, database, topic_name, partitions=3, **link)
    worker.start()
    eventually(worker.ready, what="all shards judged")
    revoke(admin, kind, topic_name, ACLOperation.READ)
    send(settings, 0, 60)
    assert worker.process.wait(PATIENCE_S) == 2
    assert "see the log, and `slawatch topics check`" in (worker.folder / "log").read_text()
    worker.start(wait=False)
    assert worker.process.wait(PATIENCE_S) == 2
    last = (worker.folder / "log").read_text().splitlines()[-1]
    assert f"{kind.name.lower()} {topic_name}: user {USER} may not READ; kafka-acls --add" in last
    grant(admin, kind, topic_name, ACLOperation.READ)
    admin.close()
    worker.start()
    eventually(worker.ready, what="all shards judged again")
    eventually(lambda: float(worker.metric("slawatch_shops")) == 12, what="what was sent meanwhile")
    assert worker.stop() == 0
