"""Workers killed at random under ingest, on a real broker and database: all is as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from functools import partial
from operator import ge

import pytest

from tests.cluster.over_shops import PEOPLE_YAML, SHOPS_YAML, compare_sums, judged_ms, rules_over_shops
from tests.cluster.workers import (
    BUSY,
    PARTITIONS,
    SHOPS,
    Desk,
    Traffic,
    Worker,
    apply_rules,
    begin,
    compare,
    wait_until_judged,
)
from tests.runtime.live import RULES
from tests.servers.wecom import Wecom
from tests.waiting import PATIENCE_S, eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]
MINUTES = float(os.environ.get("TEST_WORKER_MINUTES", "0"))  # the long form: 10
KILLS = int(os.environ.get("TEST_WORKER_KILLS", "8"))  # 8 take half a minute
RATE = int(os.environ.get("TEST_WORKER_RATE", "400"))  # questions a second; events are twice as many

# An answer that a slow machine delays mends a miss, and the next one fires while its end waits: one incident.
GONE_ON = (
    "select incident from intent where kind = 'resolved' and note = 'fires again before its end was told'"
)
UNTOLD = (
    "select (select count(*) from intent where kind = 'fire' and state in ('queued', 'sending'))"
    " + (select count(*) from transition t left join desk_position d on d.shard = t.shard"
    "    where t.position > coalesce(d.position, -1))"
)


@pytest.fixture
def database(postgres_server):
    return postgres_server.new_database()


def test_killed_at_random_under_ingest_all_is_as_if_nothing_had_been(
    request, postgres_server, database, topic_name, tmp_path
):
    """The database is what an offline run of the topic gives, and each alert reached the group once.

    So are figures and alerts of teams, platforms and agents, which the leading desk judges: it is killed as
    well, and what was in flight then may come twice, marked. In the middle other rules are put in force. The
    long form goes on for ``TEST_WORKER_MINUTES``; then the broker is restarted as well, a third worker comes
    and goes, and a worker sleeps through its session.
    """
    chance = random.Random(os.environ.get("TEST_SEED", "workers"))
    kafka = request.getfixturevalue("own_kafka" if MINUTES else "kafka")
    with contextlib.ExitStack() as stack:
        wecom = stack.enter_context(Wecom())
        more = {"partitions": 6} if MINUTES else {}  # a third of two would be none: see docs/operations.md
        ours = kafka.bootstrap, database, topic_name
        workers = begin(tmp_path, *ours, 2, **more)
        third = Worker(tmp_path / "w2", *ours, **more)
        desks = [Desk(tmp_path / f"d{n}", *ours, wecom.url, **more) for n in range(2)]
        for process in (*workers, third, *desks):
            process._write("rules/rules.yaml", rules(">= 2"))
            process._write("shops.yaml", SHOPS_YAML)
            process._write("people.yaml", PEOPLE_YAML)
            stack.enter_context(process)
        for process in (*workers, *desks):
            process.start()
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready")
        change = partial(change_rules, workers[0], database)
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            kills, desks_killed = disturb(chance, kafka, workers, third, desks, change)
            eventually(lambda: traffic.sent >= 20 * SHOPS, what="some ten questions to each shop")
        patience_s = PATIENCE_S + 60 * MINUTES  # a backlog is folded first
        eventually(lambda: all(worker.ready() for worker in workers), patience_s, "both workers ready again")
        wait_until_judged(workers)
        assert [worker.stop() for worker in workers] == [0, 0]
        eventually(lambda: ge(*judged_ms(postgres_server, database)), what="all sums judged")
        eventually(lambda: postgres_server.execute(database, UNTOLD) == [(0,)], 300, "all told")
        assert [desk.stop() for desk in desks] == [0, 0]
        verdict = compare(workers[0], database)
        asked = {shop: len(customers) for shop, customers in traffic.customers.items()}
        assert verdict.customers == asked
        assert verdict.transitions >= 2 * SHOPS, "of every shop a miss is told, and that it is busy"
        assert verdict.plans >= 1, "and in the middle other rules were put in force"
        over_shops = compare_sums(database, verdict)
        assert over_shops >= 10, "of both teams, the platform and li, several numbers each"
        told = each_told_once(postgres_server, database, wecom, verdict, desks_killed)
    print(
        f"{kills} workers and {desks_killed} desks killed, {traffic.sent} events, {verdict.transitions}"
        f" transitions, {told} alerts told ({over_shops} on sums) in {len(wecom.fake.inbox)} messages,"
        f" epochs {verdict.epochs}"
    )


def rules(busy: str) -> str:
    """A miss, every so many more misses, and what fires and resolves all the time and is told to nobody."""
    step = max(
        5, RATE * 30 // (5 * SHOPS)
    )  # of five questions one is a miss: two more alerts a shop and minute
    more = "".join(
        f"""
  - id: misses-{late}
    title: {{zh: 超时满{late}, en: {late} misses}}
    line: mall-50
    crit: {{late: ">= {late}"}}
