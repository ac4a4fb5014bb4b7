"""Tables of local time are made anew while somebody puts other receivers in force: theirs stay."""

import asyncio
import threading
from types import SimpleNamespace

from monitor.receivers import Receivers
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.health import Health
from tests.alerting.worlds import T0
from tests.waiting import PATIENCE_S


class Part:
    """Whoever is told of a policy."""

    def __init__(self):
        self.policy = None

    def use(self, policy, *_):
        self.policy = policy


class Files:
    """What files say, of which a table of local time may take long to be made."""

    def __init__(self, name, *, slow=False):
        self.name = name
        self.made, self.begun = threading.Event(), threading.Event()
        if not slow:
            self.made.set()
        self.alerting = SimpleNamespace(accounts={}, templates=dict)
        self.desk_digest, self.secret = name, None

    def policy(self, _now_ms):
        self.begun.set()
        self.made.wait(PATIENCE_S)
        return self.name


def test_files_that_take_force_while_tables_are_made_stay_in_force(monkeypatch):
    monkeypatch.setattr("monitor.receivers.tell_on_call", lambda *_: None)
    monkeypatch.setattr("monitor.receivers.hear_taps", lambda *_: None)
    monkeypatch.setattr("monitor.receivers.refuse_real_channels", lambda *_: None)

    async def main():
        clock, loop, sender = ManualClock(T0), Part(), Part()
        told = SimpleNamespace(
            loop=loop, sender=sender, receipts=SimpleNamespace(), auditor=Part(), door=None, health=Health()
        )
        before = Files("before", slow=True)
        receivers = Receivers(before, {}, {}, None, clock, told, lambda _files: None)
        running = asyncio.create_task(receivers.run())
        await clock.all_wait(1)
        clock.move_to(T0 + limits.CALENDAR_MS)
        await asyncio.to_thread(before.begun.wait, PATIENCE_S)
        receivers.prepare(Files("after"))()
        before.made.set()
        await clock.all_wait(1)
        assert (loop.policy, sender.policy) == ("after", "after")
        running.cancel()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
