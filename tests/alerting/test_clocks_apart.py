"""Two machines whose clocks disagree, a desk and a sender each, on one PostgreSQL: the database's counts."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import SecretStr

from alerting.channels.wecom_bot import WecomBot
from alerting.desk import Desk
from alerting.errors import Fenced
from alerting.fakes.wecom import FakeWecom
from alerting.policy.records import Ack, Silence
from alerting.policy.rulings import Node, Receiver, Step
from alerting.ports import InPlace
from alerting.sender import Sender
from monitor.runtime.health import Health
from monitor.runtime.shared_clock import NOTICE, SharedClock
from monitor.store.postgres import PostgresStore
from tests.alerting.people import People
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, Shard, policy

LEASE_MS = 30_000
POLICY = policy(
    receivers={"managers": Receiver("managers", ("bot",)), "leads": Receiver("leads", ("lead",))},
    tree=Node(escalate="up"),
    escalations={"up": (Step(3 * MINUTE, ("leads",)),)},
)
APART = [(-30 * SECOND, 30 * SECOND), (300 * SECOND, -300 * SECOND)]
pytestmark = pytest.mark.live


class Machine:
    """A process on a machine whose clock is ``apart_ms`` from the database's."""

    def __init__(self, world, name, apart_ms):
        self.world, self.name, self.apart_ms = world, name, apart_ms
        self.health, self.leader = Health(), None
        self.started_ms = world.now - 1_234
        own = lambda: world.now + self.apart_ms  # noqa: E731
        self.clock = SharedClock(world, InPlace(), self.health, lambda: world.now - self.started_ms, own)

    async def boot(self):
        await self.clock.look()
        self.store = PostgresStore(self.world.address, self.name)
        bots = {
            name: WecomBot(self.world.client, SecretStr(name), base_url=self.world.url)
            for name in ("bot", "lead")
        }
        self.sender = Sender(self.store, bots, POLICY, People(), self.clock, owner=self.name)
        return self

    def lead(self):
        """Fold what is new while the lead is ours."""
        now_ms = self.clock.now_ms()
        try:
            if not self.store.lead_desk(self.name, now_ms, now_ms + LEASE_MS):
                self.leader = None
                return
            if self.leader is None:
                epoch, cursor = self.store.take_desk(self.name)
                self.leader = epoch, Desk(POLICY, self.store.desk_rows(), cursor)
            epoch, desk = self.leader
            if news := [
                *self.store.transitions_after(desk.cursor),
                *self.store.inputs_after(desk.cursor.inputs),
            ]:
                self.store.commit_desk(epoch, desk.fold(news), desk.cursor)
        except Fenced:
            self.leader = None

    async def turn(self):
        """What there is to do now; when to look again by the database's clock."""
        self.lead()
        nexts = [await self.sender.turn(name) for name in self.sender.lines]
        self.lead()
        return min(nexts)


class World:
    """The database's time, which is the provider's too, and two machines."""

    def __init__(self, address):
        self.address, self.now = address, T0
        self.wecom = FakeWecom(lambda: self.now, ("bot", "lead"))
        self.shard = Shard()

    async def boot(self, stack, apart):
        self.url = await self.wecom.start()
        stack.push_async_callback(self.wecom.close)
        self.client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        self.machines = [await Machine(self, f"m{n}", ms).boot() for n, ms in enumerate(apart)]
        self.epoch = self.machines[0].store.take(0).epoch
        stack.callback(lambda: [machine.store.close() for machine in self.machines])
        return self

    def now_ms(self):
        return self.now

    def fire(self, *transitions):
        self.machines[-1].store.commit_step(0, self.epoch, transitions[-1].position, transitions)

    def hear(self, item):
        self.machines[-1].store.add_input(item)

    async def run_to(self, at_s):
        end = T0 + round(at_s * SECOND)
        for _ in range(5_000):
            nexts = [await machine.turn() for machine in self.machines]
            if min(nexts) > self.now:
                if min(nexts) > end:
                    self.now = end
                    return
                self.now = min(nexts)
        raise AssertionError("a machine's time does not pass")

    def kill(self, n):
        self.machines.pop(n).store.close()

    def seen(self, key="bot"):
        """When what was read there, in seconds after T0."""
        return [((one.at_ms - T0) / SECOND, one.text) for one in self.wecom.inbox if one.key == key]


