"""A database that takes no writes, is full or is restarted: a cluster waits, and says why."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from tests.cluster.test_procedures import SHOPS, Cluster, figures, now_ms
from tests.cluster.workers import Desk, begin, message
from tests.servers.wecom import Wecom
from tests.waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]
DISK_BYTES = 48 << 20
LARGE = "s3"


def read_only(it, whether):
    """As an administrator sets it, or a failover that made a standby of the server."""
    name, server = it.database.rpartition("/")[2], it.server
    server.execute(server.url(), f"alter database {name} set default_transaction_read_only = {whether}")
    others = f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
    server.execute(server.url(), others)


def ask(it, first, shops):
    asked = enumerate(shops, first)
    it.put(*(message(f"{n}-ask", now_ms(), shop, n, "customer") for n, shop in asked))


def missed(it):
    """Of how many shops the group has accepted that there was a miss."""
    fired = "select count(*) from intent where kind = 'fire' and state = 'accepted'"
    return it.server.execute(it.database, f"{fired} and incident like 'a-miss|%'")[0][0]


def says(process, what):
    return what in str(process.get("/readyz"))


def test_read_only_full_and_restarted_it_waits_and_then_tells_each_miss_once(
    kafka, own_postgres, topic_name, tmp_path
):
    disk = own_postgres.new_disk(DISK_BYTES)
    with Wecom() as wecom:
        it = Cluster(tmp_path, kafka, own_postgres, topic_name, wecom, disk)
        with it.worker, it.desk:
            it.start()
            ask(it, 0, SHOPS[:1])
            eventually(lambda: missed(it) == 1, what="a miss told")

            read_only(it, "on")
            ask(it, 100, SHOPS[1:3])
            eventually(lambda: says(it.worker, "takes no writes"), what="that it is read-only")
            read_only(it, "off")
            eventually(lambda: missed(it) == 3 and it.worker.ready(), what="what fell into it told")

            subprocess.run(["dd", "if=/dev/zero", f"of={disk / 'ballast'}"], check=False, capture_output=True)
            ask(it, 200, SHOPS[3:5])
            ask(it, 1_000, [LARGE] * 3_000)  # what is in the database already has some room left
            eventually(lambda: says(it.worker, "the disk is full"), what="that it is full")
            (disk / "ballast").unlink()
            eventually(lambda: missed(it) == 6 and it.worker.ready(), what="what fell into it told")

            own_postgres.stop()
            ask(it, 300, SHOPS[5:])
            own_postgres.start()
            eventually(lambda: missed(it) == 7 and it.worker.ready(), what="what fell into it told")

            eventually(lambda: set(figures(it.desk).values()) == {(1, 1, 1)}, what="each shop's figures")
            it.stop()
        texts = "\n".join(wecom.fake.texts())
        assert [len(re.findall(rf"mall:{shop}\b", texts)) for shop in SHOPS] == [1] * len(SHOPS), texts


def test_one_that_hangs_is_told_within_15_s_and_then_that_it_is_back(
    kafka, own_postgres, topic_name, tmp_path
):
    """With nothing to judge or write but a tick a second; each desk says so as well, of two or alone."""
    database = own_postgres.new_database()
    with Wecom() as wecom:
        (worker,) = begin(tmp_path, kafka.bootstrap, database, topic_name, 1, wecom=wecom.url)
        desks = [Desk(tmp_path / f"d{n}", kafka.bootstrap, database, topic_name, wecom.url) for n in range(2)]

        def told(what):
            return any(what in text for text in wecom.fake.texts())

        with worker, desks[0], desks[1]:
            all_of_them = (worker, *desks)
            for one in all_of_them:
                one.start()
            eventually(lambda: all(one.ready() for one in all_of_them), what="all ready")
            with own_postgres.hanging():
                began_s = time.monotonic()
                eventually(lambda: told("数据库不接受写入"), what="that it is told")
                for one in desks:
                    eventually(lambda one=one: not one.ready(), what="that a desk says it")
                took_s = time.monotonic() - began_s
                assert all(says(one, "has not answered for 6 s") for one in all_of_them)
            assert took_s < 18, "with some seconds for a busy machine; it was 40 and more"
            eventually(lambda: told("数据库已恢复"), what="that it is back")
            eventually(lambda: all(one.ready() for one in all_of_them), what="all ready again")
            logs = [(one.folder / "log").read_text() for one in desks]
            assert all("has not answered for 6 s" in log and "part is well again" in log for log in logs)
            assert [one.stop() for one in all_of_them] == [0, 0, 0]
