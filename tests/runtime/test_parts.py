"""The small parts: clocks, health of parts, the watchdog's judgement."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
from structlog.testing import capture_logs

from monitor.runtime import limits
from monitor.runtime.clock import ManualClock, SystemClock
from monitor.runtime.health import Health, keep_running
from monitor.runtime.watchdog import STUCK_STATUS, Progress, Watchdog
from tests.waiting import PATIENCE_S, eventually, until


def test_sleepers_wake_in_the_order_of_their_times_and_never_early():
    async def scene():
        clock, woken = ManualClock(100), []

        async def doze(at_ms):
            await clock.sleep_until(at_ms)
            woken.append((at_ms, clock.now_ms()))

        tasks = [asyncio.create_task(doze(at_ms)) for at_ms in (300, 200, 50, 400)]
        for now_ms in (100, 199, 350):
            await turns()
            clock.move_to(now_ms)
        await turns()
        assert woken == [(50, 100), (200, 350), (300, 350)]
        clock.move_to(10)
        assert clock.now_ms() == 350
        tasks[-1].cancel()

    asyncio.run(scene())


@pytest.mark.parametrize("clock", [ManualClock(0), SystemClock()], ids=["manual", "system"])
def test_waiting_ends_with_the_event_or_with_the_time(clock):
    async def scene():
        event = asyncio.Event()
        await clock.wait(event, clock.now_ms())
        assert not event.is_set()
        waiting = asyncio.create_task(clock.wait(event, clock.now_ms() + 1_000_000))
        await turns()
        assert not waiting.done()
        event.set()
        await asyncio.wait_for(waiting, PATIENCE_S)

    asyncio.run(scene())


def test_a_failing_part_runs_again_and_the_others_never_notice(monkeypatch):
    monkeypatch.setattr(limits, "RESTART_PAUSE_S", 0.001)

    async def scene():
        health, tries, told, turns_of_other = Health(), [], [], []

        async def failing():
            tries.append(1)
            told.append(dict(health.problems))
            if len(tries) < 4:
                raise RuntimeError("no luck")
            health.well("sender")
            await asyncio.Event().wait()

        async def other():
            while True:
                turns_of_other.append(1)
                await asyncio.sleep(0)

        tasks = [
            asyncio.create_task(keep_running("sender", failing, health)),
            asyncio.create_task(keep_running("desk", other, health)),
        ]
        await until(lambda: len(tries) == 4 and not health.problems)
        assert told == [{}, *[{"sender": "sender: no luck"}] * 3], "said until it runs"
        assert health.failures == {"sender": 3}
        before = len(turns_of_other)
        await turns()
        assert len(turns_of_other) > before
        for task in tasks:
            task.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(("says", "left"), [("", {}), ("no account", {"charts": "no account"})])
def test_a_part_that_ran_for_a_minute_is_well_but_for_what_it_says_itself(monkeypatch, says, left):
    monkeypatch.setattr(limits, "RESTART_PAUSE_S", 0.001)
    monkeypatch.setattr(limits, "RESTART_PAUSE_MAX_S", 0.002)

    async def scene():
        health, tries, a_minute_later = Health(), [], asyncio.Event()

        async def fails_once():
            tries.append(1)
            if len(tries) == 1:
                raise OSError("the disk is full")
            assert health.problems == {"charts": "charts: the disk is full"}
            if says:
                health.failed("charts", says)
            asyncio.get_running_loop().call_later(limits.RESTART_PAUSE_MAX_S, a_minute_later.set)
            await asyncio.Event().wait()

        task = asyncio.create_task(keep_running("charts", fails_once, health))
        await asyncio.wait_for(a_minute_later.wait(), PATIENCE_S)
        assert health.problems == left
        task.cancel()

    asyncio.run(scene())


def test_what_fails_each_second_is_logged_as_it_begins_every_ten_minutes_and_as_it_ends():
    now_s = [0.0]
    health = Health(lambda: now_s[0])
    with capture_logs() as lines:
        for second in range(1_500):
            now_s[0] = float(second)
            health.failed("journal", f"try {second}")
        health.well("journal")
        health.well("journal")
    assert [(one["event"], one.get("problem"), one.get("times"), one.get("for_s")) for one in lines] == [
        ("part failed", "try 0", None, None),
        ("part failed", "try 600", 601, 600),
        ("part failed", "try 1200", 1201, 1200),
        ("part is well again", None, 1500, 1499),
    ]
    assert health.failures == {"journal": 1_500}


def test_a_part_that_several_use_is_well_once_all_who_said_otherwise_say_so():
    health = Health()
    with capture_logs() as lines:
        health.failed("store", "full", by="shard 1")
        health.failed("store", "locked", by="shard 2")
        health.well("store")
        health.well("store", by="shard 3")
        health.well("store", by="shard 2")
        assert health.problems == {"store": "full"}
        health.well("store", by="shard 1")
    assert health.problems == {}
    assert [one["event"] for one in lines] == ["part failed", "part failed", "part is well again"]


def test_problems_may_be_read_in_another_thread_at_any_time():
    """The watchdog does: one that ends in silence ends no worker that is stuck."""
    health, over, found = Health(), threading.Event(), []

    def watch():
        try:
            while not over.is_set():
                found.append(len(health.problems) + len(health.told))
        except (RuntimeError, IndexError, StopIteration) as error:
            found.append(error)

    watcher, usual_s = threading.Thread(target=watch), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    watcher.start()
    with capture_logs():
        for _ in range(5_000):
            health.failed("store", "locked", by="shard 1")
            health.failed("store", "locked", by="shard 1")
            health.well("store", by="shard 1")
    over.set()
    watcher.join()
    sys.setswitchinterval(usual_s)
    assert [one for one in found if isinstance(one, Exception)] == []


def test_another_problem_of_a_part_is_logged_at_once_and_two_that_take_turns_once_each():
    now_s, unforeseen = [0.0], KeyError("shop")
    health = Health(lambda: now_s[0])
    with capture_logs() as lines:
        for second in range(0, 120, 20):
            now_s[0] = float(second)
            if second % 40:
                health.failed("sender", f"sender: {unforeseen}", error=unforeseen)
            else:
                health.failed("sender", f"sender: the disk is full, {second} MB are left")
        health.well("sender")
    assert [(one.get("problem"), one.get("exc_info"), one.get("times")) for one in lines] == [
        ("sender: the disk is full, 0 MB are left", None, None),
        ("sender: 'shop'", unforeseen, 2),
        (None, None, 6),
    ]


def test_no_progress_is_the_same_mark_for_long_while_work_waits():
    progress = Progress(stuck_ms=60_000)
    looks = [
        (1, True, 0, False),
        (1, True, 59_999, False),
        (1, True, 60_000, True),
        (2, True, 60_001, False),
        (2, False, 200_000, False),  # nothing waits
        (2, True, 259_999, False),  # waits since the look before
        (2, True, 260_000, True),
    ]
    assert [progress.stuck(mark, waiting=w, now_ms=ms) for mark, w, ms, _ in looks] == [x[3] for x in looks]


def test_a_watchdog_ends_the_process_when_the_loop_no_longer_turns(capfd):
    ended = []
    dog = Watchdog(look=lambda: (0, False), beat=lambda: 1.0, end=ended.append)
    dog._loop = Progress(stuck_ms=0)
    dog.start()
    assert eventually(lambda: ended) == [STUCK_STATUS]
    dog.stop()
    assert "most recent call first" in capfd.readouterr().err


def test_a_watchdog_looks_on_where_a_look_fails():
    """A rebalance took the partition while it asked how far that is: nobody watched the process any more."""
    looks = []

    def look():
        looks.append(len(looks))
        assert len(looks) > 1, "not assigned any more"
        return 0, False

    dog = Watchdog(look=look, beat=lambda: 1.0)
    dog.start()
    eventually(lambda: len(looks) > 1)
    dog.stop()


async def turns(n=5):
    for _ in range(n):
        await asyncio.sleep(0)
