"""Workers of two versions side by side, as an upgrade of one after the other has them."""

from __future__ import annotations

import contextlib

import msgspec
import pytest

from monitor.engine import state
from monitor.engine.state import FORMAT
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.topics import create
from monitor.settings import load_settings
from monitor.shard import checkpoint, restore
from tests.cluster.test_workers_killed import held
from tests.cluster.workers import PARTITIONS, Traffic, Worker, compare, wait_until_judged
from tests.waiting import eventually

compiled = pytest.mark.skipif(str(state.__file__).endswith(".so"), reason="a format is compiled in")
pytestmark = [pytest.mark.live, pytest.mark.slow, compiled]
RATE = 100


def stored(server, database):
    """The formats of what is stored."""
    marks = server.execute(database, "select data from shard_state where part = 'mark'")
    return {msgspec.msgpack.decode(mark)[0] for (mark,) in marks}


def test_upgraded_one_after_the_other_to_another_format_of_state_nothing_is_lost(
    kafka, postgres_server, topic_name, tmp_path, monkeypatch
):
    """The newer one folds what it takes anew; the older one cannot read that, and says so."""
    database = postgres_server.new_database()
    first, second = (Worker(tmp_path / f"w{n}", kafka.bootstrap, database, topic_name) for n in range(2))
    settings = load_settings(first.folder / "slawatch.yaml")
    create(link_of(settings.kafka, first.folder), settings.kafka)

    def both_ready():
        eventually(lambda: first.ready() and second.ready(), what="both workers ready")
        eventually(lambda: held(first) + held(second) == PARTITIONS, what="every shard held by one")

    with contextlib.ExitStack() as stack:
        for worker in (first, second):
            stack.enter_context(worker)
            worker.start()
        both_ready()
        with Traffic(kafka.bootstrap, topic_name, RATE) as traffic:
            assert first.stop() == 0
            eventually(lambda: held(second) == PARTITIONS and second.ready(), what="all with the second")
            monkeypatch.setenv("TEST_FORMAT", str(FORMAT + 1))
            first.start()
            both_ready()
            eventually(
                lambda: FORMAT + 1 in stored(postgres_server, database), what="state of the new version"
            )
            assert first.stop() == 0
            newer = f"the stored state is of format {FORMAT + 1}, this slawatch reads {FORMAT}; install"
            eventually(lambda: newer in str(second.get("/readyz")), what="that state is of a newer version")
            assert second.stop() == 0
            for worker in (first, second):
                worker.start()
            both_ready()
        both_ready()
        wait_until_judged([first, second])
        assert [first.stop(), second.stop()] == [0, 0]
    for module in (checkpoint, restore):
        monkeypatch.setattr(module, "FORMAT", FORMAT + 1)
    verdict = compare(first, database)
    assert verdict.customers == {shop: len(asked) for shop, asked in traffic.customers.items()}
    assert "state is folded again from the log" in (first.folder / "log").read_text()
