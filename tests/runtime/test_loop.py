"""The way from the entrance through journal and shard into the store, and back after a crash."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from alerting.errors import StoreFull
from alerting.policy.records import Cursor
from monitor.engine.events import Event
from monitor.runtime import limits, shard_loop
from monitor.runtime.backlog import Backlog
from monitor.runtime.clock import ManualClock
from monitor.runtime.entrance import Entrance
from monitor.runtime.health import Health, keep_running
from monitor.runtime.shard_loop import ShardLoop, next_step
from monitor.runtime.ticker import Ticker
from monitor.runtime.told import Told
from monitor.runtime.worker_thread import StoreThread
from monitor.store.journal import Journal
from monitor.store.sqlite import SqliteStore
from monitor.web.ports import EntranceClosedError, Receipt
from tests.runtime.standin import StandIn
from tests.waiting import PATIENCE_S, until

START_MS = 1_770_000_000_000


def message(n, shop="s1", text_length=0):
    return Event(
        type="message", id=str(n), at=START_MS + n, platform="pdd", shop_id=shop, kind="x" * text_length
    )


class House:
    """All of the runtime but the web and alerting, over two files; crash() forgets what is in memory."""

    def __init__(self, folder, clock, make_shard, free) -> None:
        self.folder, self.clock, self.make_shard, self.free = folder, clock, make_shard, free
        self.health = Health()

    async def start(self):
        loop = asyncio.get_running_loop()
        self.thread = StoreThread("store", self.health)
        self.store = await self.thread.run(SqliteStore, self.folder / "store.db")
        self.journal = Journal(
            self.folder / "journal.db",
            self.clock.now_ms,
            free_disk=lambda _: self.free[0],
        )
        self.journal.on_commit = lambda *_: loop.call_soon_threadsafe(self.loop.wake)
        self.outputs, self.unrecorded = [], []
        self.loop = ShardLoop(
            self.make_shard,
            self.journal,
            self.store,
            self.thread,
            self.clock,
            Told(self.health, self.outputs.append, self.tell_unrecorded, self.refuse),
        )
        self.entrance = Entrance(self.journal, Backlog(lambda: False), dead_letters=None)
        heard, folded = self.entrance.heard, self.loop.reached
        self.ticker = Ticker(self.journal, self.clock, heard, folded, self.health, self.tell_unrecorded)
        self.task = asyncio.create_task(keep_running("shard", self.loop.run, self.health))
        await self.entrance.open(self.thread)

    async def refuse(self, records, rejected):
        raise AssertionError((records, rejected))

    async def tell_unrecorded(self, transitions):
        self.unrecorded.append([t.rule for t in transitions])
        raise OSError("nobody can be told either")

    async def crash(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.thread.run(self.store.close)
        self.thread.close()
        self.loop.close()
        self.journal.close()

    async def stop(self):
        await self.loop.stop()
        await self.task
        await self.crash()

    async def folded(self):
        await asyncio.wait_for(self.loop.reached(self.journal.last.position), PATIENCE_S)

    async def transitions(self):
        return [t.rule for t in await self.thread.run(self.store.transitions_after, Cursor({}))]

    async def lease(self):
        """The stored shard row, without taking it over."""
        query = "select position, floor from shard"
        return await self.thread.run(lambda: self.store._db.connection.execute(query).fetchone())


@asynccontextmanager
async def house(folder, *, clock=None, make_shard=StandIn):
    built = House(folder, clock or ManualClock(START_MS), make_shard, [1 << 40])
    await built.start()
    try:
        yield built
    finally:
        await built.crash()


def test_a_batch_is_answered_with_what_became_of_each_event(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            first = await it.entrance.accept("erp", [message(1), message(2)], START_MS)
            again = await it.entrance.accept(
                "erp", [message(2), message(3), message(1, text_length=3)], START_MS
            )
            assert first == Receipt(accepted=2)
            assert (again.accepted, again.duplicates) == (1, 1)
            assert [(r.place, r.code, r.reason) for r in again.rejected] == [
                (2, "reused", "id '1' came before with other content; use a new id")
            ]
            assert await it.entrance.accept("erp", [], START_MS) == Receipt(accepted=0)
            await it.folded()
            assert it.loop.shard.counted == {"pdd:s1": 3}

    asyncio.run(scene())


def test_answers_are_right_while_the_same_events_are_sent_at_once(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            batch = [message(n) for n in range(50)]
            receipts = await asyncio.gather(*(it.entrance.accept("erp", batch, START_MS) for _ in range(20)))
            assert sorted(r.accepted for r in receipts) == [0] * 19 + [50]
            assert sum(r.duplicates for r in receipts) == 19 * 50

    asyncio.run(scene())


def test_a_sender_that_goes_before_the_answer_is_counted_once_all_the_same(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            gone = asyncio.create_task(it.entrance.accept("erp", [message(1)], START_MS))
            await asyncio.sleep(0)
            gone.cancel()
            assert await it.entrance.accept("erp", [message(1)], START_MS) == Receipt(0, duplicates=1)

    asyncio.run(scene())


def test_ids_are_remembered_over_a_restart_for_twice_the_lateness(tmp_path):
    async def scene():
        clock = ManualClock(START_MS)
        async with house(tmp_path, clock=clock) as it:
            await it.entrance.accept("erp", [message(1)], START_MS)
            clock.move_to(START_MS + 1_200_000)
            await it.entrance.accept("erp", [message(2)], START_MS)
        async with house(tmp_path, clock=clock) as it:
            assert it.entrance.heard == {"erp": START_MS + 1_200_000}
            assert await it.entrance.accept("erp", [message(1), message(2)], 0) == Receipt(0, duplicates=2)
            clock.move_to(START_MS + 1_200_001)
            assert await it.entrance.accept("erp", [message(1), message(2)], 0) == Receipt(1, duplicates=1)

    asyncio.run(scene())


def test_below_the_low_water_mark_ingest_is_closed_and_ticks_go_on(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            await it.entrance.accept("erp", [message(1)], START_MS)
            it.free[0] = 1 << 20
            with pytest.raises(EntranceClosedError, match="less than 256 MB free"):
                await it.entrance.accept("erp", [message(2)], START_MS)
            await it.ticker.tick()
            assert it.loop.shard.ticks == [2]
            assert it.health.problems == {}
            it.free[0] = 1 << 40
            await it.ticker.tick()
            assert await it.entrance.accept("erp", [message(2)], START_MS) == Receipt(1)

    asyncio.run(scene())


def test_a_large_batch_becomes_records_that_no_step_is_long_for(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            batch = [message(n) for n in range(limits.STEP_EVENTS * 2 + 5)]
            batch.append(message(0, text_length=1))
            receipt = await it.entrance.accept("erp", batch, START_MS)
            assert receipt.accepted == len(batch) - 1
            assert [r.place for r in receipt.rejected] == [len(batch) - 1]
            assert it.journal.last.position == 3

    asyncio.run(scene())


def test_a_large_batch_that_was_refused_in_its_middle_is_sent_again_whole(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            batch = [message(n) for n in range(limits.STEP_EVENTS + 5)]
            grown = it.journal.on_commit

            def disk_fills(*args):
                it.journal.disk_low = True
                grown(*args)

            it.journal.on_commit = disk_fills
            with pytest.raises(EntranceClosedError, match="free"):
                await it.entrance.accept("erp", batch, START_MS)
            it.journal.on_commit, it.journal.disk_low = grown, False
            again = await it.entrance.accept("erp", batch, START_MS)
            assert again == Receipt(accepted=5, duplicates=limits.STEP_EVENTS)
            await it.folded()
            assert it.entrance.backlog.held == 0

    asyncio.run(scene())


def test_a_tick_says_what_changed_and_waits_for_the_one_before(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            await until(lambda: it.loop.shard is not None)
            ticking = asyncio.create_task(it.ticker.run())
            both = 2  # the ticker and the shard wait for the clock when there is nothing to do
            await it.entrance.accept("erp", [message(1)], START_MS)
            for second in range(1, 4):
                await it.clock.all_wait(both)
                it.clock.move_to(START_MS + 1000 * second)
                await until(lambda second=second: len(it.loop.shard.ticks) >= second)
            assert it.loop.shard.heard == {"erp": START_MS}
            held = asyncio.Event()
            it.ticker._folded = lambda _position: held.wait()
            await it.clock.all_wait(both)
            it.clock.move_to(START_MS + 4_000)
            await until(lambda: len(it.loop.shard.ticks) == 4)
            for second in range(5, 10):
                it.clock.move_to(START_MS + 1000 * second)
                await asyncio.sleep(0.01)
            assert (it.journal.last.position, len(it.loop.shard.ticks)) == (5, 4), "a batch and four ticks"
            ticking.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize("seed", range(8))
def test_after_crashes_anywhere_each_event_and_transition_is_there_once(tmp_path, seed):
    """Random batches, ticks, checkpoints in slices of a few shops, crashes: the straight run's figures."""
    chance = random.Random(seed)

    async def scene():
        clock = ManualClock(START_MS)
        sent = 0
        for _ in range(6):
            async with house(tmp_path, clock=clock) as it:
                it.loop._shops_a_slice = chance.randint(1, 4)
                for _ in range(chance.randint(1, 12)):
                    batch = [message(sent + n, f"s{(sent + n) % 7}") for n in range(chance.randint(1, 40))]
                    sent += len(batch)
                    assert await it.entrance.accept("erp", batch, START_MS) == Receipt(len(batch))
                    clock.move_to(clock.now_ms() + chance.choice([10, 1_000, limits.CHECKPOINT_MS]))
                    if chance.random() < 0.7:
                        await it.folded()
        async with house(tmp_path, clock=clock) as it:
            await it.folded()
            assert it.loop.shard.counted == {
                f"pdd:s{n}": len(range(n, sent, 7)) for n in range(7) if n < sent
            }
            told = await it.transitions()
            expected = [f"every-{k}" for n in range(7) for k in range(10, len(range(n, sent, 7)) + 1, 10)]
            assert sorted(told) == sorted(expected)

    asyncio.run(scene())


