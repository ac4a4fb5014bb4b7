"""A process of a cluster whose files are not what is in force: it says so, until they are."""

from __future__ import annotations

import pytest

from tests.cluster.workers import BUSY, Desk, begin
from tests.runtime.live import RULES
from tests.servers.wecom import Wecom
from tests.waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]


def says(process):
    return "the files here are not those in force" in str(process.get("/readyz")["notices"])


def apply(desk, rules):
    desk._write("rules/rules.yaml", rules)
    assert desk._ask("POST", "/api/v1/rules/apply")[0] == 200


def test_who_starts_under_other_rules_says_so_until_they_are_in_force(
    kafka, postgres_server, topic_name, tmp_path
):
    database = postgres_server.new_database()
    (worker,) = begin(tmp_path, kafka.bootstrap, database, topic_name, 1)
    with Wecom() as wecom, worker:
        desk = Desk(tmp_path / "desk", kafka.bootstrap, database, topic_name, wecom.url)
        with desk:
            worker.start()
            desk._write("rules/rules.yaml", RULES)
            desk.start()
            eventually(lambda: says(desk), what="that the desk's are not")
            assert not says(worker)
            apply(desk, RULES)
            eventually(lambda: not says(desk), what="no more to say")
            assert worker.stop() == 0
            worker.start()
            eventually(lambda: says(worker), what="that the worker's are not")
            apply(desk, RULES + BUSY)
            eventually(lambda: not says(worker), what="that they are")
            assert [process.stop() for process in (worker, desk)] == [0, 0]
