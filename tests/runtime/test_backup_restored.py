"""A backup taken from a running daemon, restored: figures are equal, nothing told is told again or lost."""

from __future__ import annotations

import asyncio

from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from monitor.store.backup import back_up
from tests.runtime.scenes import TEN_MS, a_miss, line_of, living, message, post


async def figures(client):
    return [
        {name: (await line_of(client, shop))[name] for name in ("asked", "late", "budget_left")}
        for shop in ("s1", "s2")
    ]


def test_a_restored_daemon_goes_on_from_the_moment_of_the_backup(tmp_path):
    """s1 was told, s2 has a question open, s3 comes after the backup and is not in it."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    async def scene():
        clock = ManualClock(TEN_MS)
        async with living(first, clock) as (it, client, wecom):
            await a_miss(it, client, clock)
            assert ["mall:s1" in text for text in wecom.texts()] == [True]
            await post(client, message(2, TEN_MS + 4_000, shop="s2"))
            await it.running.settled()
            before = await figures(client)
            await asyncio.to_thread(back_up, first / "data", second / "data", lambda *_: None)
            await post(client, message(3, TEN_MS + 4_000, shop="s3"))
            await pass_time(clock, TEN_MS + 9_000, it.running.settled)
            assert any("mall:s3" in text for text in wecom.texts())
        again = ManualClock(TEN_MS + 4_000)
        async with living(second, again) as (it, client, wecom):
            assert await figures(client) == before
            assert (await client.get("/api/v1/shops/mall/s3")).status_code == 404
            assert await post(client, message(1, TEN_MS)) == {"accepted": 0, "duplicates": 1, "rejected": []}
            await pass_time(again, TEN_MS + 9_000, it.running.settled)
            assert ["mall:s2" in text for text in wecom.texts()] == [True]
            assert not any("可能重复" in text for text in wecom.texts())
            assert (await line_of(client, "s2"))["late"] == 1

    asyncio.run(scene())
