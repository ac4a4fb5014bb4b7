"""A desk with its sender in a process of its own, beside another one on the same database."""

from __future__ import annotations

import asyncio

import httpx

from alerting.desk import Desk
from alerting.errors import Fenced, StoreBusy
from alerting.sender import Sender
from monitor.store.postgres import PostgresStore
from tests.alerting.matrix import POLICY, SharedClock
from tests.alerting.people import People
from tests.alerting.worlds import opened

LOOK_S = 0.005  # real time between two looks at a clock that somebody else moves
LEASE_MS = 30_000


class MovedClock(SharedClock):
    """A clock that another process moves all the time."""

    async def wait(self, event, until_ms):
        """Look until it is time: what another process writes wakes nobody here."""
        while self.now_ms() < until_ms and not event.is_set():
            await asyncio.sleep(LOOK_S)
            until_ms = min(until_ms, self.now_ms() + 1_000)


def serve(address, account, value, name):
    """Lead and send whenever nobody else does, until killed."""
    asyncio.run(_serve(address, account, MovedClock(value), name))


async def _serve(address, account, clock, name):
    store = PostgresStore(address, name)
    async with httpx.AsyncClient(trust_env=False) as client:
        channels = {"it": opened(account, client, clock)}
        sender = Sender(store, channels, POLICY, People(), clock, owner=name)
        sending = asyncio.create_task(sender.run())
        leader = None
        while not sending.done():
            leader = lead(store, clock, name, leader, sender)
            await asyncio.sleep(LOOK_S)
        await sending


def lead(store, clock, name, leader, sender):
    """Fold what is new while the lead is ours; forget all when it is not."""
    try:
        if not store.lead_desk(name, clock.now_ms(), clock.now_ms() + LEASE_MS):
            return None
        if leader is None:
            epoch, cursor = store.take_desk(name)
            leader = epoch, Desk(POLICY, store.desk_rows(), cursor)
        epoch, desk = leader
        news = [*store.transitions_after(desk.cursor), *store.inputs_after(desk.cursor.inputs)]
        if news:
            store.commit_desk(epoch, desk.fold(news), desk.cursor)
            sender.wake()
    except (Fenced, StoreBusy):
        return None
    return leader
