"""The way from the daemon to a real InfluxDB, through everything that can happen to it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_refused import Quarantine
from monitor.sinks.influx_sender import PointSender
from monitor.sinks.influx_spool import Spool, opened
from tests.servers.influx import ORG, Bucket, InfluxServer
from tests.servers.influx_standin import STORED, Reply, Standin
from tests.sinks.drained import drained
from tests.waiting import PATIENCE_S, eventually

NOW_MS = 1_795_000_000_000


@pytest.fixture(autouse=True)
def _pauses(short_pauses, monkeypatch):
    monkeypatch.setattr(limits, "OPERATOR_PAUSE_S", 0.05)
    monkeypatch.setattr(limits, "ASK_S", PATIENCE_S)


class Ways:
    """A sink for a test, with its spool in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "token"
        self.open: list[InfluxSink] = []

    def __call__(self, bucket: Bucket, *, size_max=1 << 30, age_max_ms=10**9, now_ms=lambda: NOW_MS, **more):
        self.token.write_text(bucket.token)
        spool = Spool(self.folder / "spool.db", size_max, age_max_ms, **more)
        self.link = Link(bucket.url, bucket.org, bucket.name, self.token.read_text)
        sink = InfluxSink(spool, self.link, now_ms)
        sink.start()
        self.open.append(sink)
        return sink

    def close(self, sink: InfluxSink) -> None:
        self.open.remove(sink)
        sink.close()


@pytest.fixture
def ways(tmp_path):
    made = Ways(tmp_path)
    yield made
    for sink in made.open:
        sink.close()


def lines(count: int, first: int = 0) -> list[str]:
    """So many points, each with a time of its own."""
    return [
        f"sla_line,shop=s{n % 7} asked={n}i {(NOW_MS + n) * 1_000_000}" for n in range(first, first + count)
    ]


def refused_in(ways: Ways) -> list[tuple[int, str, list[str]]]:
    """What was put aside, the oldest first."""
    kept = reversed(Quarantine(ways.folder / "spool.db").list())
    return [(one.status, one.words, one.lines) for one in kept]


def test_what_is_put_is_there_once(influx_server, ways):
    bucket = influx_server.new_bucket()
    sink = ways(bucket)
    for at in range(0, 12_000, 3_000):
        sink.put(lines(3_000, at))
    sink.put(lines(3_000))  # again: the same points
    drained(sink)
    assert influx_server.points(bucket) == 12_000
    assert sink.state.way == "ok"
    assert not sink.dropped


def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(own_influx, ways):
    bucket = own_influx.new_bucket()
    sink = ways(bucket)
    for at in range(0, 100_000, 5_000):
        sink.put(lines(5_000, at))
        if at == 30_000:
            eventually(lambda: sink.state.sent >= 5_000)
            own_influx.kill()
    sink.flush()
    eventually(lambda: sink.state.way == "down")
    own_influx.start()
    drained(sink)
    assert own_influx.points(bucket) == 100_000
    assert sink.state.way == "ok"
    assert not sink.dropped


def test_a_server_that_hangs_costs_nothing_and_does_not_hold_up_the_end(own_influx, ways, monkeypatch):
    """Paused with a request under way: giving stays instant, stopping takes milliseconds, nothing is lost."""
    monkeypatch.setattr(limits, "ASK_S", 1.0)
    bucket = own_influx.new_bucket()
    sink = ways(bucket)
    sink.put(lines(100))
    drained(sink)
    own_influx.pause()
    sink.put(lines(100, 100))
    eventually(lambda: sink.state.way == "down" and "timed out" in sink.state.words)
    monkeypatch.setattr(limits, "ASK_S", PATIENCE_S)
    eventually(lambda: (asking := ways.link._connection) and asking.timeout == PATIENCE_S, what="a long wait")
    began = time.perf_counter()
    sink.put(lines(100, 200))
    ways.close(sink)
    assert time.perf_counter() - began < PATIENCE_S / 2, "all of it, if either waited for an answer"
    own_influx.resume()
    again = ways(bucket)
    drained(again)
    assert own_influx.points(bucket) == 300


