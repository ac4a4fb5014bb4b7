"""The real shard under the runtime: crashes anywhere, small slices, and the straight run's result."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import asynccontextmanager, closing

import msgspec
import pytest
from test_embedded import POLICY

from alerting.policy.records import Cursor
from monitor.engine.events import Event
from monitor.rulebook import Plan, SourcePlan
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.embedded import Embedded, opened
from monitor.runtime.passing import pass_time
from monitor.runtime.shard_figures import ShardFigures
from monitor.runtime.shard_loop import record_of
from monitor.shard.shard import Shard
from monitor.store.journal import JournalLimits
from monitor.store.journal_reader import JournalReader
from rules.load import load_packs, load_rules
from tests.runtime.live import PACK, RULES

START_MS = 1_794_362_400_000  # 2026-11-11T10:00:00+08:00
SHOPS = 6


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "mall.yaml").write_text(PACK, "utf-8")
    (tmp_path / "rules.yaml").write_text(RULES, "utf-8")
    packs = load_packs(tmp_path / "packs")
    return Plan(packs, load_rules([tmp_path / "rules.yaml"], packs), other_sources=SourcePlan(0, 60_000))


@asynccontextmanager
async def running(folder, clock, plan):
    async with opened(folder, clock, JournalLimits(free_disk_min=0)) as files:
        it = Embedded(files, lambda _name: Shard(plan), POLICY, clock, dead_letters=None)
        await it.start()
        try:
            yield it
        finally:  # as a crash does it: nothing is flushed
            it.shard_loop._save_slice = lambda: asyncio.sleep(0)
            await it.stop()


def some_events(chance, number, now_ms):
    events = []
    for n in range(chance.randint(0, 12)):
        conversation = chance.randint(0, 40)
        shop = conversation % SHOPS
        events.append(
            Event(
                type="message",
                id=f"{number}.{n}" if chance.random() < 0.9 else f"{number - 1}.{n}",
                at=now_ms - chance.choice([0, 300, 1_500, 4_000]),
                platform="mall",
                shop_id=f"s{shop}",
                conversation_id=f"c{conversation}",
                customer_id=f"u{conversation}",
                actor=chance.choice(["customer", "agent"]),
                agent_id="a1",
            )
        )
    return events


def figures(shard):
    read = ShardFigures(shard)
    return {
        key: [(w.reading.asked, w.reading.late, w.reading.open, w.reading.items) for w in read.watched(key)]
        for key in read.shop_keys()
    }


def told(transitions):
    return [(t.position, t.at_ms, t.rule, t.subject, t.from_state, t.to_state, t.reason) for t in transitions]


@pytest.mark.parametrize("seed", range(6))
def test_crashes_and_restores_anywhere_give_what_the_whole_journal_gives(tmp_path, plan, seed, monkeypatch):
    monkeypatch.setattr(limits, "CHECKPOINT_MS", 2_000)
    chance = random.Random(seed)
    floors = []

    async def scene():
        clock = ManualClock(START_MS)
        number = 0
        for _ in range(8):
            async with running(tmp_path, clock, plan) as it:
                it.shard_loop._shops_a_slice = chance.randint(1, 3)
                await it.settled()
                for _ in range(chance.randint(1, 10)):
                    number += 1
                    await it.entrance.accept("erp", some_events(chance, number, clock.now_ms()), 0)
                    await pass_time(clock, clock.now_ms() + chance.choice([200, 1_000, 3_000]), it.settled)
                floors.append(it.journal.keep_from)
            clock.move_to(clock.now_ms() + chance.choice([100, 2_000, 20_000]))
        async with running(tmp_path, clock, plan) as it:
            await it.settled()
            return figures(it.shard_loop.shard), await it.thread.run(it.store.transitions_after, Cursor({}))

    found, transitions = asyncio.run(scene())
    straight = Shard(plan)
    reader = JournalReader(tmp_path / "journal.db")
    expected = straight.step([record_of(row) for row in reader.read()])
    reader.close()
    assert floors[-1] > 1, "state was restored, not only the journal folded"
    assert transitions
    assert found == figures(straight)
    assert told(transitions) == told(expected.transitions)


def test_state_of_another_format_is_folded_again_from_the_journal_and_leaves_nothing_behind(
    tmp_path, plan, monkeypatch
):
    monkeypatch.setattr(limits, "CHECKPOINT_MS", 2_000)
    chance = random.Random(1)

    async def scene(clock):
        async with running(tmp_path, clock, plan) as it:
            for number in range(1, 12):
                await it.entrance.accept("erp", some_events(chance, number, clock.now_ms()), 0)
                await pass_time(clock, clock.now_ms() + 1_000, it.settled)
            assert it.journal.keep_from > 1, "state was stored"
            return figures(it.shard_loop.shard), await it.thread.run(it.store.transitions_after, Cursor({}))

    async def again(clock):
        async with running(tmp_path, clock, plan) as it:
            rows = await it.thread.run(lambda: list(it.store.load_state(0)))
            await it.settled()
            return (
                rows,
                figures(it.shard_loop.shard),
                await it.thread.run(it.store.transitions_after, Cursor({})),
            )

    clock = ManualClock(START_MS)
    before, told_before = asyncio.run(scene(clock))
    with closing(sqlite3.connect(tmp_path / "store.db")) as store, store:
        ((mark,),) = store.execute("select data from shard_state where part = 'mark'").fetchall()
        fields = msgspec.msgpack.decode(mark)
        store.execute(
            "update shard_state set data = ? where part = 'mark'",
            (msgspec.msgpack.encode([fields[0] - 1, *fields[1:]]),),
        )
        store.execute("insert into shard_state values (0, 'mall:s0', 'quiet', 0, 1, x'00')")
    rows, after, told_after = asyncio.run(again(clock))
    assert rows == []
    assert after == before
    assert told(told_after) == told(told_before)


def test_a_page_is_told_of_each_round_whether_it_still_waits(tmp_path, plan):
    def message(number, actor, at_ms):
        return Event(
            type="message",
            id=str(number),
            at=at_ms,
            platform="mall",
            shop_id="s1",
            conversation_id="c1",
            customer_id="u1",
            actor=actor,
            agent_id="a1" if actor == "agent" else "",
        )

    async def scene():
        clock, found = ManualClock(START_MS), []
        async with running(tmp_path, clock, plan) as it:
            await it.settled()
            for number, actor in enumerate(("customer", "agent", "customer")):
                await it.entrance.accept("erp", [message(number, actor, clock.now_ms())], 0)
                await pass_time(clock, clock.now_ms() + 1_000, it.settled)
                read = ShardFigures(it.shard_loop.shard)
                found.append([read.waits("mall:s1", "c1", START_MS + n * 1_000) for n in range(3)])
            assert not read.waits("mall:s1", "c2", START_MS)
            assert not read.waits("mall:s2", "c1", START_MS)
        return found

    first, answered, again = asyncio.run(scene())
    assert first == [True, False, False]
    assert answered == [False, False, False]
    assert again == [False, False, True]
