"""What is taken and not folded yet: who waits for it, in which order, and when that ends in a refusal."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from monitor.runtime import limits
from monitor.runtime.backlog import Backlog
from monitor.runtime.clock import ManualClock
from monitor.web.ports import EntranceClosedError
from tests.alerting.jumping import run
from tests.runtime.scenes import TEN_MS, message, play
from tests.runtime.test_embedded import START_MS, events, running
from tests.waiting import PATIENCE_S, until

FULL = limits.BACKLOG_EVENTS
LARGE = limits.SMALL_EVENTS + 1


async def full(paced=lambda: True, monotonic_s=lambda: 0.0):
    """A backlog with no room, as record 1."""
    backlog = Backlog(paced, monotonic_s)
    await backlog.enter("erp", FULL)
    backlog.landed(1, FULL)
    return backlog


async def in_line(backlog, source, count):
    """Somebody who has taken a place in line, or has come through."""
    task = asyncio.create_task(backlog.enter(source, count))
    await asyncio.sleep(0)
    return task


async def patience_ends():
    """Let so much time pass as nobody waits for longer."""
    asyncio.get_running_loop().ahead_s += limits.HELD_S


def test_a_large_batch_waits_until_there_is_room():
    async def scene():
        backlog = await full()
        waiting = await in_line(backlog, "erp", LARGE)
        assert (backlog.events, backlog.held, waiting.done()) == (FULL, LARGE, False)
        backlog.folded(1)
        await waiting
        assert (backlog.events, backlog.held, backlog.refused) == (LARGE, 0, 0)

    run(scene())


def test_a_small_one_never_waits():
    """A heartbeat, or the webhook of a platform that does not send again."""

    async def scene():
        backlog = await full()
        waiting = await in_line(backlog, "erp", LARGE)
        await backlog.enter("chatwoot", limits.SMALL_EVENTS)
        assert backlog.events == FULL + limits.SMALL_EVENTS
        waiting.cancel()

    run(scene())


def test_who_waits_too_long_is_refused_and_counts_no_more():
    async def scene():
        backlog = await full()
        waiting = await in_line(backlog, "erp", LARGE)
        await patience_ends()
        with pytest.raises(EntranceClosedError, match="more comes than is folded") as refusal:
            await waiting
        assert (refusal.value.code, refusal.value.retry_after_s) == ("busy", 1)
        assert (backlog.events, backlog.held, backlog.refused) == (FULL, 0, LARGE)
        backlog.folded(1)
        assert backlog.events == 0
        await backlog.enter("erp", FULL)  # the line is empty again

    run(scene())


def test_a_refusal_is_told_for_a_minute():
    async def scene():
        now_s = 1_000.0
        backlog = await full(monotonic_s=lambda: now_s)
        assert backlog.notices == ()
        waiting = await in_line(backlog, "erp-2", LARGE)
        await patience_ends()
        await asyncio.gather(waiting, return_exceptions=True)
        now_s += limits.REFUSED_TOLD_S
        assert "batches of erp-2 were answered 429" in backlog.notices[0].en
        now_s += 1
        assert backlog.notices == ()

    run(scene())


def test_sources_are_let_in_by_turns_however_many_batches_they_have_in_line():
    async def scene():
        backlog, came = await full(), []

        async def send(source):
            await backlog.enter(source, FULL // 100)
            came.append(source)

        sent = [asyncio.create_task(send(source)) for source in ("a", "a", "a", "a", "b", "b", "c")]
        await asyncio.sleep(0)
        backlog.folded(1)
        await asyncio.gather(*sent)
        assert came == ["a", "b", "c", "a", "b", "a", "a"]

    run(scene())


def test_nobody_who_comes_later_overtakes_the_line():
    async def scene():
        backlog = Backlog(lambda: True)
        await backlog.enter("a", FULL - LARGE)
        large = await in_line(backlog, "b", 2 * LARGE)  # has no room, where another one would have it
        later = await in_line(backlog, "c", LARGE)
        assert (backlog.held, later.done()) == (3 * LARGE, False)
        backlog.leave(FULL - LARGE)
        await asyncio.gather(large, later)

    run(scene())


def test_a_line_has_an_end_and_one_source_cannot_take_all_of_it():
    async def scene():
        backlog = await full()
        refused = [
            await in_line(backlog, source, count)
            for source, count in (
                ("a", limits.HELD_EVENTS_OF_SOURCE),
                ("a", LARGE),
                ("b", limits.HELD_EVENTS - limits.HELD_EVENTS_OF_SOURCE),
                ("c", LARGE),
            )
        ]
        assert [one.done() for one in refused] == [False, True, False, True]
        assert (backlog.held, backlog.refused) == (limits.HELD_EVENTS, 2 * LARGE)
        backlog.folded(1)
        await asyncio.gather(*refused, return_exceptions=True)
        assert [isinstance(one.exception(), EntranceClosedError) for one in refused] == [
            False,
            True,
            False,
            True,
        ]

    run(scene())


def test_nobody_waits_for_a_shard_that_reads_again_what_it_had_or_cannot_go_on():
    async def scene():
        backlog = await full(paced=lambda: False)
        await backlog.enter("erp", LARGE)
        assert backlog.events == FULL + LARGE

    run(scene())


def test_who_waited_for_a_shard_that_failed_meanwhile_is_let_in():
    async def scene():
        fails = False
        backlog = await full(paced=lambda: not fails)
        waiting = await in_line(backlog, "erp", LARGE)
        fails = True
        await patience_ends()
        await waiting
        assert (backlog.events, backlog.refused) == (FULL + LARGE, 0)

    run(scene())


@pytest.mark.parametrize("count", [1, LARGE])
def test_who_comes_after_the_shard_failed_does_not_overtake_the_line(count):
    async def scene():
        fails = False
        backlog = await full(paced=lambda: not fails)
        waiting = [await in_line(backlog, source, LARGE) for source in "ab"]
        fails = True
        await backlog.enter("c", count)
        assert (backlog.held, backlog.events) == (0, FULL + 2 * LARGE + count)
        await asyncio.gather(*waiting)

    asyncio.run(scene())


@pytest.mark.parametrize("let_in", [False, True])
def test_a_sender_that_goes_away_leaves_nothing_behind(let_in):
    async def scene():
        backlog = await full()
        waiting = await in_line(backlog, "erp", LARGE)
        if let_in:
            backlog.folded(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (backlog.events, backlog.held) == (0 if let_in else FULL, 0)

    run(scene())


def test_a_record_that_was_folded_before_its_commit_was_heard_of_counts_no_more():
    async def scene():
        backlog = Backlog(lambda: True)
        await backlog.enter("erp", LARGE)
        backlog.folded(7)
        backlog.landed(7, LARGE)
        assert backlog.events == 0

    run(scene())


@pytest.mark.parametrize("seed", range(20))
def test_after_any_course_nothing_is_counted_that_is_not_there(seed):
    """Batches that come, land, fail, go away or are refused: the count is always that of what is left."""

    async def scene():
        chance, backlog, position = random.Random(seed), Backlog(lambda: True), 0
        records, coming = {}, []
        for _ in range(400):
            count = chance.choice((1, LARGE, 400, 9_000))
            coming.append((await in_line(backlog, chance.choice("abc"), count), count))
            if chance.random() < 0.1:
                chance.choice(coming)[0].cancel()
            if chance.random() < 0.05:
                await patience_ends()
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            for task, entered in [one for one in coming if one[0].done()]:
                coming.remove((task, entered))
                if task.cancelled() or task.exception():
                    continue
                if chance.random() < 0.1:
                    backlog.leave(entered)
                else:
                    position += 1
                    records[position] = entered
                    backlog.landed(position, entered)
            if records and chance.random() < 0.5:
                upto = chance.choice(list(records))
                backlog.folded(upto)
                records = {place: entered for place, entered in records.items() if place > upto}
            let_in = sum(entered for task, entered in coming if task.done() and not task.cancelled())
            assert backlog.events >= sum(records.values()) + let_in
        for task, _ in coming:
            task.cancel()
        await asyncio.gather(*(task for task, _ in coming), return_exceptions=True)
        backlog.folded(position)
        assert (backlog.held, backlog._lines) == (0, {})
        assert backlog.events == sum(
            entered for task, entered in coming if not task.cancelled() and not task.exception()
        )

    run(scene())


class Paused:
    """Holds a daemon's shard before its next step, as one that is slow."""

    def __init__(self, it):
        self._fold, self.reached, self._goes_on = it.shard_loop.fold, asyncio.Event(), asyncio.Event()
        it.shard_loop.fold = self._late

    async def _late(self, records):
        self.reached.set()
        await self._goes_on.wait()
        await self._fold(records)

    def go_on(self):
        self._goes_on.set()