def test_the_end_waits_for_no_answer(ways):
    """Of one that took the request and says nothing: what was given is on disk, and that is enough."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = ways(Bucket(f"http://127.0.0.1:{server.getsockname()[1]}", "figures"))
        sink.put(lines(100))
        taken, _ = server.accept()
        with taken:
            assert taken.recv(1)
            began = time.perf_counter()
            ways.close(sink)
            assert time.perf_counter() - began < PATIENCE_S / 2, "all of it, if it waited"


def test_a_token_that_is_rotated_is_told_and_the_new_one_is_taken_from_its_file(influx_server, ways):
    bucket = influx_server.new_bucket()
    old = influx_server.new_token()
    sink = ways(Bucket(bucket.url, bucket.name, ORG, old))
    sink.put(lines(10))
    drained(sink)
    influx_server.revoke(old)
    sink.put(lines(10, 10))
    eventually(lambda: sink.state.way == "refused" and "401" in sink.state.words)
    assert sink.waiting == 10
    ways.token.write_text(influx_server.new_token())
    drained(sink)
    assert influx_server.points(bucket) == 20
    assert sink.state.way == "ok"


def test_a_bucket_that_is_deleted_is_told_and_everything_waits_for_another(influx_server, ways):
    bucket = influx_server.new_bucket("comes-and-goes")
    sink = ways(bucket)
    influx_server.delete_bucket(bucket)
    sink.put(lines(10))
    eventually(lambda: sink.state.way == "refused")
    assert "404" in sink.state.words
    assert "comes-and-goes" in sink.state.words
    influx_server.new_bucket("comes-and-goes")
    drained(sink)
    assert influx_server.points(bucket) == 10


def test_lines_that_are_wrong_are_found_kept_and_named_and_all_others_are_stored(influx_server, ways):
    bucket = influx_server.new_bucket()
    sink = ways(bucket)
    wrong = ["sla_line,shop= asked=1i 5", "no fields at all"]
    good = lines(3_000)
    sink.put([*good[:1_000], wrong[0], *good[1_000:], wrong[1]])
    drained(sink)
    assert influx_server.points(bucket) == 3_000
    assert sink.dropped == {"refused": 2}
    assert sink.state.sent == 3_000
    kept = refused_in(ways)
    assert [found for _, _, found in kept] == [[wrong[0]], [wrong[1]]]
    assert all(status == 400 and "unable to parse" in words for status, words, _ in kept)


def test_a_field_of_another_type_is_counted_and_kept_and_not_sent_for_ever(influx_server, ways):
    bucket = influx_server.new_bucket()
    sink = ways(bucket)
    sink.put(lines(10))
    drained(sink)
    sink.put([f"sla_line,shop=s0 asked=1.5 {(NOW_MS + 99) * 1_000_000}", *lines(5, 10)])
    drained(sink)
    assert influx_server.points(bucket) == 15
    assert sink.dropped == {"refused": 1}
    (kept,) = refused_in(ways)
    assert kept[0] == 422
    assert "dropped=1" in kept[1]


def test_points_older_than_the_buckets_retention_do_not_hold_up_the_others(influx_server, ways):
    bucket = influx_server.new_bucket(retention_s=3_600)
    sink = ways(bucket)
    sink.put([f"sla_line,shop=s1 asked=1i {10**18}", f"sla_line,shop=s1 asked=1i {time.time_ns()}"])
    drained(sink)
    assert influx_server.points(bucket) == 1
    assert sink.dropped == {"refused": 1}


def test_at_its_bound_figures_go_first_and_the_oldest_before_the_others(tmp_path, influx_server, ways):
    """What lasts (alerts) stays, and each point that went is counted."""
    gone = Bucket("http://127.0.0.1:9", "nowhere")
    sink = ways(gone, size_max=100_000)
    alerts = [f"sla_alert,rule=r{n} severity=2i {NOW_MS * 1_000_000}" for n in range(50)]
    sink.put(alerts, lasting=True)
    for at in range(0, 200_000, 5_000):
        sink.put(lines(5_000, at))
        sink.flush()
        assert sink._spool.size <= 100_000
    waiting, dropped = sink.waiting, sink.dropped["full"]
    assert waiting + dropped == 200_050
    ways.close(sink)
    bucket = influx_server.new_bucket()
    again = ways(bucket)
    drained(again)
    assert influx_server.points(bucket, "sla_alert") == 50
    assert influx_server.points(bucket) == waiting
    newest = influx_server.query(
        f'from(bucket: "{bucket.name}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)'
        ' |> filter(fn: (r) => r._measurement == "sla_line") |> group() |> max()'
    )
    assert newest[0]["_value"] == "199999"


def test_what_waits_longer_than_allowed_goes_and_is_counted(ways):
    now = [NOW_MS]
    sink = ways(Bucket("http://127.0.0.1:9", "nowhere"), age_max_ms=60_000, now_ms=lambda: now[0])
    sink.put(lines(10))
    sink.flush()
    now[0] += 30_000
    assert sink.age_ms == 30_000
    now[0] += 31_000
    sink.put(lines(10, 10))
    sink.flush()
    assert sink.waiting == 10
    assert sink.dropped == {"old": 10}
    assert sink.age_ms == 0


def test_a_full_disk_costs_points_and_nothing_else(influx_server, new_disk, ways):
    """Below what is the desk's nothing is put; a disk wholly full breaks nothing; with room it goes on."""
    bucket, small_disk = influx_server.new_bucket(), new_disk(4 << 20)
    ways.folder = small_disk
    ways.token = small_disk / "token"
    sink = ways(bucket, disk_min=1 << 20)
    sink.put(lines(10))
    drained(sink)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * ((4 << 20) - (600 << 10)))
    sink.put(lines(10, 10))
    sink.flush()
    assert sink.dropped == {"disk": 10}
    ways.close(sink)
    reckless = ways(bucket)
    fill(small_disk / "rest")
    for at in range(0, 200_000, 5_000):
        reckless.put(lines(5_000, at + 1_000_000))
    reckless.flush()
    assert reckless.dropped["disk"]
    filler.unlink()
    (small_disk / "rest").unlink()
    reckless.put(lines(10, 20))
    drained(reckless)
    assert influx_server.points(bucket) >= 20


