"""Feeding a daemon: paced by a clock, by source, and sent again when it asks for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from monitor.engine.events import Event
from monitor.errors import MonitorError
from monitor.workbench.feed import BATCH_EVENTS, feed, write_lines


@dataclass
class ToldClock:
    now_s: float = 1_000.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


@dataclass
class Answer:
    status_code: int = 202
    headers: dict = field(default_factory=dict)
    content: bytes = b'{"accepted": 1, "duplicates": 0, "rejected": []}'


@dataclass
class Daemon:
    """Takes everything, but gives the listed answers first."""

    clock: ToldClock
    first: list = field(default_factory=list)
    bodies: list = field(default_factory=list)

    def __call__(self, source, body):
        self.bodies.append((self.clock.now_s, source, [json.loads(line)["id"] for line in body.splitlines()]))
        answer = self.first.pop(0) if self.first else Answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def arrivals(*times_ms, source="erp-1"):
    return [
        (ms, Event(type="heartbeat", id=str(n), at=ms, source=source)) for n, ms in enumerate(times_ms, 1)
    ]


def test_traffic_is_sent_when_it_happened():
    """At speed 2 an event 10 simulated seconds after the first leaves 5 seconds after it."""
    clock = ToldClock()
    daemon = Daemon(clock)
    feed(arrivals(0, 10, 10_000), daemon, clock, speed=2)
    assert [ids for _, _, ids in daemon.bodies] == [["1", "2"], ["3"]]
    assert daemon.bodies[-1][0] == pytest.approx(1_005.0, abs=0.2)


def test_at_speed_zero_nothing_waits_and_batches_are_full():
    clock = ToldClock()
    daemon = Daemon(clock)
    feed(arrivals(*range(0, 1_000_000, 1_000)), daemon, clock, speed=0)
    assert [len(ids) for _, _, ids in daemon.bodies] == [BATCH_EVENTS, BATCH_EVENTS]
    assert clock.now_s == 1_000.0


def test_each_source_speaks_for_itself():
    clock = ToldClock()
    daemon = Daemon(clock)
    both = sorted(arrivals(0, 2) + arrivals(1, 3, source="erp-2"), key=lambda one: one[0])
    feed(both, daemon, clock, speed=0)
    assert {(source, len(ids)) for _, source, ids in daemon.bodies} == {("erp-1", 2), ("erp-2", 2)}


def test_a_daemon_that_asks_to_wait_gets_the_same_again():
    """429, 503 and a lost connection: the same body is sent again, after the time asked for."""
    clock = ToldClock()
    daemon = Daemon(
        clock, first=[Answer(429, {"retry-after": "7"}), Answer(503), ConnectionError("nobody there")]
    )
    fed = feed(arrivals(0), daemon, clock, speed=0)
    assert [ids for _, _, ids in daemon.bodies] == [["1"]] * 4
    assert daemon.bodies[1][0] - daemon.bodies[0][0] == 7
    assert fed.accepted == 1


def test_a_daemon_that_refuses_is_one_line():
    clock = ToldClock()
    with pytest.raises(MonitorError, match=r"answers 401 to source erp-1.*--token"):
        feed(arrivals(0), Daemon(clock, first=[Answer(401)]), clock, speed=0)


def test_a_daemon_that_never_answers_is_one_line():
    clock = ToldClock()
    nobody = Daemon(clock, first=[ConnectionError("http://x: refused")] * 100)
    with pytest.raises(MonitorError, match="http://x: refused; start the daemon"):
        feed(arrivals(0), nobody, clock, speed=0)
    assert clock.now_s == 1_000.0  # at once: the address is wrong


def test_a_daemon_that_went_away_is_waited_for():
    clock = ToldClock()
    gone = Daemon(clock, first=[Answer(503), *[ConnectionError("http://x: refused")] * 20])
    assert feed(arrivals(0), gone, clock, speed=0).accepted == 1


def test_a_file_keeps_when_each_event_arrived_or_not():
    lines = []
    assert write_lines(arrivals(5), lines.append, received_at=True) == 1
    write_lines(arrivals(5), lines.append, received_at=False)
    assert [json.loads(line).get("received_at") for line in lines] == [5, None]
