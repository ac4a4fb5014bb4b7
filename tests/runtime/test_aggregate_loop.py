"""The aggregate shard over its store: who is late is gone on without, and a crash changes nothing of that."""

from __future__ import annotations

import asyncio

from alerting.policy.records import Cursor
from monitor.aggregate.shard import AGGREGATE_SHARD
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

T0 = 1_795_000_000_000
THREE = Level(Compare("late", ">=", (3, 1), ">= 3"))
MISSES = Rule("misses", Text("misses"), each="team", measure="reply_rate_3m", warn=THREE)


def test_a_shard_that_is_late_is_gone_on_without_and_after_a_crash_as_well(tmp_path):
    async def scene() -> None:
        thread = StoreThread("store", Health())
        store = await thread.run(SqliteStore, tmp_path / "store.db")
        plans = PlanBook()
        name = await thread.run(plans.apply, store, Plan(load_packs(), RuleSet({"misses": MISSES})))
        epochs = [(await thread.run(store.take, shard)).epoch for shard in (0, 1)]

        async def publish(shard: int, second: int, late: int) -> None:
            at_ms = T0 + 5_000 * second
            body = encode_part(Part(at_ms, name, {0: {"red": Sums(shops=1, asked=9, late=late)}}))
            await thread.run(store.commit_step, shard, epochs[shard], second, [], [(second, at_ms, body)])

        async def judged() -> list[tuple[int, str, str]]:
            loop = AggregateLoop(PlanBook(), store, thread, ManualClock(T0), (0, 1), lambda: None)
            while await loop.look():
                pass
            found = await thread.run(store.transitions_after, Cursor({}))
            assert all(t.shard == AGGREGATE_SHARD for t in found)
            return [((t.at_ms - T0) // 5_000, t.from_state, t.to_state) for t in found]

        await publish(0, 0, 2)
        await publish(1, 0, 1)
        assert await judged() == [(0, "ok", "firing")]  # neither shard sees three
        for second in range(1, 6):
            await publish(0, second, 0)
        assert await judged() == [(0, "ok", "firing")]  # the other may still come
        for second in range(6, 9):
            await publish(0, second, 0)
        assert await judged() == [(0, "ok", "firing")]  # what nobody sees does not recover
        await publish(1, 1, 0)  # too late for its second
        await publish(1, 8, 0)
        told = await judged()
        assert told[0] == (0, "ok", "firing")
        assert told[-1] == (8, "firing", "ok")  # both are there again
        assert await judged() == told
        await thread.run(store.close)
        thread.close()

    asyncio.run(scene())
