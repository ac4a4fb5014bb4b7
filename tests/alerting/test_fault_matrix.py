"""Every channel × every fault × kill -9 before, during and after the send.

Nothing is lost; nothing whose acceptance was recorded is sent again; the one in flight is settled where the
provider can tell, else it comes once more and says so. The short form takes a part of the cells that changes
with nothing; ``TEST_MATRIX=all`` takes all of them.
"""

import asyncio
import multiprocessing
import os
import signal

import pytest

from alerting.fakes.http import Fault
from alerting.fakes.wecom_smart import FakeSmartBot
from alerting.policy.records import Changes, Cursor, Intent
from monitor.store.sqlite import SqliteStore
from rules.transition import Facts, Transition
from tests.alerting.matrix import serve
from tests.alerting.sides import SIDES
from tests.alerting.worlds import T0
from tests.waiting import PATIENCE_S

SHOPS = ("mall-a", "mall-b")
FAULTS = ("none", "bad_gateway", "html", "reset", "lost", "silent", "slow", "busy", "refused")
KILLS = ("never", "before", "during", "after")
# Where the provider knows the message again: nobody reads it twice, whatever happened.
TELLS = {"wecom_app", "wecom_card", "aliyun_sms", "tencent_sms"}
MARKS = "可能重复"
ALL = os.environ.get("TEST_MATRIX") == "all"
CELLS = [(side, fault, kill) for side in SIDES for fault in FAULTS for kill in KILLS]
# A stride that shares no factor with 4 or 9: every fault, kill and channel is met, and each other.
CHOSEN = CELLS if ALL else CELLS[::17]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["matrix"])
pytestmark = pytest.mark.usefixtures("fork_server")


def intents():
    """Two critical alerts; the second is due a minute later, so that each is a message of its own."""
    for n, shop in enumerate(SHOPS):
        at_ms = T0 + n * 60_000
        t = Transition(
            at_ms, "drift", {"shop": f"pinduoduo:{shop}"}, "ok", "firing", "crit", "crit", "rose",
            since_ms=at_ms, facts=Facts(asked=412, late=21, budget_left=20), position=n,
        )  # fmt: skip
        key = f"drift|shop=pinduoduo:{shop}"
        yield Intent(f"i{n}", key, f"{key}@{at_ms}", "m", "it", "m", "fire", "crit", at_ms, at_ms, t)


class Life:
    """Senders one after the other on one store, and what the provider's people see."""

    def __init__(self, side, fault, folder):
        self.value = context.Value("q", T0)
        self.side, self.path = side, str(folder / "store.db")
        self.fake = side.fake(lambda: self.value.value)
        self.fault, self.process = fault, None
        store = SqliteStore(self.path)
        epoch, _ = store.take_desk()
        store.commit_desk(epoch, Changes(intents=list(intents())), Cursor({}, 0))
        store.close()

    async def live(self, kill):
        """One life, to its end or its death."""
        no_answer = self.fault not in ("none", "slow") and getattr(self.fake, "server", self.fake).faults
        given = (self.path, self.account, self.value, kill, 0.5 if no_answer else PATIENCE_S)
        self.process = context.Process(target=serve, args=given, daemon=True)
        self.process.start()
        await asyncio.to_thread(self.process.join, PATIENCE_S)
        assert self.process.exitcode == (0 if kill == "never" else -signal.SIGKILL), self.process.exitcode

    async def all(self, kill):
        self.account = self.side.configured(await self.fake.start())
        try:
            if self.fault == "refused":
                await self.fake.close()
            elif self.fault != "none":
                self.fake.suffer(Fault(self.fault, seconds=0.01))
            if self.fault == "refused" and kill != "before":
                kill = "after"  # the provider takes nothing in hands: the first refusal is the moment
            if kill == "during":
                self.watch()
            if kill != "never":
                await self.live(kill)
            if self.fault == "refused":
                await self.fake.start()
            seen, recorded = self.seen(), self.recorded()
            await self.live("never")
            return seen, recorded
        finally:
            await self.fake.close()

    def watch(self):
        """Kill the sender while the provider has its first message in hands."""

        first = [True]

        def strike():
            if first:
                first.clear()
                os.kill(self.process.pid, signal.SIGKILL)

        if isinstance(self.fake, FakeSmartBot):
            send = self.fake._send

            async def struck(*given):
                await send(*given)
                strike()

            self.fake._send = struck
            return
        befalls, handle = self.fake.server.befalls, self.fake.server.handle

        def arrives(request):
            if befalls(request) and self.fault in ("reset", "bad_gateway", "html"):
                strike()
            return befalls(request)

        def handled(request):
            answer = handle(request)
            if befalls(request):
                strike()
            return answer

        self.fake.server.befalls, self.fake.server.handle = arrives, handled

    def seen(self):
        """How often each alert was read."""
        return {shop: len(self.read(shop)) / self.side.copies for shop in SHOPS}

    def read(self, shop):
        """What people read of an alert; the title stands apart where a service has one."""
        return [text for one in self.fake.inbox if shop in (text := f"{one.key} {one.text}")]

    def recorded(self):
        """Alerts whose acceptance is written down."""
        store = SqliteStore(self.path)
        rows = store._db.read("select alert from intent where state = 'accepted'")
        store.close()
        return {shop for shop in SHOPS if any(shop in alert for (alert,) in rows)}


@pytest.mark.parametrize(
    ("side", "fault", "kill"), CHOSEN, ids=[f"{side.name}-{fault}-{kill}" for side, fault, kill in CHOSEN]
)
def test_nothing_is_lost_and_what_is_repeated_says_so(side, fault, kill, tmp_path):
    life = Life(side, fault, tmp_path)
    seen, recorded = asyncio.run(life.all(kill))
    after = life.seen()
    if not (fault == "html" and side.after.get("html") == "ok"):  # where any 2xx is a yes
        assert [shop for shop, times in after.items() if times < 1] == [], "lost"
    for shop in recorded:
        assert after[shop] == seen[shop], "sent again although its acceptance was recorded"
    for shop, times in after.items():
        assert times <= (1 if side.name in TELLS else 2)
        if times == 2:
            assert MARKS in life.read(shop)[-1]
    assert life.recorded() == set(SHOPS) or fault in ("silent", "lost", "html", "reset")
