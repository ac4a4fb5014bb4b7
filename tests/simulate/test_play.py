"""A simulated day played into a daemon: every event at its second, at the speed one asked for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from monitor.engine.events import Event
from monitor.runtime.clock import ManualClock
from monitor.workbench.play import play

TEN_MS = 1_794_362_400_000  # 2026-11-11T10:00:00+08:00


@dataclass
class Felt:
    now_s: float = 0.0
    slept: list = field(default_factory=list)

    def time(self):
        return self.now_s

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds


def heartbeat(offset_ms, source):
    return TEN_MS + offset_ms, Event(
        type="heartbeat", id=str(offset_ms), at=TEN_MS + offset_ms, source=source
    )


def run(arrivals, speed, busy_s=0.0):
    clock, felt, taken, settles = ManualClock(TEN_MS), Felt(), [], []

    async def accept(source, events, arrival_ms):
        taken.append((arrival_ms - TEN_MS, source, [event.id for event in events]))

    async def settled():
        settles.append(clock.now_ms() - TEN_MS)
        felt.now_s += busy_s

    played = asyncio.run(play(arrivals, clock, accept, settled, felt, speed=speed))
    return played, taken, felt, settles


def test_events_arrive_at_the_end_of_their_second_by_source():
    played, taken, _, settles = run(
        [heartbeat(100, "a"), heartbeat(200, "b"), heartbeat(300, "a"), heartbeat(3_500, "a")], 60
    )
    assert played == 4
    assert taken == [(1_000, "a", ["100", "300"]), (1_000, "b", ["200"]), (4_000, "a", ["3500"])]
    assert {2_000, 3_000} <= set(settles)  # seconds in which nothing arrives pass as well


def test_a_minute_takes_a_second_at_speed_60():
    _, _, felt, _ = run([heartbeat(0, "a"), heartbeat(60_000 - 1, "a")], 60)
    assert round(felt.now_s, 3) == 1.0


def test_a_daemon_that_cannot_keep_up_slows_the_day_and_nobody_waits():
    _, taken, felt, _ = run([heartbeat(0, "a"), heartbeat(59_999, "a")], 60, busy_s=0.1)
    assert felt.slept == []
    assert [offset for offset, _, _ in taken] == [1_000, 60_000]