@pytest.fixture
def small_limit(monkeypatch):
    monkeypatch.setattr(limits, "BACKLOG_EVENTS", 50)


def test_a_daemon_holds_large_batches_up_while_its_shard_is_behind(tmp_path, small_limit):
    async def scene():
        async with running(tmp_path) as it:
            await it.settled()
            shard, backlog = Paused(it), it.entrance.backlog
            await it.entrance.accept("erp", events(0, 50), START_MS)
            waiting = asyncio.create_task(it.entrance.accept("erp", events(50, 80), START_MS))
            await it.entrance.accept("chatwoot", events(80, 82), START_MS)
            assert (backlog.events, backlog.held, waiting.done()) == (52, 30, False)
            shard.go_on()
            assert (await waiting).accepted == 30
            await it.settled()
            assert (backlog.events, backlog.held) == (0, 0)
            assert it.shard_loop.shard.counted == {"pdd:s1": 82}

    asyncio.run(scene())


@pytest.mark.parametrize("part", ["shard", "store"])
def test_a_daemon_whose_shard_cannot_go_on_takes_what_comes(tmp_path, small_limit, part):
    async def scene():
        async with running(tmp_path) as it:
            await it.settled()
            shard = Paused(it)
            await it.entrance.accept("erp", events(0, 50), START_MS)
            it.health.failed(part, "the disk is full")
            assert (await it.entrance.accept("erp", events(50, 80), START_MS)).accepted == 30
            it.health.well(part)
            shard.go_on()
            await it.settled()

    asyncio.run(scene())


