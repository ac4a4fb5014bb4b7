"""Workers killed at random under ingest, on a real broker and database: all is as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import random

import pytest
from waiting import eventually, pass_real_time

from tests.cluster.workers import BUSY, PARTITIONS, SHOPS, Traffic, apply_rules, begin, compare
from tests.runtime.live import RULES

pytestmark = [pytest.mark.live, pytest.mark.slow]
KILLS = int(os.environ.get("TEST_WORKER_KILLS", "8"))  # 8 take half a minute
RATE = int(os.environ.get("TEST_WORKER_RATE", "400"))  # questions a second; events are twice as many


@pytest.fixture
def database(postgres_server):
    return postgres_server.new_database()


def test_killed_at_random_under_ingest_everything_is_what_an_offline_run_of_the_topic_gives(
    kafka, database, topic_name, tmp_path
):
    chance = random.Random(os.environ.get("TEST_SEED", "workers"))
    workers = begin(tmp_path, kafka.bootstrap, database, topic_name, 2)
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
            worker.start()
        eventually(lambda: all(worker.ready() for worker in workers), 60, "both workers ready")
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            for kill in range(KILLS):
                if kill == KILLS // 2:
                    apply_rules(workers[0], database, RULES + BUSY.replace(">= 2", ">= 1"))
                worker = chance.choice(workers)
                pass_real_time(chance.random() * 3)
                worker.kill()
                pass_real_time(chance.random() * 1.5)
                worker.start(wait=False)
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), 90, "both workers ready again")
        pass_real_time(3)  # the last unanswered question is late after 2 s
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(workers[0], database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
    assert verdict.transitions >= 2 * SHOPS, "of every shop a miss is told, and that it is busy"
    assert verdict.plans >= 1, "and in the middle other rules were put in force"
    print(f"{KILLS} kills, {traffic.sent} events, {verdict.transitions} transitions, epochs {verdict.epochs}")


def test_a_worker_that_slept_through_its_session_cannot_write_over_its_successor(
    kafka, database, topic_name, tmp_path
):
    workers = begin(tmp_path, kafka.bootstrap, database, topic_name, 2)
    sleeper, other = workers
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
            worker.start()
        eventually(lambda: all(worker.ready() for worker in workers), 60, "both workers ready")
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            pass_real_time(2)
            sleeper.pause()
            eventually(lambda: held(other) == PARTITIONS, 45, "the other has taken its shards")
            pass_real_time(2)
            sleeper.go_on()
            eventually(lambda: 0 < held(sleeper) < PARTITIONS, 45, "the sleeper has shards again")
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), 60, "both workers ready again")
        pass_real_time(3)
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(other, database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
    assert min(verdict.epochs) >= 2, "shards moved"


def held(worker) -> int:
    """How many shards a worker holds, as its metrics say."""
    try:
        return int(float(worker.metric('slawatch_shards{state="held"}')))
    except OSError:
        return -1


def test_broker_and_database_killed_under_ingest_nothing_is_lost(kafka, own_postgres, topic_name, tmp_path):
    database = own_postgres.new_database()
    workers = begin(tmp_path, kafka.bootstrap, database, topic_name, 2)
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
            worker.start()
        eventually(lambda: all(worker.ready() for worker in workers), 60, "both workers ready")
        with Traffic(kafka.bootstrap, topic_name, RATE // 2) as traffic:
            pass_real_time(2)
            own_postgres.kill()
            eventually(
                lambda: not any(w.ready() for w in workers), 20, "that nothing is stored, said by both"
            )
            own_postgres.start()
            pass_real_time(2)
            kafka.kill()
            pass_real_time(2)
            kafka.start()
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), 90, "both workers ready again")
        pass_real_time(3)
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(workers[0], database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
