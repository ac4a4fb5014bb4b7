"""What the desk's and the sender's tests are told in: short transitions, a policy, a store's rows."""

import asyncio
import contextlib

import httpx
import msgspec
from pydantic import SecretStr

from alerting.channels.console import Console
from alerting.channels.wecom_bot import WecomBot
from alerting.config.model import Alerting
from alerting.desk import Desk
from alerting.fakes.wecom import FakeWecom
from alerting.policy.records import Cursor, Result, Tick
from alerting.policy.rulings import Policy, Receiver
from alerting.sender import Sender
from monitor.store.sqlite import SqliteStore
from rules.transition import Facts, Item, Transition
from tests.alerting.people import People

T0 = 1_795_399_200_000  # 2026-11-23T10:00:00+08:00
SECOND = 1_000
MINUTE = 60_000
HOUR = 3_600_000


def policy(**changes):
    given = {
        "receivers": {
            "managers": Receiver("managers", ("bot",)),
            "both": Receiver("both", ("bot", "hook")),
        },
        "default": "managers",
        "sources": {"pinduoduo:s1": "erp", "pinduoduo:s2": "erp"},
    }
    return Policy(**(given | changes))


def opened(account, client, clock):
    """The channel to an account, given as ``alerting.yaml`` does."""
    values = {"accounts": {"it": account}, "receivers": {"m": {"accounts": ["it"]}}, "default": "m"}
    return Alerting.parse(values).channels(client, clock, lambda kind, name: "")["it"]


class Shard:
    """Gives out transitions at rising positions."""

    def __init__(self, shard=0) -> None:
        self.shard = shard
        self.position = 0

    def __call__(self, at_s, to="firing", severity="warn", shop="s1", rule="drift", **fields) -> Transition:
        self.position += 1
        given = {
            "at_ms": T0 + round(at_s * SECOND),
            "rule": rule,
            "subject": {"shop": f"pinduoduo:{shop}"},
            "from_state": "ok",
            "to_state": to,
            "severity": severity,
            "verdict": severity,
            "reason": "rose",
            "facts": Facts(measure="reply_rate_3m", asked=412, late=21, budget_left=20),
            "notify": "managers",
            "shard": self.shard,
            "position": self.position,
        }
        return Transition(**(given | fields))


def item(seconds_left, customer="customer-1042", agent=""):
    return Item("conv-77", customer, T0 - MINUTE, T0 + seconds_left * SECOND, agent)


class Memory:
    """A desk on rows kept in memory, restored from them before every fold: what a crash would leave."""

    def __init__(self, policy) -> None:
        self.policy = policy
        self.rows = {}
        self.cursor = Cursor({})
        self.intents = {}
        self.seq = 0
        self.traces = []
        self.anew = False

    def use(self, policy, at_ms):
        """Another policy takes force, and the tick that follows it."""
        self.policy, self.anew = policy, True
        self.hear(Tick(at_ms))

    def fold(self, *items):
        desk = Desk(self.policy, [(*key, body) for key, body in self.rows.items()], self.cursor)
        if self.anew:
            desk.use(self.policy)
            self.anew = False
        changes = desk.fold(items)
        for key, body in changes.rows.items():
            if body is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = body
        for intent in changes.intents:
            assert intent.id not in self.intents
            self.intents[intent.id] = intent
        for name, at_ms in changes.moves.items():
            if name in self.intents:
                self.intents[name] = msgspec.structs.replace(self.intents[name], not_before_ms=at_ms)
        for name, _, _ in changes.voids:
            self.intents.pop(name, None)
        self.traces += changes.traces
        self.cursor = desk.cursor
        return changes

    def hear(self, given):
        self.seq += 1
        return self.fold((self.seq, given))

    def desk(self):
        return Desk(self.policy, [(*key, body) for key, body in self.rows.items()], self.cursor)

    def queued(self, account="bot"):
        """``[(kind, severity, seconds after T0)]`` of what is queued, in order of time."""
        found = [i for i in self.intents.values() if i.account == account]
        found.sort(key=lambda i: (i.not_before_ms, i.id))
        return [(i.kind, i.severity, (i.not_before_ms - T0) / SECOND) for i in found]

    def told(self, at_s, state="accepted"):
        """All that is due by then was sent."""
        at_ms = T0 + round(at_s * SECOND)
        for intent in list(self.intents.values()):
            if intent.not_before_ms <= at_ms:
                del self.intents[intent.id]
                self.hear(
                    Result(
                        at_ms,
                        state,
                        intent.account,
                        intent.receiver,
                        [(intent.id, intent.alert, intent.kind)],
                    )
                )


class Process:
    """One process on a told clock: a store on disk, a desk and a sender; it may be killed and started."""

    def __init__(self, path, policy) -> None:
        self.path, self.policy, self.now, self.shard = path, policy, T0, Shard()

    def channels(self):
        """The accounts' channels, made anew with each start."""
        raise NotImplementedError

    def open(self, owner="one"):
        """Start on what is stored."""
        self.store = SqliteStore(self.path)
        self.epoch = self.store.take(0).epoch
        self.desk_epoch, cursor = self.store.take_desk()
        self.desk = Desk(self.policy, self.store.desk_rows(), cursor)
        self.sender = Sender(self.store, self.channels(), self.policy, People(), self, owner=owner)

    def restart(self, owner="one"):
        """Kill the process and start another."""
        self.store.close()
        self.open(owner)

    def now_ms(self):
        return self.now

    async def wait(self, event, until_ms):
        raise AssertionError("the test tells the time")

    def commit(self, *transitions):
        self.store.commit_step(0, self.epoch, transitions[-1].position, transitions)
        self.fold()

    def hear(self, given):
        self.store.add_input(given)
        self.fold()

    def fold(self):
        cursor = self.desk.cursor
        items = [*self.store.transitions_after(cursor), *self.store.inputs_after(cursor.inputs)]
        if items:
            changes = self.desk.fold(items)
            self.store.commit_desk(self.desk_epoch, changes, self.desk.cursor)


class World(Process):
    """A process that sends to a group and to a terminal, and the fake WeCom that outlives it."""

    def __init__(self, folder, policy) -> None:
        super().__init__(folder / "store.db", policy)
        self.wecom = FakeWecom(lambda: self.now)
        self.written = []

    async def boot(self):
        self.url = await self.wecom.start()
        self.client = httpx.AsyncClient(trust_env=False)
        self.open()
        return self

    def channels(self):
        bot = WecomBot(self.client, SecretStr("test-key"), base_url=self.url)
        return {"bot": bot, "hook": Console(self.written.append)}

    async def close(self):
        self.store.close()
        await self.client.aclose()
        await self.wecom.close()

    async def run_to(self, at_s):
        """Let the sender work until the clock shows so many seconds after T0, without waiting for it."""
        end = T0 + round(at_s * SECOND)
        while True:
            nexts = []
            for name in self.sender.lines:
                nexts.append(await self.sender.turn(name))
                self.fold()
            if min(nexts) > self.now:
                if min(nexts) > end:
                    break
                self.now = min(nexts)
        self.now = end

    def states(self):
        query = "select kind, state from intent order by created_ms, id"
        return self.store._db.connection.execute(query).fetchall()


@contextlib.asynccontextmanager
async def world(tmp_path, **changes):
    made = await World(tmp_path, policy(**changes)).boot()
    try:
        yield made
    finally:
        await made.close()


def play(tmp_path, scene, **changes):
    """Run a scene in a world."""

    async def main():
        async with world(tmp_path, **changes) as w:
            await scene(w)

    asyncio.run(main())
