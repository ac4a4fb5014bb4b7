"""Two desks with their senders on one PostgreSQL, one killed at random again and again.

No alert is lost, each is told plainly at most once, and what comes again says so and had been in flight.
``TEST_KILLS`` says how often (8).
"""

import asyncio
import json
import multiprocessing
import os
import random
import signal
from collections import Counter

import pytest

from alerting.fakes.provider import Quota
from monitor.store.postgres import PostgresStore
from rules.transition import Transition
from tests.alerting.pair import serve
from tests.alerting.sides import SECRET, FakeHook
from tests.alerting.worlds import T0
from tests.waiting import PATIENCE_S, until

KILLS = int(os.environ.get("TEST_KILLS", "8"))
STEP_S, STEP_MS = 0.02, 1_000  # fifty times as fast as the world: a dead process's lease ends in 0.6 s
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["matrix", "pair"])
pytestmark = pytest.mark.usefixtures("fork_server")


class World:
    """The provider, the shard that writes transitions, the clock, and two processes."""

    def __init__(self, address):
        self.address, self.value = address, context.Value("q", T0)
        self.hook = FakeHook(lambda: self.value.value)
        self.hook.quota = Quota(10**6, 60_000)
        self.store = PostgresStore(address, "shard")
        self.epoch = self.store.take(0).epoch
        self.fired, self.born, self.pair = 0, 0, []

    def bear(self, url):
        account = {"type": "webhook", "secret": SECRET, "url": f"{url}/in", "allow_private": "true"}
        name = f"process {self.born}"
        self.born += 1
        process = context.Process(target=serve, args=(self.address, account, self.value, name), daemon=True)
        process.start()
        self.pair.append(process)

    def fire(self):
        t = Transition(
            self.value.value, "r", {"shop": f"p:{self.fired}"}, "ok", "firing", "crit", "crit", "rose",
            position=self.fired,
        )  # fmt: skip
        self.store.commit_step(0, self.epoch, self.fired, [t])
        self.fired += 1

    async def tick(self, seconds):
        """Let the world's time pass, and a shop fire each told second."""
        for _ in range(round(seconds / STEP_S)):
            await asyncio.sleep(STEP_S)
            self.value.value += STEP_MS
            self.fire()

    def read(self):
        """How often each alert was told, plainly and as a possible repeat."""
        told = {False: Counter(), True: Counter()}
        for request in self.hook.requests:
            body = json.loads(request.body)
            told[body["again"]].update(alert["subject"]["shop"] for alert in body["alerts"])
        return told[False], told[True]

    def unsettled(self):
        going = "state = 'sending' or (state = 'queued' and kind = 'fire')"
        folded = "select coalesce(max(position), -1) from desk_position"
        query = (
            f"select (select count(*) from intent where {going})"
            f" + (select count(*) from transition where position > ({folded}))"
        )
        return self.store._db.read(query)[0][0]


async def play(world, chance):
    url = await world.hook.start()
    for _ in range(2):
        world.bear(url)
    for _ in range(KILLS):
        await world.tick(0.2 + chance.random())
        victim = world.pair.pop(chance.randrange(2))
        os.kill(victim.pid, signal.SIGKILL)
        await asyncio.to_thread(victim.join, PATIENCE_S)
        world.bear(url)

    def settled():
        world.value.value += STEP_MS
        return not world.unsettled()

    await until(settled, what="everything told")
    for process in world.pair:
        os.kill(process.pid, signal.SIGKILL)
        process.join(PATIENCE_S)
    await world.hook.close()


@pytest.mark.live
@pytest.mark.slow
def test_a_pair_of_which_one_is_killed_at_random_loses_nothing_and_repeats_only_what_was_in_flight(
    postgres_server,
):
    world = World(postgres_server.new_database())
    asyncio.run(play(world, random.Random(7)))
    plain, marked = world.read()
    assert set(plain) | set(marked) == {f"p:{n}" for n in range(world.fired)}
    assert max(plain.values()) == 1
    count = "select count(*) from delivery where state = 'ambiguous'"
    in_flight = world.store._db.read(count)[0][0]
    repeats = [request for request in world.hook.requests if json.loads(request.body)["again"]]
    assert len(repeats) <= in_flight, (len(repeats), in_flight)
    world.store.close()