def test_a_stop_writes_all_state_so_that_a_start_folds_nothing_again(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            await it.entrance.accept("erp", [message(n, f"s{n}") for n in range(20)], START_MS)
            await it.folded()
            it.loop._shops_a_slice = 3
            await it.loop.stop()
            await it.task
        async with house(tmp_path) as it:
            await until(lambda: it.loop.shard is not None)
            assert it.loop.shard.calls == []
            assert it.loop.position == 1
            assert it.loop.shard.counted == {f"pdd:s{n}": 1 for n in range(20)}

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("fewer", "sooner_ms", "stored"),
    [(0, 0, True), (1, 0, False), (0, 1, False), (0, -5_001, False), (1, -25_000, True)],
)
def test_state_is_stored_sooner_where_many_shops_would_be_woken_to_be_folded_again(
    tmp_path, fewer, sooner_ms, stored
):
    async def scene():
        async with house(tmp_path) as it:
            await it.entrance.accept("erp", [message(1)], START_MS)
            await it.folded()
            it.loop.shard.asleep_unstored = limits.CHECKPOINT_ASLEEP - fewer
            it.clock.move_to(START_MS + limits.CHECKPOINT_ASLEEP_MS - sooner_ms)
            assert it.loop._is_checkpoint_due() == stored

    asyncio.run(scene())