@pytest.fixture(params=APART, ids=["30 s", "5 min"])
def play(request, postgres_server):
    """Run a scene in a world of its own."""

    def run(scene):
        async def main():
            async with AsyncExitStack() as stack:
                await scene(await World(postgres_server.new_database()).boot(stack, request.param))

        asyncio.run(main())

    return run


def test_a_step_of_an_escalation_is_due_by_the_databases_clock_whoever_sends_it(play):
    async def scene(w):
        w.fire(w.shard(0, severity="crit"))
        await w.run_to(100)
        assert [at_s for at_s, _ in w.seen()] == [0]
        w.kill(0)
        await w.run_to(400)
        assert [at_s for at_s, _ in w.seen("lead")] == [180]
        assert [at_s for at_s, _ in w.seen()] == [0]

    play(scene)


def test_an_account_whose_sender_died_is_taken_over_when_its_lease_has_run_out(play):
    async def scene(w):
        w.fire(w.shard(0, severity="crit"))
        await w.run_to(1)
        w.kill(0)  # it leads and sends: the first to look takes both
        w.fire(w.shard(2, severity="crit", shop="s2"))
        await w.run_to(60)
        (first, (at_s, text)) = w.seen()
        assert first[0] == 0
        assert 15 <= at_s <= 31  # a lease is renewed at its half
        assert "可能重复" not in text

    play(scene)


def test_the_providers_limit_holds_over_both_though_they_take_turns(play):
    async def scene(w):
        for n in range(40):
            w.fire(w.shard(n * 3, severity="crit", shop=f"x{n}"))
            await w.run_to(n * 3 + 1)
            if n % 4 == 3:  # who sends lets go, and the other one takes the account
                for machine in w.machines:
                    for name, line in machine.sender.lines.items():
                        if line.held:
                            machine.store.lease(name, machine.name, 0, 0)
                            line.lease(False)
                w.machines.reverse()
        await w.run_to(600)
        assert w.wecom.refused == []
        told = "\n".join(text for _, text in w.seen())
        assert [told.count(f"x{n}：") + told.count(f"\nx{n} ") for n in range(40)] == [1] * 40
        assert "可能重复" not in told

    play(scene)


def test_what_people_do_at_one_machine_holds_as_long_as_they_said_at_the_other(play):
    async def scene(w):
        first, second = w.machines
        w.fire(w.shard(0, severity="crit"), w.shard(0, severity="crit", shop="s2"))
        await w.run_to(60)
        at_ms = second.clock.now_ms()
        w.hear(Ack(at_ms, "drift|shop=pinduoduo:s1", "laowang", holds_ms=30 * MINUTE))
        w.hear(Silence(first.clock.now_ms(), "q", {"shop": "pinduoduo:s2"}, at_ms + HOUR, "li"))
        await w.run_to(61 * 60 + 10)
        after = [(at_s, text.splitlines()[1]) for at_s, text in w.seen()[1:]]
        assert [at_s for at_s, _ in after] == [31 * 60, 61 * 60]
        assert "laowang 的确认已到期" in after[0][1]
        assert "静默结束" in after[1][1]

    play(scene)


def test_a_clock_that_is_set_while_it_runs_changes_nothing(play):
    async def scene(w):
        w.fire(w.shard(0, severity="crit"))
        await w.run_to(60)
        for machine in w.machines:
            machine.apart_ms *= -3
            await machine.clock.look()
            assert machine.clock.now_ms() == w.now
            assert (
                "与数据库" in machine.health.notices[NOTICE].zh
                or "比数据库" in machine.health.notices[NOTICE].zh
            )
        await w.run_to(400)
        assert [at_s for at_s, _ in w.seen("lead")] == [180]

    play(scene)