"""
        for late in range(step, step * int(2 * MINUTES + 3), step)
    )
    return RULES + more + rules_over_shops(RATE) + BUSY.replace(">= 2", busy) + "    shadow: true\n"


def change_rules(worker, database) -> None:
    apply_rules(worker, database, rules(">= 1"))


def disturb(chance, kafka, workers, third, desks, change) -> tuple[int, int]:
    """Kill workers and the leading desk at random, and what else may happen; how many of each."""
    began_s, kills, desks_killed = time.monotonic(), 0, 0
    plan = [(0.4, "desk"), (0.5, "rules")]
    if MINUTES:
        plan = sorted([*plan, (0.1, "desk"), (0.2, "broker"), (0.3, "move"), (0.7, "desk"), (0.9, "desk")])
    while kills < KILLS or time.monotonic() - began_s < 60 * MINUTES:
        part = (time.monotonic() - began_s) / (60 * MINUTES) if MINUTES else kills / KILLS
        while plan and part >= plan[0][0]:
            _, what = plan.pop(0)
            if what == "rules":
                change()
            elif what == "desk":
                desk = eventually(lambda: leading(desks), what="a desk that leads")
                desk.kill()
                desks_killed += 1
                desk.start(wait=False)
            elif what == "broker":
                kafka.kill()
                pass_real_time(2)
                kafka.start()
            elif what == "move":
                third.start()
                eventually(lambda: held(third) > 0, what="partitions moved to a third worker")
                pass_real_time(5)
                assert third.stop() == 0
        worker = chance.choice(workers)
        if MINUTES and chance.random() < 0.1:
            worker.pause()
            pass_real_time(10)
            worker.go_on()
        pass_real_time(chance.random() * 3)
        worker.kill()
        kills += 1
        pass_real_time(chance.random() * 1.5)
        worker.start(wait=False)
    return kills, desks_killed


def leading(desks):
    """The desk that leads, as its metrics say."""
    for desk in desks:
        with contextlib.suppress(OSError, StopIteration):  # one that starts does not answer yet
            if desk.metric("slawatch_desk_leads") == "1.0":
                return desk
    return None


def each_told_once(server, database, wecom, verdict, desks_killed) -> int:
    """Assert that every alert that an undisturbed run fires was accepted by the group once; how many.

    What was in flight when a sender was killed may have come and comes again, marked: once for each kill.
    """
    ours = "kind = 'fire' and incident not like 'slawatch-%'"  # of itself it may tell that nobody judges
    fired = f"select incident, count(*), min(state), max(state) from intent where {ours} group by incident"
    found = {incident: rest for incident, *rest in server.execute(database, fired)}
    assert set(found) <= verdict.fired, "none made up"
    gone_on = Counter(incident for (incident,) in server.execute(database, GONE_ON))
    untold = Counter(map(alert_of, verdict.fired - set(found)))
    assert untold == Counter(map(alert_of, gone_on.elements())), "none lost"
    once = {tuple(rest) for incident, rest in found.items() if incident not in gone_on}
    assert once == {(1, "accepted", "accepted")}, "none doubled"
    again = {i: (1 + n, "accepted", "accepted") for i, n in gone_on.items()}
    assert {i: tuple(found[i]) for i in gone_on} == again, "and once again what went on"
    rows = server.execute(database, "select state, again, count(*) from delivery group by state, again")
    sent = {(state, again): count for state, again, count in rows}
    lost = sum(count for (state, _), count in sent.items() if state == "ambiguous")
    assert {state for state, _ in sent} <= {"accepted", "ambiguous"}
    assert lost <= desks_killed
    marked = sum("可能重复" in text for text in wecom.fake.texts())
    assert marked <= lost, "marked is what was in flight"
    plain = sum(count for (_, again), count in sent.items() if not again)
    assert plain - lost <= len(wecom.fake.inbox) - marked <= plain, "and each other message came once"
    return len(found)


def alert_of(incident: str) -> str:
    return incident.rpartition("@")[0]


def test_a_worker_that_slept_through_its_session_cannot_write_over_its_successor(
    kafka, database, topic_name, tmp_path
):
    workers = begin(tmp_path, kafka.bootstrap, database, topic_name, 2)
    sleeper, other = workers
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
            worker.start()
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready")
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            pass_real_time(2)
            sleeper.pause()
            eventually(lambda: held(other) == PARTITIONS, what="the other has taken its shards")
            pass_real_time(2)
            sleeper.go_on()
            eventually(lambda: 0 < held(sleeper) < PARTITIONS, what="the sleeper has shards again")
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready again")
        wait_until_judged(workers)
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(other, database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
    assert max(verdict.epochs) >= 3, "shards moved; the comparison takes each once more"


def test_a_worker_that_waits_for_its_group_ends_when_it_is_told_to(kafka, database, topic_name, tmp_path):
    """The group waits for one that sleeps, for all of its session."""
    sleeper, other = begin(tmp_path, kafka.bootstrap, database, topic_name, 2, session_timeout="60s")
    with sleeper, other:
        sleeper.start()
        eventually(sleeper.ready, what="the first one ready")
        sleeper.pause()
        other.start()
        pass_real_time(3)  # until it has asked the group to take it
        began_s = time.monotonic()
        assert other.stop() == 0
        assert time.monotonic() < began_s + 20
        sleeper.go_on()


def held(worker) -> int:
    """How many shards a worker holds, as its metrics say."""
    try:
        return int(float(worker.metric('slawatch_shards{state="held"}')))
    except (OSError, StopIteration):  # it does not answer yet, or has not counted yet
        return -1


def test_broker_and_database_killed_under_ingest_nothing_is_lost(
    own_kafka, own_postgres, topic_name, tmp_path
):
    """And each worker says once that the database is down, without a record, and once that it is back."""
    database = own_postgres.new_database()
    with contextlib.ExitStack() as stack:
        wecom = stack.enter_context(Wecom())
        workers = begin(tmp_path, own_kafka.bootstrap, database, topic_name, 2, wecom=wecom.url)
        for worker in workers:
            stack.enter_context(worker)
            worker.start()
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready")
        with Traffic(own_kafka.bootstrap, topic_name, RATE // 2) as traffic:
            pass_real_time(2)
            own_postgres.kill()
            eventually(
                lambda: not any(w.ready() for w in workers), what="that nothing is stored, said by both"
            )
            down = ("数据库不接受写入", 2), ("数据库已恢复", 0)
            eventually(lambda: said(wecom) == down, what="said by both")
            own_postgres.start()
            pass_real_time(2)
            own_kafka.kill()
            pass_real_time(2)
            own_kafka.start()
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready again")
        eventually(lambda: said(wecom) == (down[0], (down[1][0], 2)), what="and that it is back")
        wait_until_judged(workers)
        assert [worker.stop() for worker in workers] == [0, 0]
    verdict = compare(workers[0], database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}


def said(wecom) -> tuple[tuple[str, int], ...]:
    """How often each of the two was told."""
    texts = wecom.fake.texts()
    return tuple((what, sum(what in text for text in texts)) for what in ("数据库不接受写入", "数据库已恢复"))
