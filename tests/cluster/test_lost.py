"""What is lost whole: the brokers' disks, or the database; what a cluster says, and how it goes on."""

from __future__ import annotations

import pytest

from tests.cluster.test_procedures import SHOPS, Cluster, figures, now_ms
from tests.cluster.workers import message
from tests.commands.test_cli import slawatch
from tests.servers.wecom import Wecom
from tests.waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]


ANOTHER = "not the one that the database's figures are of, but another or made anew; name that one"


def ask(it, first):
    """A question to each shop, which nobody answers."""
    asked = enumerate(SHOPS, first)
    it.put(*(message(f"{n}-ask", now_ms(), shop, n, "customer") for n, shop in asked))


def says(worker, what):
    """Whether a worker gives that as a reason for not being ready."""
    answer = worker.get("/readyz")
    return answer["status"] != "ready" and what in str(answer)


def test_brokers_that_lost_their_disks_are_told_of_and_a_new_database_goes_on(
    own_kafka, postgres_server, topic_name, tmp_path
):
    with Wecom() as wecom:
        it = Cluster(tmp_path, own_kafka, postgres_server, topic_name, wecom)
        with it.worker, it.desk:
            it.start()
            ask(it, 0)
            eventually(lambda: it.told() == len(SHOPS), what="a miss told of every shop")
            own_kafka.lose_disks()
            own_kafka.start()
            eventually(lambda: says(it.worker, "it is gone; see the brokers"), what="that it is gone")
            made = slawatch("topics", "create", cwd=it.worker.folder)
            assert made.returncode == 0, made.stderr
            eventually(lambda: says(it.worker, ANOTHER), what="that it is another one")
            it.stop()
            done = slawatch("worker", cwd=it.worker.folder)
            assert (done.returncode, ANOTHER in done.stderr) == (2, True), done.stderr
            it.move_to(postgres_server.new_database())
            it.start()
            ask(it, 100)
            eventually(lambda: set(figures(it.desk).values()) == {(1, 1, 1)}, what="figures begun anew")
            eventually(lambda: it.told() == len(SHOPS), what="and those told")
            it.stop()


def test_on_an_empty_database_the_topic_gives_the_figures_and_a_silence_keeps_what_was_told(
    kafka, postgres_server, topic_name, tmp_path
):
    with Wecom() as wecom:
        it = Cluster(tmp_path, kafka, postgres_server, topic_name, wecom)
        with it.worker, it.desk:
            it.start()
            ask(it, 0)
            eventually(lambda: it.told() == len(SHOPS), what="a miss told of every shop")
            it.stop()
            before = len(wecom.fake.inbox)
            it.move_to(postgres_server.new_database())
            it.desk.start()
            silence = ("silence", "rule=*", "--for", "1d", "--url", f"http://127.0.0.1:{it.desk.port}")
            eventually(lambda: slawatch(*silence, cwd=it.desk.folder).returncode == 0, what="all silenced")
            it.worker.start()
            eventually(lambda: alerts(it.desk) == len(SHOPS), what="every alert known again")
            ask(it, 100)
            eventually(lambda: set(figures(it.desk).values()) == {(2, 2, 2)}, what="what was and what is")
            assert (len(wecom.fake.inbox), it.told()) == (before, 0), "nobody is told again"
            (silenced,) = it.desk.get("/api/v1/silences")["silences"]
            ended = slawatch("silence", "--end", silenced["id"], *silence[-2:], cwd=it.desk.folder)
            assert ended.returncode == 0, ended.stderr
            eventually(lambda: it.told() == len(SHOPS), what="what fires on told, once")
            it.stop()


def alerts(desk):
    """How many it shows."""
    return len(desk.get("/api/v1/alerts")["alerts"])
