"""What docs/operations.md does to a cluster: a return to a copy, more partitions; all is as it was."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from kafka import KafkaProducer

from monitor.runtime.cluster.split import partition_of
from tests.cluster.workers import Desk, begin, message
from tests.commands.test_cli import slawatch
from tests.servers.wecom import Wecom
from tests.waiting import eventually

pytestmark = [pytest.mark.live, pytest.mark.slow]
SHOPS = ["s0", "s1", "s2", "s4", "s7", "s10"]  # one in each of six partitions, two in each of three


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


def configure(process, section, **values):
    """Change its slawatch.yaml."""
    path = process.folder / "slawatch.yaml"
    config = json.loads(path.read_text())
    config[section] |= values
    path.write_text(json.dumps(config))


def pg(server, program, *options):
    """A program of PostgreSQL's, as docs/operations.md has it."""
    done = subprocess.run([server.bin / program, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Cluster:
    """A worker and a desk that tells a group, over a database that can be another one later."""

    def __init__(self, folder, kafka, server, topic, wecom, disk=None):
        self.kafka, self.server, self.topic = kafka.bootstrap, server, topic
        self.database = server.new_database(disk)
        (self.worker,) = begin(folder, self.kafka, self.database, topic, 1, partitions=3)
        self.desk = Desk(folder / "desk", self.kafka, self.database, topic, wecom.url, partitions=3)

    def start(self):
        for process in (self.worker, self.desk):
            process.start()
        eventually(self.worker.ready, what="the worker ready")

    def stop(self):
        assert [process.stop() for process in (self.worker, self.desk)] == [0, 0]

    def put(self, *events):
        return set(put(self.kafka, self.topic, events))

    def move_to(self, database):
        self.database = database
        for process in (self.worker, self.desk):
            process.postgres = database
            configure(process, "postgres", **process._database())

    def told(self):
        """How many alerts the group has accepted."""
        fired = "select count(*) from intent where kind = 'fire' and state = 'accepted'"
        return self.server.execute(self.database, fired)[0][0]


def refused(it, partitions, why):
    code, said = split(it.worker, partitions, "--stopped")
    assert (code, why in said) == (2, True), said


def test_returned_to_a_copy_and_split_into_six_no_figure_and_no_alert_moves(
    kafka, postgres_server, topic_name, tmp_path
):
    with Wecom() as wecom:
        it = Cluster(tmp_path, kafka, postgres_server, topic_name, wecom)
        with it.worker, it.desk:
            it.start()
            asked = [message(f"{n}-ask", now_ms(), shop, n, "customer") for n, shop in enumerate(SHOPS)]
            assert it.put(*asked) == {0, 1, 2}
            eventually(lambda: it.told() == len(SHOPS), what="a miss told of every shop")
            eventually(lambda: set(figures(it.desk).values()) == {(1, 1, 1)}, what="and shown")
            pg(postgres_server, "pg_dump", "--format=custom", f"--file={tmp_path / 'copy'}", it.database)
            assert split(it.worker, 6)[0] == 2, "only who says that nothing runs"
            refused(it, 6, "runs; stop what sends events")
            it.stop()
            refused(it, 7, "say a multiple, 6 or 9")
            it.put(message("while it is down", now_ms(), "s0", 100, "customer"))
            refused(it, 6, "1 events of partition")
            it.start()
            eventually(lambda: figures(it.desk)["s0"] == (2, 2, 2), what="that one folded")
            before = figures(it.desk)
            it.stop()
            it.move_to(postgres_server.new_database())
            pg(postgres_server, "pg_restore", f"--dbname={it.database}", str(tmp_path / "copy"))
            it.start()
            assert figures(it.desk) == before, "folded from where the copy was, to the same figures"
            it.stop()
            code, said = split(it.worker, 6, "--stopped")
            moved = [shop for shop in SHOPS if partition_of(f"mall:{shop}", 6) > 2]
            assert (code, f"6 partitions, {len(moved)} shops moved" in said) == (0, True), said
            assert "0 shops moved" in split(it.worker, 6, "--stopped")[1], "again it does nothing"
            for process in (it.worker, it.desk):
                configure(process, "kafka", partitions=6)
            it.start()
            assert figures(it.desk) == before, "as they were"
            answers = [message(f"{n}-answer", now_ms(), shop, n, "agent") for n, shop in enumerate(SHOPS)]
            more = [message(f"{n}-more", now_ms(), shop, 200 + n, "customer") for n, shop in enumerate(SHOPS)]
            assert it.put(*asked, *answers, *more) == set(range(6))
            wanted = {shop: (3, 3, 2) if shop == "s0" else (2, 2, 1) for shop in SHOPS}
            eventually(lambda: figures(it.desk) == wanted, what="repeats known, answers and new ones judged")
            assert it.told() == len(SHOPS), "what fires is not told again"
            it.stop()