def test_a_server_whose_disk_is_full_gets_everything_once_it_has_room(new_disk, ways):
    """It says 500, with room again as well until it is restarted; nothing is lost or doubled."""
    disk = new_disk(64 << 20)
    with InfluxServer(disk) as server:
        bucket = server.new_bucket()
        sink = ways(bucket)
        sink.put(lines(5_000))
        drained(sink)
        fill(disk / "filler")
        for at in range(5_000, 100_000, 5_000):
            sink.put(lines(5_000, at))
            sink.flush()
        eventually(lambda: sink.state.way == "down" and sink.state.words.startswith("500"))
        assert sink.waiting
        (disk / "filler").unlink()
        server.stop()
        server.start()
        drained(sink)
        assert server.points(bucket) == 100_000
        assert not sink.dropped


CHILD = """
import sys
from pathlib import Path
from monitor.sinks.influx import InfluxSink
from monitor.sinks.influx_link import Link
from monitor.sinks.influx_sender import PointSender
from monitor.sinks.influx_spool import Spool
sink = InfluxSink(Spool(Path(sys.argv[1]), 1 << 30, 1 << 50), Link("http://127.0.0.1:9", "o", "b", str), int)
sink.start()
for first in range(0, 20_000, 1_000):
    sink.put([f"sla_line,shop=s1 asked={n}i {n + 10**18}" for n in range(first, first + 1_000)])
sink.flush()
print("put", flush=True)
sink.flush() or input()
"""


def test_what_was_put_survives_kill_9_of_the_daemon(influx_server, ways):
    bucket = influx_server.new_bucket()
    command = [sys.executable, "-c", CHILD, str(ways.folder / "spool.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        while b"put" not in child.stdout.readline():
            pass
        child.kill()
    drained(ways(bucket))
    assert influx_server.points(bucket) == 20_000


def test_a_spool_that_cannot_be_read_is_set_aside_and_never_keeps_the_daemon_from_its_work(tmp_path):
    path = tmp_path / "influx.db"
    path.write_bytes(b"not a database" * 1_000)
    spool = opened(path, 1 << 20, 1 << 50)
    spool.put(lines(3), NOW_MS)
    assert (spool.points, (tmp_path / "influx.db.set-aside").exists()) == (3, True)
    spool.close()
    nowhere = opened(tmp_path / "no" / "such" / "folder" / "influx.db", 1 << 20, 1 << 50)
    nowhere.put(lines(3), NOW_MS)
    assert nowhere.points == 3
    nowhere.close()


def test_a_server_that_is_busy_says_when_to_come_again(ways, monkeypatch):
    """429 with Retry-After: asked again then and not before; a batch that is too large is halved."""
    rests, pause_s = [], PointSender._pause_s

    def rest(*given):
        rests.append(pause_s(*given))
        return rests[-1]

    monkeypatch.setattr(PointSender, "_pause_s", rest)
    replies = [Reply(429, headers={"Retry-After": "0.3"}), Reply(503), Reply(413), STORED, STORED]
    with Standin(lambda _: replies.pop(0)) as server:
        sink = ways(Bucket(server.url, "any"))
        sink.put(lines(2))
        drained(sink)
        times = server.times
    assert times[1] - times[0] >= 0.29
    assert rests[0] == 0.3
    assert 0 < rests[1] <= limits.PAUSE_MAX_S, "where it says nothing of it, ours"
    assert [len(one) for one in server.asked] == [2, 2, 2, 1, 1]
    assert sink.state.sent == 2


def fill(file: Path) -> None:
    """Write until there is no room at all."""
    with suppress(OSError), file.open("wb", buffering=0) as out:
        while out.write(b"x" * 4096):
            pass
