"""Shops that sleep by themselves, through kills, moves and a change of rules: as if they had been awake."""

from __future__ import annotations

import contextlib
import os
import random
import time

import pytest

from tests.cluster.test_workers_killed import held
from tests.cluster.workers import SHOPS, Traffic, Worker, apply_rules, begin, compare, wait_until_judged
from tests.runtime.live import PACK
from tests.waiting import eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]
MINUTES = float(os.environ.get("TEST_WORKER_MINUTES", "0"))  # the long form
RATE = 25  # questions a second: one to each shop every eight seconds, answered a second later or never
REST_MS = 1_100  # longer than that second: who is woken at once stays awake for long
WITHIN = "4s"  # so long that a shop sleeps while somebody waits in it, and time wakes it
KILLS = 3
MORE = {"partitions": 3}  # one for each of three workers


def rules(open_at_least: int) -> str:
    """What fires and ends by events, by time alone, on conversations and on a window that passes."""
    return f"""
rules:
  - id: a-miss
    title: {{zh: 有超时, en: a miss}}
    line: mall-50
    crit: {{late: ">= 1"}}
  - id: waits
    title: {{zh: 久等, en: a long wait}}
    measure: reply
    warn: {{oldest_wait: ">= 3s"}}
  - id: soon
    title: {{zh: 将超时, en: soon late}}
    each: conversation
    measure: reply
    crit: {{seconds_left: "<= 1"}}
  - id: of-late
    title: {{zh: 近来, en: of late}}
    measure: reply
    period: 5m
    warn: {{worst: "< 50%", for: 2s}}
  - id: busy
    title: {{zh: 忙, en: busy}}
    measure: reply
    warn: {{open: ">= {open_at_least}"}}
"""


def asleep(worker) -> int:
    """How many of a worker's shops sleep, as its metrics say."""
    try:
        shops, awake = worker.metric("slawatch_shops "), worker.metric("slawatch_shops_awake ")
        return int(float(shops)) - int(float(awake))
    except (OSError, StopIteration):  # it does not answer yet, or has not counted yet
        return 0


def test_shops_that_fall_asleep_by_themselves_are_as_if_awake_through_kills_and_moves(
    kafka, postgres_server, topic_name, tmp_path, monkeypatch
):
    """The comparison is with one run over the topic in which no shop ever sleeps."""
    monkeypatch.setenv("TEST_REST_MS", str(REST_MS))
    database = postgres_server.new_database()
    ours = kafka.bootstrap, database, topic_name
    workers = begin(tmp_path, *ours, 2, **MORE)
    third = Worker(tmp_path / "w2", *ours, **MORE)
    with contextlib.ExitStack() as stack:
        for worker in (*workers, third):
            pack = PACK.replace("within: 2s", f"within: {WITHIN}").replace("[day]", "[day, 5m]")
            worker._write("packs/mall.yaml", pack)
            worker._write("rules/rules.yaml", rules(2))
            stack.enter_context(worker)
        for worker in workers:
            worker.start(wait=False)
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            eventually(lambda: sum(map(asleep, workers)) >= SHOPS // 3, what="many asleep")
            slept = disturb(workers, third, database)
        wait_until_judged(workers, after_ms=5_000)  # while they start again
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready again")
        eventually(lambda: sum(map(asleep, workers)) >= SHOPS // 2, what="half of them asleep")
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(workers[0], database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
    assert verdict.plans >= 1
    told = {rule.partition("|")[0] for rule in verdict.fired}
    assert told == {"a-miss", "waits", "soon", "of-late", "busy"}, "each rule had its say"
    print(f"asleep when killed {slept}, {verdict.transitions} transitions of {verdict.records} records")


def disturb(workers, third, database) -> list[int]:
    """Kill workers, change rules, let a third come and go; how many shops slept in each that was killed."""
    chance, began_s, slept = random.Random(os.environ.get("TEST_SEED", "asleep")), time.monotonic(), []
    while len(slept) < KILLS or time.monotonic() - began_s < 60 * MINUTES:
        if len(slept) % 4 == 1:
            third.start(wait=False)
            eventually(lambda: held(third) > 0, what="partitions moved to a third worker")
            apply_rules(third, database, rules(1 + len(slept) // 4 % 2))
        elif len(slept) % 4 == 2:
            assert third.stop() == 0
        pass_real_time(chance.random())
        worker = chance.choice(workers)
        slept.append(eventually(lambda worker=worker: asleep(worker), what="some asleep in it"))
        worker.kill()
        worker.start(wait=False)
    if third.process.poll() is None:
        assert third.stop() == 0
    return slept
