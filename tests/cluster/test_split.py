"""More partitions for a topic in use, by the documented procedure, on a real broker and database."""

from __future__ import annotations

import json
import time

import pytest
from kafka import KafkaProducer

from monitor.runtime.cluster.split import partition_of
from tests.cluster.workers import Desk, begin, message
from tests.commands.test_cli import slawatch
from tests.servers.wecom import Wecom
from tests.waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]
SHOPS = [f"s{n}" for n in range(12)]  # at least one in each of six partitions


def put(brokers, topic, events):
    """Send events, each under its shop's key; they are in the topic when this returns."""
    producer = KafkaProducer(bootstrap_servers=brokers)
    sent = [
        producer.send(topic, key=f"mall:{event['shop_id']}".encode(), value=json.dumps(event).encode())
        for event in events
    ]
    places = [one.get(30).partition for one in sent]
    producer.close()
    return places


def now_ms():
    return time.time_ns() // 1_000_000


def figures(desk):
    """Asked, late and waiting of every shop, as the desk says; None of one that is not stored yet."""
    found = {}
    for shop in SHOPS:
        status, answer = desk._ask("GET", f"/api/v1/shops/mall/{shop}")
        line = answer["lines"][0] if status == 200 else {"asked": None, "late": None}
        found[shop] = (line["asked"], line["late"], answer.get("waiting"))
    return found


def split(worker, partitions, *options):
    done = slawatch("topics", "split", str(partitions), *options, cwd=worker.folder)
    return done.returncode, done.stderr


def widen(process, partitions):
    path = process.folder / "slawatch.yaml"
    config = json.loads(path.read_text())
    config["kafka"]["partitions"] = partitions
    path.write_text(json.dumps(config))


def test_three_partitions_become_six_and_no_figure_and_no_alert_moves(
    kafka, postgres_server, topic_name, tmp_path
):
    database = postgres_server.new_database()
    (worker,) = begin(tmp_path, kafka.bootstrap, database, topic_name, 1, partitions=3)
    with Wecom() as wecom:
        desk = Desk(tmp_path / "desk", kafka.bootstrap, database, topic_name, wecom.url, partitions=3)
        with worker, desk:

            def started():
                for process in (worker, desk):
                    process.start()
                eventually(worker.ready, 90, "the worker ready")

            started()
            asked = [message(f"{n}-ask", now_ms(), shop, n, "customer") for n, shop in enumerate(SHOPS)]
            assert set(put(kafka.bootstrap, topic_name, asked)) == {0, 1, 2}
            eventually(lambda: set(figures(desk).values()) == {(1, 1, 1)}, 60, "a miss in every shop")
            fired = "select count(*) from intent where kind = 'fire' and state = 'accepted'"
            every = [(len(SHOPS),)]
            eventually(lambda: postgres_server.execute(database, fired) == every, 90, "all of them told")
            assert split(worker, 6)[0] == 2, "only who says that nothing runs"
            code, why = split(worker, 6, "--stopped")
            assert (code, "runs; stop what sends events" in why) == (2, True), why
            assert [process.stop() for process in (worker, desk)] == [0, 0]
            code, why = split(worker, 7, "--stopped")
            assert (code, "say a multiple, 6 or 9" in why) == (2, True), why
            late = [message("while it is down", now_ms(), "s0", 100, "customer")]
            put(kafka.bootstrap, topic_name, late)
            code, why = split(worker, 6, "--stopped")
            assert (code, "1 events of partition" in why) == (2, True), why
            started()
            eventually(lambda: figures(desk)["s0"] == (2, 2, 2), 60, "that one folded")
            before = figures(desk)
            assert [process.stop() for process in (worker, desk)] == [0, 0]
            code, said = split(worker, 6, "--stopped")
            moved = [shop for shop in SHOPS if partition_of(f"mall:{shop}", 6) > 2]
            assert (code, f"6 partitions, {len(moved)} shops moved" in said) == (0, True), said
            assert "0 shops moved" in split(worker, 6, "--stopped")[1], "again it does nothing"
            for process in (worker, desk):
                widen(process, 6)
            started()
            assert figures(desk) == before, "as they were"
            answers = [message(f"{n}-answer", now_ms(), shop, n, "agent") for n, shop in enumerate(SHOPS)]
            again = [
                message(f"{n}-ask-again", now_ms(), shop, 200 + n, "customer") for n, shop in enumerate(SHOPS)
            ]
            assert set(put(kafka.bootstrap, topic_name, [*asked, *answers, *again])) == set(range(6))
            wanted = {shop: (3, 3, 2) if shop == "s0" else (2, 2, 1) for shop in SHOPS}
            eventually(lambda: figures(desk) == wanted, 60, "repeats known, rounds answered, new ones judged")
            assert postgres_server.execute(database, fired) == every, "what fires is not told again"
            assert [process.stop() for process in (worker, desk)] == [0, 0]