def test_a_store_without_room_stops_the_fold_and_not_the_entrance(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "RESTART_PAUSE_S", 0.01)

    async def scene():
        async with house(tmp_path) as it:
            await until(lambda: it.loop.shard is not None)
            commit, full = it.store.commit_step, [True]

            def commit_step(*args):
                if full[0]:
                    raise StoreFull("store.db: the disk is full")
                return commit(*args)

            it.store.commit_step = commit_step
            await it.entrance.accept("erp", [message(n) for n in range(10)], START_MS)
            await until(lambda: "store" in it.health.problems and it.unrecorded)
            assert await it.entrance.accept("erp", [message(10)], START_MS) == Receipt(1)
            assert it.loop.position == 0
            assert it.unrecorded[0] == ["every-10"]
            full[0] = False
            await it.folded()
            await until(lambda: it.health.problems == {})
            assert await it.transitions() == ["every-10"]

    asyncio.run(scene())


def test_a_step_that_fails_is_told_and_done_again_from_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "RESTART_PAUSE_S", 0.01)
    here, shards, told = [], [], []

    def make_shard(_plan):
        if shards:
            told.append(dict(here[0].health.problems))
        shards.append(StandIn())
        shards[-1].poison = "7" if len(shards) == 1 else ""
        return shards[-1]

    async def scene():
        async with house(tmp_path, make_shard=make_shard) as it:
            here.append(it)
            await it.entrance.accept("erp", [message(n) for n in range(10)], START_MS)
            await it.folded()
            await until(lambda: it.health.problems == {})
            assert told == [{"shard": "shard: poison"}]
            assert it.loop.shard.counted == {"pdd:s1": 10}
            assert await it.transitions() == ["every-10"]

    asyncio.run(scene())