def test_a_refused_batch_is_nowhere_and_is_taken_when_it_comes_again(tmp_path, small_limit):
    async def scene():
        async with running(tmp_path) as it:
            await it.settled()
            shard = Paused(it)
            await it.entrance.accept("erp", events(0, 50), START_MS)
            refused = asyncio.create_task(it.entrance.accept("erp", events(50, 80), START_MS))
            await until(lambda: it.entrance.backlog.held)
            await patience_ends()
            with pytest.raises(EntranceClosedError):
                await refused
            shard.go_on()
            await it.settled()
            assert (await it.entrance.accept("erp", events(50, 80), START_MS)).accepted == 30
            await it.settled()
            assert it.shard_loop.shard.counted == {"pdd:s1": 80}

    run(scene())


def test_what_does_not_become_durable_is_not_waited_for(tmp_path, small_limit):
    async def scene():
        async with running(tmp_path) as it:
            await it.settled()
            it.journal.disk_low = True
            with pytest.raises(EntranceClosedError, match="free"):
                await it.entrance.accept("erp", events(0, 50), START_MS)
            assert it.entrance.backlog.events == 0

    asyncio.run(scene())


def test_after_a_restart_nobody_waits_for_what_is_read_again(tmp_path, small_limit):
    async def scene():
        clock = ManualClock(START_MS)
        async with running(tmp_path, clock) as it:
            await it.settled()
            shard = Paused(it)
            await it.entrance.accept("erp", events(0, 50), START_MS)
            await shard.reached.wait()
            it._tasks["shard"].cancel()  # as when the process dies
        async with running(tmp_path, clock) as it:
            shard = Paused(it)
            await it.entrance.accept("erp", events(50, 100), START_MS)
            await asyncio.wait_for(it.entrance.accept("erp", events(100, 150), START_MS), PATIENCE_S)
            assert it.entrance.backlog.events == 100
            shard.go_on()
            await it.settled()
            assert it.entrance.backlog.events == 0
            assert it.shard_loop.shard.counted == {"pdd:s1": 150}

    asyncio.run(scene())


def test_a_sender_people_and_metrics_are_told_of_a_refusal(tmp_path, small_limit, monkeypatch):
    monkeypatch.setattr(limits, "HELD_S", 0.01)

    async def scene(it, client, wecom, clock):
        async def send(first, last):
            batch = [message(n, TEN_MS) for n in range(first, last)]
            return await client.post("/api/v1/events?source=erp", content=json.dumps(batch))

        shard = Paused(it.running)
        assert (await send(0, 50)).status_code == 202
        refused = await send(50, 80)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error"] == {
            "code": "busy",
            "what": "ingest: more comes than is folded",
            "mend": "send again in a moment, and less at a time",
        }
        assert (await send(80, 90)).status_code == 202  # small
        it.gauges.set()
        told = (await client.get("/metrics")).text
        assert 'slawatch_limit_reached_total{limit="backlog"} 30.0' in told
        assert "slawatch_backlog_events 60.0" in told
        assert "slawatch_ingest_held_events 0.0" in told
        ready = await client.get("/readyz")
        what = "ingest: more comes than is folded: batches of erp were answered 429; send less at a time"
        assert (ready.status_code, ready.json()["notices"]) == (200, [what])
        shard.go_on()
        await it.running.settled()
        assert (await send(50, 80)).json()["accepted"] == 30

    play(tmp_path, scene)


def test_who_stood_behind_one_that_is_refused_goes_in_where_there_is_room():
    """It waited on, and was refused as well, with room for a thousand like it."""

    async def scene():
        backlog = Backlog(lambda: True)
        await backlog.enter("a", FULL - LARGE)
        large = await in_line(backlog, "b", LARGE + 1)
        asyncio.get_running_loop().ahead_s += limits.HELD_S / 2
        behind = await in_line(backlog, "c", LARGE)
        asyncio.get_running_loop().ahead_s += limits.HELD_S / 2
        with pytest.raises(EntranceClosedError):
            await large
        await behind
        assert (backlog.events, backlog.held) == (FULL, 0)

    run(scene())
