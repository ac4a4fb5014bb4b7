"""A sender in a process of its own, killed at a told point; its clock is shared with the provider's.

It is born by a fork server that has imported all of this once, so that a death costs little.
"""

from __future__ import annotations

import asyncio
import os
import signal

import httpx

from alerting import limits
from alerting.channels import http
from alerting.policy.rulings import Policy, Receiver
from alerting.sender import Sender
from monitor.store.sqlite import SqliteStore
from tests.alerting.people import People
from tests.alerting.worlds import opened
from tests.waiting import PATIENCE_S

POLICY = Policy({"m": Receiver("m", ("it",))}, "m")
TURNS = 400  # far more than anything here takes
UNSETTLED = "select count(*) from intent where state in ('queued', 'sending')"


class SharedClock:
    """A clock that is the same in all processes, and stands until it is told."""

    def __init__(self, value):
        self._value = value

    def now_ms(self):
        return self._value.value

    def pass_to(self, ms):
        self._value.value = max(self._value.value, ms)


def die(*_):
    """As a power switch does it to a process."""
    os.kill(os.getpid(), signal.SIGKILL)


def answer_within(seconds):
    """How long a channel waits for an answer."""
    http.TIMEOUT = httpx.Timeout(seconds, connect=PATIENCE_S)
    limits.ANSWER_S = seconds


def serve(path, account, value, kill, answer_s):
    """Send what is queued until nothing is left, or be killed ``before`` the first send or ``after`` it.

    The first message is waited for as long as ``answer_s``, all others as long as it takes.
    """
    answer_within(answer_s)
    limits.CONNECT_S, limits.DELIVER_S, limits.RECONNECT_S = 1.0, 2 * PATIENCE_S, 0.01
    asyncio.run(_serve(path, account, SharedClock(value), kill))


async def _serve(path, account, clock, kill):
    store = SqliteStore(path)
    async with httpx.AsyncClient(trust_env=False) as client:
        channel = opened(account, client, clock)
        deliver = channel.deliver

        async def deliver_first(payload):
            result = await deliver(payload)
            answer_within(PATIENCE_S)
            return result

        channel.deliver = deliver_first
        sender = Sender(store, {"it": channel}, POLICY, People(), clock, owner=f"process {os.getpid()}")
        if kill == "before":
            channel.deliver = die
        if kill == "after":
            finish = store.finish

            def finish_and_die(*given, **named):
                finish(*given, **named)
                die()

            store.finish = finish_and_die
        for _ in range(TURNS):
            clock.pass_to(await sender.turn("it"))
            if not store._db.read(UNSETTLED)[0][0]:
                return
    raise SystemExit("it does not come to an end")
