"""The aggregate shard over its store: who is late is gone on without, and a crash changes nothing of that."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from alerting.errors import StoreBusy
from alerting.policy.records import Cursor
from monitor.aggregate.shard import AGGREGATE_SHARD, AggregateShard, Cut
from monitor.aggregate.sums import Part, Sums, encode_part
from monitor.rulebook import Plan
from monitor.runtime.aggregate_loop import AggregateLoop
from monitor.runtime.clock import ManualClock
from monitor.runtime.health import Health
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.worker_thread import StoreThread
from monitor.store.sqlite import SqliteStore
from rules.load import load_packs
from rules.pack import Text
from rules.rule import Compare, Level, Rule, RuleSet
from tests.waiting import PATIENCE_S, until

T0 = 1_795_000_000_000
THREE = Level(Compare("late", ">=", (3, 1), ">= 3"))
MISSES = Rule("misses", Text("misses"), each="team", measure="reply_rate_3m", warn=THREE)
MORE = replace(MISSES, id="more", each="platform")
PLAN = Plan(load_packs(), RuleSet({"misses": MISSES}))


class Scene:
    """Two shards that publish, and whoever judges what they did."""

    async def begin(self, folder, *plans: Plan) -> None:
        self.thread = StoreThread("store", Health())
        self.store = await self.thread.run(SqliteStore, folder / "store.db")
        self.names = [await self.thread.run(PlanBook().apply, self.store, plan) for plan in plans]
        self.epochs = [(await self.thread.run(self.store.take, shard)).epoch for shard in (0, 1)]

    async def publish(self, shard: int, second: int, late: int, plan: int = 0) -> None:
        at_ms = T0 + 5_000 * second
        sums = {0: {"red": Sums(shops=1, asked=9, late=late)}}
        part = [(second, at_ms, encode_part(Part(at_ms, self.names[plan], sums)))]
        await self.thread.run(self.store.commit_step, shard, self.epochs[shard], second, [], part)

    async def judged(self) -> list[tuple[int, str, str]]:
        """What is told once somebody has taken the aggregate and judged all that is there."""
        loop = AggregateLoop(PlanBook(), self.store, self.thread, ManualClock(T0), (0, 1), lambda: None)
        while await loop.look():
            pass
        found = await self.thread.run(self.store.transitions_after, Cursor({}))
        assert all(t.shard == AGGREGATE_SHARD for t in found)
        return [((t.at_ms - T0) // 5_000, t.from_state, t.to_state) for t in found]

    async def end(self) -> None:
        await self.thread.run(self.store.close)
        self.thread.close()


def test_a_rule_is_held_as_of_today_and_of_no_day_before():
    shard = AggregateShard(PLAN)
    for day in range(3):
        at_ms = T0 + day * 86_400_000
        told = shard.fold(Cut(at_ms, [Part(at_ms, "", {0: {"red": Sums(shops=1, asked=9, late=3)}})]))
        assert [one.reason for one in told] == (["day_ended", "reached"] if day else ["reached"])
        assert len(shard._compiled) == 1


def test_a_shard_that_is_late_is_gone_on_without_and_after_a_crash_as_well(tmp_path):
    async def scene() -> None:
        it = Scene()
        await it.begin(tmp_path, PLAN)
        await it.publish(0, 0, 2)
        await it.publish(1, 0, 1)
        assert await it.judged() == [(0, "ok", "firing")]  # neither shard sees three
        for second in range(1, 6):
            await it.publish(0, second, 0)
        assert await it.judged() == [(0, "ok", "firing")]  # the other may still come
        for second in range(6, 9):
            await it.publish(0, second, 0)
        assert await it.judged() == [(0, "ok", "firing")]  # what nobody sees does not recover
        await it.publish(1, 1, 0)  # too late for its second
        await it.publish(1, 8, 0)
        told = await it.judged()
        assert told[0] == (0, "ok", "firing")
        assert told[-1] == (8, "firing", "ok")  # both are there again
        assert await it.judged() == told
        await it.end()

    asyncio.run(scene())


def test_who_judges_first_goes_by_the_plan_of_the_first_cut_and_not_by_the_one_in_force_now(tmp_path):
    """A desk may be killed before it ever judged; its successor finds other rules in force meanwhile."""

    async def scene() -> None:
        it = Scene()
        await it.begin(tmp_path, PLAN, Plan(PLAN.packs, RuleSet({"misses": MISSES, "more": MORE})))
        for plan in (0, 1):
            await it.publish(0, plan, 2, plan)
            await it.publish(1, plan, 2, plan)
        assert await it.judged() == [(0, "ok", "firing")]
        await it.end()

    asyncio.run(scene())


def test_what_is_saved_as_it_stops_is_not_ahead_of_what_it_told(tmp_path):
    """Its step was refused and its state was not: nobody was ever told."""

    class Refusing(SqliteStore):
        refuses, gate = False, threading.Event()

        def commit_step(self, shard, *step):
            if self.refuses and shard == AGGREGATE_SHARD:
                self.refuses = False
                assert self.gate.wait(PATIENCE_S)
                raise StoreBusy("it waits for a lock")
            return super().commit_step(shard, *step)

    async def scene() -> None:
        it = Scene()
        await it.begin(tmp_path, PLAN)
        await it.thread.run(it.store.close)
        it.store = await it.thread.run(Refusing, tmp_path / "store.db")
        loop = AggregateLoop(PlanBook(), it.store, it.thread, ManualClock(T0), (0, 1), lambda: None)
        await it.publish(0, 0, 0)
        await it.publish(1, 0, 0)
        while await loop.look():
            pass
        await it.publish(0, 1, 2)
        await it.publish(1, 1, 1)
        it.store.refuses = True
        judging, shard = asyncio.create_task(loop.run()), loop.shard
        await until(lambda: shard.at_ms == T0 + 5_000)  # judged, and being stored
        saving = asyncio.create_task(loop.save())
        await asyncio.sleep(0)
        it.store.gate.set()
        await saving
        judging.cancel()
        await asyncio.gather(judging, return_exceptions=True)
        assert await it.judged() == [(1, "ok", "firing")]
        await it.end()

    asyncio.run(scene())
