"""What a server that is none, a damaged disk and strange text do to the way to InfluxDB: nothing for ever."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx_link import Answer, Link, Verdict, retry_after_s
from monitor.sinks.influx_parcel import Parcel
from monitor.sinks.influx_refused import packed
from monitor.sinks.influx_schema import LINE, point
from monitor.sinks.influx_sender import PointSender
from monitor.sinks.influx_spool import Batch, Spool, opened
from tests.servers.influx import Bucket
from tests.servers.influx_standin import Reply, Standin
from tests.sinks.drained import drained
from tests.waiting import eventually

NOW_MS = 1_795_000_000_000
pytestmark = pytest.mark.usefixtures("short_pauses")


def lines(count: int, first: int = 0) -> list[str]:
    """So many points that do not compress well, each with a time of its own."""
    dice = random.Random(first)
    return [
        f"sla_line,shop={dice.getrandbits(200):x} asked={n}i {(NOW_MS + n) * 1_000_000}"
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "<html>please log in</html>"),
        Answer(202, ""),
        Answer(307, ""),
        Answer(400, "<html>The plain HTTP request was sent to HTTPS port</html>"),
        Answer(422, "<html>a firewall</html>"),
    ],
    ids=lambda answer: str(answer.status),
)
def test_whoever_is_not_influxdb_neither_takes_nor_condemns_a_point(answer):
    assert answer.verdict is Verdict.REFUSED


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-inf", "-5", "1e999", "Mon, 01 Jan 0001 00:00:00 +2359", "tomorrow", "", "9" * 400],
)
def test_a_retry_after_that_means_nothing_is_a_rest_within_the_bounds(text):
    assert 0 <= retry_after_s(text) <= limits.RETRY_AFTER_MAX_S


def test_half_a_letter_in_a_name_costs_that_letter(influx_server, sinks):
    """Text from YAML may hold what no file can: it must end neither the writer nor the daemon's stop."""
    bucket = influx_server.new_bucket()
    sink = sinks(bucket)
    tags = ["pinduoduo", "s1", "team \ud800", "l1", "reply_rate_3m", "day"]
    sink.put([point(LINE.series(tags), LINE.types(), {"asked": 1}, NOW_MS * 1_000_000)])
    sink.put(lines(1, 1))
    drained(sink)
    assert influx_server.points(bucket) == 2


def test_a_number_that_influxdb_cannot_hold_costs_its_point_and_no_other(influx_server, sinks):
    """Its whole numbers have 64 bits."""
    bucket = influx_server.new_bucket()
    sink = sinks(bucket)
    series = LINE.series(["pinduoduo", "s1", "", "l1", "reply_rate_3m", "day"])
    numbers = [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400]
    sink.put([point(series, LINE.types(), {"asked": n}, NOW_MS + at) for at, n in enumerate(numbers)])
    drained(sink)
    assert influx_server.points(bucket) == 2
    assert sink.dropped == {"refused": 3}


def test_what_nobody_foresaw_in_the_spool_is_counted_and_does_not_hold_up_the_end(sinks, monkeypatch):
    sink = sinks(Bucket("http://127.0.0.1:9", "nowhere"))
    monkeypatch.setattr(Spool, "put", lambda *_, **__: 1 // 0)
    for _ in range(limits.QUEUED_BATCHES):
        sink.put(["one"])
        sink.flush()
    assert sink.dropped == {"disk": limits.QUEUED_BATCHES}


def test_a_row_that_the_disk_changed_is_counted_and_all_others_arrive(influx_server, sinks, tmp_path):
    bucket = influx_server.new_bucket()
    spool = Spool(tmp_path / "spool.db", 1 << 30, 10**9)
    for at in range(0, 15_000, 5_000):
        spool.put(lines(5_000, at), NOW_MS)
    spool._db.execute("UPDATE batch SET body = randomblob(900) WHERE id = 1")
    spool._db.execute("UPDATE batch SET points = 10000 WHERE id = 1")  # it goes alone
    sink = sinks(bucket, spool)
    drained(sink)
    assert influx_server.points(bucket) == 10_000
    eventually(lambda: sink.dropped == {"disk": 10_000})


def test_a_file_damaged_in_its_middle_is_set_aside_while_running_and_what_comes_is_sent(
    influx_server, sinks, tmp_path
):
    path = tmp_path / "spool.db"
    spool = Spool(path, 1 << 30, 10**9)
    for at in range(0, 40_000, 5_000):
        spool.put(lines(5_000, at), NOW_MS)
    spool.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * (size - 3 * 4096))
    bucket = influx_server.new_bucket()
    sink = sinks(bucket, opened(path, 1 << 30, 10**9))
    sink.flush()
    eventually((tmp_path / "spool.db.set-aside").exists)
    sink.put(lines(7, 100_000))
    drained(sink)
    eventually(lambda: influx_server.points(bucket) == 7)


