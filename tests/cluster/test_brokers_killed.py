"""Of three brokers one after the other is killed, under ingest: all is as if nothing had been."""

from __future__ import annotations

import contextlib
import os

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tests.cluster.test_workers_killed import RATE, UNTOLD, each_told_once
from tests.cluster.workers import BUSY, SHOPS, Desk, Traffic, begin, compare, wait_until_judged
from tests.runtime.live import RULES
from tests.servers.brokers import three
from tests.servers.wecom import Wecom
from tests.waiting import eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]
ROUNDS = int(os.environ.get("TEST_BROKER_ROUNDS", "1"))


def test_no_figure_and_no_alert_is_lost_or_doubled_by_a_broker_that_goes(
    postgres_server, topic_name, tmp_path
):
    """Each leads some partitions, one the group, one the cluster; the topic is as `topics create` has it."""
    database = postgres_server.new_database()
    with contextlib.ExitStack() as stack:
        brokers = stack.enter_context(three(tmp_path / "brokers"))
        wecom = stack.enter_context(Wecom())
        where = ",".join(one.bootstrap for one in brokers)
        workers = begin(tmp_path, where, database, topic_name, 2, replication=3)
        desk = Desk(tmp_path / "desk", where, database, topic_name, wecom.url, replication=3)
        for process in (*workers, desk):
            process._write("rules/rules.yaml", RULES + BUSY + "    shadow: true\n")
            stack.enter_context(process)
            process.start()
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready")
        with Traffic(where, topic_name, RATE) as traffic:
            for victim in [*brokers] * ROUNDS:
                pass_real_time(2)
                victim.kill()
                pass_real_time(5)  # the others notice after three
                victim.start()
                eventually(lambda: in_sync(where, topic_name), what="all replicas in sync again")
            eventually(lambda: traffic.sent >= 10 * SHOPS, what="some questions to each shop")
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready again")
        wait_until_judged(workers)
        assert [worker.stop() for worker in workers] == [0, 0]
        eventually(lambda: postgres_server.execute(database, UNTOLD) == [(0,)], what="all told")
        assert desk.stop() == 0
        verdict = compare(workers[0], database)
        assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
        assert each_told_once(postgres_server, database, wecom, verdict, 0) >= SHOPS / 5


def in_sync(brokers, topic) -> bool:
    """Whether every partition is on all three, as each of them knows."""
    with contextlib.suppress(KafkaError):
        admin = KafkaAdminClient(bootstrap_servers=brokers.split(","))
        try:
            (found,) = admin.describe_topics([topic])
        finally:
            admin.close()
        return all(len(one["isr_nodes"]) == len(brokers.split(",")) for one in found["partitions"])
    return False