def test_a_store_ahead_of_its_journal_is_refused_with_the_mend(tmp_path):
    async def scene():
        async with house(tmp_path) as it:
            await it.entrance.accept("erp", [message(n) for n in range(10)], START_MS)
            await it.folded()
        for file in tmp_path.glob("journal.db*"):
            file.unlink()
        async with house(tmp_path) as it:
            await until(lambda: "shard" in it.health.problems)
            assert (
                "store.db knows record 1, journal.db ends at 0; restore both" in it.health.problems["shard"]
            )

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("events", "taken", "waited_ms", "held_ms", "following"),
    [
        (1_000, 1_000, 60, 10, 2_000),  # others hold the loop for longer, and there is more
        (4_000, 4_000, 600, 40, 8_000),
        (8_000, 8_400, 600, 80, 8_000),  # twice that would hold it for longer than it may
        (8_000, 8_000, 600, 110, 4_000),
        (8_000, 7_900, 600, 80, 4_000),  # that was all there is
        (4_000, 4_000, 30, 40, 4_000),  # it has its half
        (4_000, 4_000, 15, 40, 2_000),
        (1_000, 1_000, 4, 10, 1_000),
        (1_000, 0, 4, 0, 1_000),
        (
            limits.STEP_EVENTS_MAX,
            limits.STEP_EVENTS_MAX,
            60,
            10,
            limits.STEP_EVENTS_MAX,
        ),  # what comes may be dear
    ],
)
def test_a_shard_that_is_behind_gets_half_of_a_loop_that_others_hold(
    events, taken, waited_ms, held_ms, following
):
    assert next_step(events, taken, waited_ms / 1000, held_ms / 1000) == following


def test_a_tick_counts_in_a_step_as_it_does_where_it_is_read(tmp_path, monkeypatch):
    steps = []

    def same(events, taken, *_):
        steps.append((events, taken))
        return events

    monkeypatch.setattr(limits, "STEP_EVENTS", 4)
    monkeypatch.setattr(shard_loop, "next_step", same)

    async def scene():
        async with house(tmp_path) as it:
            it.task.cancel()
            await it.entrance.accept("erp", [message(0)], START_MS)
            await asyncio.wrap_future(it.journal.tick({}))
            for n in range(1, 6):
                await it.entrance.accept("erp", [message(n)], START_MS)
            it.task = asyncio.create_task(keep_running("shard", it.loop.run, it.health))
            await it.folded()
            await until(lambda: len(steps) == 2)

    asyncio.run(scene())
    assert steps == [(4, 4), (4, 3)]
