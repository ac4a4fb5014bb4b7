"""Servers that are slow, that drip, that fail in the middle: progress is made, nothing is sent for ever."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from monitor.sinks import influx_limits as limits
from monitor.sinks.influx_refused import Quarantine
from tests.servers.influx import Bucket
from tests.servers.influx_standin import DRIPS, LOST, NONE, STORED, WRONG, Reply, Standin
from tests.sinks.drained import drained
from tests.waiting import PATIENCE_S, eventually

NOW_MS = 1_795_000_000_000
INVALID = '{"code":"invalid","message":"unable to parse \'wrong\': missing fields"}'
pytestmark = pytest.mark.usefixtures("short_operator_pauses")


def lines(count: int, first: int = 0) -> list[str]:
    return [f"sla_line,shop=s1 asked={n}i {(NOW_MS + n) * 1_000_000}" for n in range(first, first + count)]


def test_a_server_that_cannot_do_a_batch_in_time_gets_ever_smaller_ones_until_it_can(sinks, monkeypatch):
    """It does at most 600 points in time: everything arrives, and it is said that it is slow."""
    monkeypatch.setattr(limits, "ASK_S", 0.3)
    with Standin(lambda found: STORED if len(found) <= 600 else NONE) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(lines(5_000))
        eventually(lambda: sink.state.way == "slow" and "timed out" in sink.state.words)
        assert sink.state.since_ms == NOW_MS
        assert sink.state.at_once < 5_000
        drained(sink)
        taken = {line for found in server.asked if len(found) <= 600 for line in found}
        assert taken == set(lines(5_000))
        server.answer = lambda _: STORED
        monkeypatch.setattr(limits, "ASK_S", PATIENCE_S)
        for at in range(5_000, 25_000, 50):  # with each success more at once, until it is as it was
            sink.put(lines(50, at))
            drained(sink)
            if sink.state.way == "ok":
                break
        assert sink.state.way == "ok"
        assert sink.state.at_once == limits.REQUEST_POINTS
    assert not sink.dropped


@pytest.mark.parametrize("status", [408, 504])
def test_a_proxy_that_waited_in_vain_gets_less_at_once(sinks, status):
    with Standin(lambda found: STORED if len(found) < 4 else Reply(status)) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(lines(16))
        drained(sink)
    assert Counter(line for found in server.asked if len(found) < 4 for line in found) == Counter(lines(16))


def test_an_answer_that_drips_for_ever_is_given_up_in_time_and_told(sinks, monkeypatch):
    """Each byte comes well before a time-out of its own would end."""
    monkeypatch.setattr(limits, "ASK_S", 0.3)
    with Standin(lambda _: DRIPS) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(lines(100))
        eventually(lambda: sink.state.way == "down" and "no whole answer in 0.3 s" in sink.state.words)
        assert sink.waiting == 100
        server.answer = lambda _: STORED
        drained(sink)
    assert sink.state.sent == 100


@pytest.mark.parametrize("failure", [Reply(503), Reply(429), LOST], ids=["503", "429", "lost"])
def test_a_failure_in_the_middle_of_a_search_loses_no_step_of_it(sinks, failure):
    """Two wrong lines in eight, and every third answer a failure: what is answered is never asked again."""
    wrong, turn = {"wrong 3", "wrong 6"}, [0]
    given = [f"wrong {n}" if f"wrong {n}" in wrong else f"good,a=1 b={n}i {n}" for n in range(8)]
    settled: list[str] = []

    def answer(found: list[str]) -> Reply:
        turn[0] += 1
        if turn[0] % 3 == 0:
            return failure
        if wrong & set(found):
            settled.extend(found if len(found) == 1 else [])
            return WRONG
        settled.extend(found)
        return STORED

    with Standin(answer) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(given)
        drained(sink)
    assert Counter(settled) == Counter(given), "each was taken or condemned once"
    assert len(server.asked) == len(set(map(tuple, server.asked))) + turn[0] // 3, (
        "only after a failure again"
    )
    assert sink.dropped == {"refused": 2}
    assert sink.state.sent == 6


@pytest.mark.parametrize("failure", [Reply(429, headers={"Retry-After": "0.01"}), Reply(500), Reply(401)])
def test_what_is_put_aside_is_there_once_whatever_fails_afterwards(sinks, tmp_path, failure):
    replies = [WRONG, Reply(400, INVALID), failure, failure, STORED]
    with Standin(lambda _: replies.pop(0)) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(["wrong", *lines(1)])
        drained(sink)
    assert [one.lines for one in Quarantine(tmp_path / "spool.db").list()] == [["wrong"]]
    assert server.asked[1:] == [["wrong"], lines(1), lines(1), lines(1)]
    assert sink.dropped == {"refused": 1}


def test_five_thousand_wrong_lines_are_put_aside_in_a_few_requests(influx_server, sinks, tmp_path):
    """The server names them all at once: nobody needs to look for each."""
    bucket = influx_server.new_bucket()
    sink = sinks(bucket)
    given = [f"wrong{n}" for n in range(5_000)]
    began = time.process_time()
    sink.put([*given[:2_500], *lines(10), *given[2_500:]])
    drained(sink)
    assert time.process_time() - began < 2, "ten thousand requests need more"
    assert influx_server.points(bucket) == 10
    assert sink.dropped == {"refused": 5_000}
    kept = Quarantine(tmp_path / "spool.db").list()
    assert sorted(line for one in kept for line in one.lines) == sorted(given)
    assert {one.words for one in kept} == {"unable to parse: missing fields"}


def test_a_mistake_that_the_server_does_not_place_is_found_by_halves(influx_server, sinks, tmp_path):
    bucket = influx_server.new_bucket()
    sink = sinks(bucket)
    reserved = f"sla_line,time=1 asked=1i {NOW_MS}000000"
    sink.put([*lines(30), reserved, *lines(30, 30)])
    drained(sink)
    assert influx_server.points(bucket) == 60
    (kept,) = Quarantine(tmp_path / "spool.db").list()
    assert kept.lines == [reserved]
    assert "reserved" in kept.words


def test_a_line_that_influxdb_itself_finds_too_large_is_put_aside(sinks):
    def answer(found: list[str]) -> Reply:
        large = any(len(line) > 1_000 for line in found)
        return Reply(413, '{"code":"request too large","message":"too large"}') if large else STORED

    with Standin(answer) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put([*lines(3), f'sla_line,shop=s1 name="{"x" * 2_000}" 1', *lines(3, 3)])
        drained(sink)
    assert sink.dropped == {"refused": 1}
    assert sink.state.sent == 6


def test_a_proxy_that_takes_not_even_a_line_condemns_none(sinks):
    """Its limit is for a person to mend: nothing is lost, and somebody is told."""
    with Standin(lambda _: Reply(413, "<html>too large</html>")) as server:
        sink = sinks(Bucket(server.url, "any"))
        sink.put(lines(4))
        eventually(lambda: sink.state.way == "refused" and "413" in sink.state.words)
        server.answer = lambda _: STORED
        drained(sink)
    assert sink.state.sent == 4
    assert not sink.dropped
