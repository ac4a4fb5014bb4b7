"""A standby of the database takes over, and what was written last never reached it."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest

from tests.cluster.test_workers_killed import GONE_ON, RATE, UNTOLD, alert_of
from tests.cluster.workers import BUSY, SHOPS, Desk, Traffic, begin, compare, wait_until_judged
from tests.runtime.live import RULES
from tests.servers.postgres import PostgresServer
from tests.servers.wecom import Wecom
from tests.waiting import eventually, pass_real_time

pytestmark = [pytest.mark.live, pytest.mark.slow]
# Of every fifth shop no question is answered, two a second; each miss is one more alert.
EACH_MISS = "".join(
    f"""
  - id: misses-{late}
    title: {{zh: 超时满{late}, en: {late} misses}}
    line: mall-50
    crit: {{late: ">= {late}"}}
"""
    for late in range(2, 40)
)
REPLACED = "takes writes now, and it may lack what was written last"
TOLD = "select incident from intent where kind = 'fire' and state = 'accepted' and incident not like 'slaw%'"


def test_all_begins_anew_with_what_the_standby_has_and_no_alert_is_lost(
    kafka, own_postgres, topic_name, tmp_path
):
    """Each process ends and says why; started again, the figures are the oracle's, and all is told."""
    database = own_postgres.new_database()
    with contextlib.ExitStack() as stack:
        standby = PostgresServer(follows=own_postgres)
        stack.callback(standby.close)
        standby.start()
        wecom = stack.enter_context(Wecom())
        either = database.replace(f":{own_postgres.port}", f":{own_postgres.port},127.0.0.1:{standby.port}")
        workers = begin(tmp_path, kafka.bootstrap, either, topic_name, 2)
        desk = Desk(tmp_path / "desk", kafka.bootstrap, either, topic_name, wecom.url)
        for process in (*workers, desk):
            process._write("rules/rules.yaml", RULES + EACH_MISS + BUSY + "    shadow: true\n")
            stack.enter_context(process)
            process.start()
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready")
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            eventually(lambda: accepted(own_postgres, database) >= SHOPS / 5, what="alerts told")
            standby.stop()
            eventually(
                lambda: accepted(own_postgres, database) >= SHOPS, what="some that the standby never hears of"
            )
            own_postgres.kill()
            standby.start()
            standby.take_over()
            for process in (*workers, desk):
                eventually(lambda it=process.process: it.poll() is not None, what="that each process ends")
                log = (process.folder / "log").read_text()
                assert REPLACED in log
                assert "cannot schedule" not in log, "what it is made of ends in order"
                process.start()
            pass_real_time(2)
        eventually(lambda: all(worker.ready() for worker in workers), what="both workers ready again")
        wait_until_judged(workers)
        assert [worker.stop() for worker in workers] == [0, 0]
        ours = standby.url(database.rpartition("/")[2])
        eventually(lambda: standby.execute(ours, UNTOLD) == [(0,)], what="all told")
        assert desk.stop() == 0
        verdict = compare(workers[0], either)
        assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
        told = {incident for (incident,) in standby.execute(ours, TOLD)}
        assert told <= verdict.fired, "none made up"
        gone_on = Counter(incident for (incident,) in standby.execute(ours, GONE_ON))
        untold = Counter(map(alert_of, verdict.fired - told))
        assert untold == Counter(map(alert_of, gone_on.elements())), "none lost"
        assert len(told) >= SHOPS


def accepted(server, database) -> int:
    """How many alerts the group has taken."""
    fired = "select count(*) from intent where kind = 'fire' and state = 'accepted'"
    return server.execute(database, fired)[0][0]
