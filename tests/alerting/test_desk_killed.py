"""Desk and sender killed at random: no alert is lost, and only what was in flight is repeated."""

import asyncio
import json
import random
import sys
from collections import Counter

from alerting.fakes.http import Answer, FakeServer

PROCESS = """
import asyncio, sys, time
import httpx
from pydantic import SecretStr
sys.path.insert(0, sys.argv[3])
from tests.alerting.people import People
from alerting.channels.webhook import Webhook
from alerting.desk import Desk
from alerting.policy.rulings import Policy, Receiver
from alerting.policy.throttle import Allowance
from alerting.sender import Sender
from monitor.store.sqlite import SqliteStore
from rules.transition import Transition

class Clock:
    def now_ms(self):
        return time.time_ns() // 1_000_000

async def main():
    store = SqliteStore(sys.argv[1])
    lease = store.take(0)
    policy = Policy({"m": Receiver("m", ("hook",))}, "m")
    epoch, cursor = store.take_desk()
    desk = Desk(policy, store.desk_rows(), cursor)
    async with httpx.AsyncClient(trust_env=False) as client:
        url, secret = SecretStr(sys.argv[2]), SecretStr("s")
        wide = Allowance(10**6, 61_000, 0)
        hook = Webhook(client, url, secret, Clock(), allow_private=True, allowance=wide)
        sender = Sender(store, {"hook": hook}, policy, People(), Clock())
        for position in range(lease.position + 1, 10**9):
            t = Transition(
                Clock().now_ms(), "r", {"shop": f"p:{position}"}, "ok", "firing", "crit", "crit", "reached",
                position=position,
            )
            if position < LAST:
                store.commit_step(0, lease.epoch, position, [t])
            fresh = [*store.transitions_after(desk.cursor), *store.inputs_after(desk.cursor.inputs)]
            if fresh:
                store.commit_desk(epoch, desk.fold(fresh), desk.cursor)
            while await sender.turn("hook") <= Clock().now_ms():
                pass
            if position >= LAST and not store.due("hook", Clock().now_ms(), 1):
                return

asyncio.run(main())
"""


KILLS = 8


def test_killed_at_random_under_load(tmp_path):
    taken: list[tuple[str, bool]] = []

    async def main():
        enough, wanted = asyncio.Event(), 0

        def take(request):
            body = json.loads(request.body)
            taken.extend((alert["subject"]["shop"], body["again"]) for alert in body["alerts"])
            if len(taken) >= wanted:
                enough.set()
            return Answer(b"ok")

        server, chance = FakeServer(take), random.Random(7)
        await server.start()
        process = PROCESS.replace("LAST", "400")
        command = [sys.executable, "-c", process, str(tmp_path / "store.db"), server.url, "tests/alerting"]
        try:
            for _ in range(KILLS):
                wanted = len(taken) + chance.randint(5, 30)
                enough.clear()
                child = await asyncio.create_subprocess_exec(*command)
                await enough.wait()
                await asyncio.sleep(chance.random() * 0.01)  # meets another moment of the way each time
                child.kill()
                await child.wait()
            last = await asyncio.create_subprocess_exec(*command)
            assert await last.wait() == 0
        finally:
            await server.close()

    asyncio.run(main())
    times = Counter(shop for shop, _ in taken)
    assert set(times) == {f"p:{i}" for i in range(400)}
    repeated = [shop for shop, n in times.items() if n > 1]
    assert len(repeated) <= KILLS
    for shop in repeated:
        assert [again for name, again in taken if name == shop] == [False, True]