def test_a_spool_that_cannot_forget_is_told_and_never_sent_without_a_rest(influx_server, sinks, tmp_path):
    """Read-only while it runs: the same points again and again at full speed would be a flood."""
    bucket = influx_server.new_bucket()
    spool = Spool(tmp_path / "spool.db", 1 << 30, 10**9)
    spool.put(lines(10), NOW_MS)
    spool._db.execute("PRAGMA query_only = ON")
    sink = sinks(bucket, spool)
    eventually(lambda: sink.state.way == "down" and sink.state.words.startswith("spool: "))
    spool._db.execute("PRAGMA query_only = OFF")
    drained(sink)
    assert influx_server.points(bucket) == 10
    eventually(lambda: sink.state.way == "ok")


def test_two_processes_on_one_spool_lose_nothing(influx_server, sinks, tmp_path):
    bucket = influx_server.new_bucket()
    first = sinks(bucket, Spool(tmp_path / "one.db", 1 << 30, 10**9))
    second = sinks(bucket, Spool(tmp_path / "one.db", 1 << 30, 10**9))
    for at in range(0, 10_000, 1_000):
        (first, second)[at // 1_000 % 2].put(lines(1_000, at))
    first.flush()
    second.flush()
    eventually(lambda: influx_server.points(bucket) == 10_000)
    assert not first.dropped
    assert not second.dropped


def test_no_error_ever_holds_the_token():
    for token in ("secret\nX: y", "secret\u5e97", "secret\r"):
        link = Link("http://127.0.0.1:9", "o", "b", lambda token=token: token)
        assert "secret" not in link.post(b"").words


@pytest.mark.parametrize("host", ["http://.example", "http://" + "a" * 70 + ".test"])
def test_a_host_that_is_no_name_is_said(host, tmp_path):
    assert Link(host, "o", "b", lambda: "t").post(b"").verdict is Verdict.LATER


def test_a_batch_that_is_wrong_in_every_line_ends(influx_server, sinks):
    bucket = influx_server.new_bucket()
    sink = sinks(bucket)
    sink.put([*(f"wrong{n}" for n in range(500)), *lines(10)])
    drained(sink)
    eventually(lambda: sink.dropped == {"refused": 500})
    assert influx_server.points(bucket) == 10


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, '{"code":"invalid","message":"' + r"unable to parse 'a': no\n" * 9 + '"}'),
        Answer(422, '{"code":"unprocessable entity","message":"partial write dropped=999"}'),
    ],
    ids=["400", "422"],
)
def test_no_more_points_are_refused_than_were_sent_whatever_the_server_counts(answer):
    """Else those that were sent would count backwards, at which a counter of metrics raises."""
    parcel = Parcel(Batch((1,), 2, packed(b"a\nb")))
    lost = parcel.wrong(answer) if answer.status == 400 else parcel.partly(answer)
    assert lost + parcel.left <= 2
    assert lost == sum(len(one.lines) for one in parcel.refused)


def test_an_answer_of_megabytes_is_read_in_no_time():
    parcel = Parcel(Batch((1,), 2, packed(b"a\nb")))
    began_s = time.thread_time()
    parcel.wrong(Answer(400, '{"code":"invalid","message":"' + "': " * 1_000_000 + '"}'))
    assert time.thread_time() - began_s < 10, "it took hours"


def test_a_server_that_sends_back_what_it_got_has_no_token_told():
    words = '{"code":"unauthorized","message":"Token s3cret-of-ours is none"}'
    with Standin(lambda _: Reply(401, words)) as server:
        link = Link(server.url, "o", "b", lambda: "s3cret-of-ours")
        said = link.post(packed(b"a b=1 1"))
        link.close()
    assert "s3cret" not in said.words
    assert "is none" in said.words


def test_what_comes_after_an_early_hint_is_never_taken_for_the_next_answer():
    """A server that says 103 and later 204 to the first request has not stored the second."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as wires:

        def serve() -> None:
            wire = wires.enter_context(server.accept()[0])
            wire.recv(1 << 16)
            wire.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            hinted.wait(20)
            with suppress(OSError):  # nobody listens there any more
                wire.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            sent.set()
            wire = wires.enter_context(server.accept()[0])
            wire.recv(1 << 16)
            wire.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")

        hinted, sent = threading.Event(), threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        link = Link(f"http://127.0.0.1:{server.getsockname()[1]}", "o", "b", lambda: "token")
        assert link.post(packed(b"a b=1 1")).verdict is Verdict.LATER
        hinted.set()
        assert sent.wait(20)
        assert link.post(packed(b"a b=2 2")).status == 500
        link.close()
        thread.join(20)


def test_a_retry_after_of_nearly_nothing_is_no_reason_to_ask_without_a_rest(tmp_path):
    spool = Spool(tmp_path / "spool.db", 1 << 30, 10**9)
    sender = PointSender(spool, Link("http://127.0.0.1:9", "o", "b", lambda: "t"), lambda: NOW_MS)
    assert sender._pause_s(Answer(429, "", retry_after_s=0.000_001), 0.0) >= limits.PAUSE_S
    spool.close()
