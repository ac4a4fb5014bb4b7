"""The desk: transitions to durable intents, steps of an escalation in time, a storm on one bot (design §13).

The first by the clock of this machine with full sync, beside a commit of one row to the same disk; the second
by that clock, too. The storm by a told clock, all else being real: a store on disk, the sender, HTTP, and a
provider that counts as WeCom does and refuses for a minute what comes too often.

``python -m benchmarks desk``
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
from pydantic import SecretStr

from alerting.channels.base import DeliveryResult, Message
from alerting.channels.wecom_bot import WecomBot
from alerting.desk import Desk
from alerting.fakes.wecom import FakeWecom
from alerting.messages.by_ids import ByIds
from alerting.policy.rulings import Node, Policy, Receiver, Step
from alerting.policy.throttle import Allowance
from alerting.sender import Sender
from benchmarks.daemon import percentile
from benchmarks.table import Row
from monitor.runtime.clock import SystemClock
from monitor.store.sqlite import SqliteStore
from rules.transition import Facts, Transition

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from alerting.policy.records import Input

T0 = 1_795_399_200_000
COMMITS, STEPS, SHOPS = 2_000, 40, 2_000
STORM_S, MESSAGES_MAX, NAMED_S, FIRST_S = 60, 60, 180, 5
FACTS = Facts(measure="reply_rate_3m", asked=412, late=21, budget_left=20, budget_left_today=38)


def policy() -> Policy:
    """One bot for all, a phone for what nobody takes within a second."""
    receivers = {name: Receiver(name, (account,)) for name, account in (("m", "bot"), ("p", "phone"))}
    return Policy(receivers, "m", tree=Node(escalate="up"), escalations={"up": (Step(1_000, ("p",), 0),)})


def transition(n: int, at_ms: int, severity: str = "crit") -> Transition:
    """A shop's alert begins."""
    subject = {"shop": f"pinduoduo:{n:05d}"}
    return Transition(
        at_ms, "drift", subject, "ok", "firing", severity, severity, "rose", facts=FACTS, position=n + 1
    )


class House:
    """A store, the desk on it, and how the two are driven."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.store = SqliteStore(folder / "store.db")
        self._epoch = self.store.take(0).epoch
        self._desk_epoch, cursor = self.store.take_desk()
        self.desk = Desk(policy, self.store.desk_rows(), cursor)

    def step(self, transitions: Sequence[Transition]) -> None:
        """What a shard's step does: its transitions are durable."""
        self.store.commit_step(0, self._epoch, transitions[-1].position, transitions)

    def fold(self) -> None:
        """What the desk does when it is woken."""
        cursor = self.desk.cursor
        items: list[Transition | tuple[int, Input]] = [*self.store.transitions_after(cursor)]
        items += self.store.inputs_after(cursor.inputs)
        if items:
            self.store.commit_desk(self._desk_epoch, self.desk.fold(items), self.desk.cursor)


# Transition to durable intents


def commits(n: int) -> tuple[list[float], list[float]]:
    """How long, in ms, the desk took for each of ``n`` transitions; and a commit of one row beside it."""
    took: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), policy())
        row = sqlite3.connect(Path(folder) / "row.db", isolation_level=None)
        row.execute("pragma journal_mode = wal")
        row.execute("pragma synchronous = full")
        row.execute("create table t (x)")
        for i in range(n):
            house.step([transition(i, T0 + i)])
            began_s = time.perf_counter()
            house.fold()
            took.append((time.perf_counter() - began_s) * 1_000)
            began_s = time.perf_counter()
            row.execute("insert into t values (?)", (i,))
            bare.append((time.perf_counter() - began_s) * 1_000)
        row.close()
        house.store.close()
    return took, bare


# Steps in time


class Phone:
    """Takes everything at once, and notes when."""

    allowance, limit_bytes, markup = Allowance(messages=100_000, window_ms=1_000), 4_096, "text"

    def __init__(self) -> None:
        self.at_ms: dict[str, int] = {}

    def payload(self, message: Message) -> bytes:
        """The alerts that it names."""
        return "\n".join(alert["alert"] for alert in message.alerts).encode()

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Note when each came."""
        self.at_ms |= dict.fromkeys(payload.decode().split("\n"), time.time_ns() // 1_000_000)
        return DeliveryResult("ok")


async def late_steps(n: int) -> list[int]:
    """How late, in ms, the second step of each of ``n`` alerts was, by the sender as it runs."""
    with tempfile.TemporaryDirectory() as folder:
        house, clock, phone = House(Path(folder), policy()), SystemClock(), Phone()
        channels = {"bot": Phone(), "phone": phone}
        sender = Sender(house.store, channels, policy(), ByIds(), clock)
        task = asyncio.create_task(sender.run())
        due_ms: dict[str, int] = {}
        for i in range(n):
            fired = transition(i, clock.now_ms())
            due_ms[f"drift|shop={fired.subject['shop']}"] = fired.at_ms + 1_000
            house.step([fired])
            house.fold()
            sender.wake()
            await asyncio.sleep(0.097)
            house.fold()
        await asyncio.sleep(2)
        sender.finish()
        await task
        house.store.close()
    return [phone.at_ms[alert] - at_ms for alert, at_ms in due_ms.items()]


# A storm


class Storm(NamedTuple):
    """What reached the group."""

    messages: int
    refused: int
    named: int
    last_s: float
    first_crit_s: float
    crit_behind: int  # critical alerts first named after a message that held none, while they were due


class Told:
    """A clock that is told."""

    def __init__(self) -> None:
        self.ms = T0

    def now_ms(self) -> int:
        return self.ms

    async def wait(self, event: asyncio.Event, until_ms: int) -> None:
        raise AssertionError(f"nobody waits until {until_ms}: {event}")


@asynccontextmanager
async def group(clock: Told) -> AsyncIterator[tuple[FakeWecom, WecomBot]]:
    """The provider, and our way to it."""
    fake = FakeWecom(clock.now_ms, ["key"])
    async with httpx.AsyncClient(trust_env=False) as client:
        yield fake, WecomBot(client, SecretStr("key"), base_url=await fake.start())
        await fake.close()


async def storm(shops: int) -> Storm:
    """``shops`` fire within a minute, every tenth of them critical."""
    clock, given = Told(), replace(policy(), tree=Node())
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), given)
        async with group(clock) as (fake, bot):
            sender = Sender(house.store, {"bot": bot}, given, ByIds(), clock)
            for second in range(STORM_S):
                clock.ms = T0 + second * 1_000
                some = range(second * shops // STORM_S, (second + 1) * shops // STORM_S)
                house.step([transition(i, clock.ms, "warn" if i % 10 else "crit") for i in some])
                house.fold()
                await _send_until(house, sender, clock, clock.ms + 999)
            await _send_until(house, sender, clock, T0 + 600_000)
            found = _judge(fake, shops)
        house.store.close()
    return found


async def _send_until(house: House, sender: Sender, clock: Told, end_ms: int) -> None:
    while True:
        next_ms = await sender.turn("bot")
        house.fold()
        if next_ms > end_ms:
            return
        clock.ms = max(clock.ms, next_ms)


def _judge(fake: FakeWecom, shops: int) -> Storm:
    first: dict[int, float] = {}
    behind = 0
    for seen in fake.inbox:
        at_s = (seen.at_ms - T0) / 1_000
        new = [n for n in map(int, re.findall(r"pinduoduo:(\d{5})", seen.text)) if n not in first]
        first |= dict.fromkeys(new, at_s)
        waiting = [n for n in range(0, shops, 10) if n not in first and n * STORM_S / shops < at_s - 0.999]
        behind += len(waiting) if any(n % 10 for n in new) else 0
    crit = [at_s - n // (shops / STORM_S) for n, at_s in first.items() if n % 10 == 0]
    return Storm(len(fake.inbox), len(fake.refused), len(first), max(first.values()), max(crit), behind)


def rows(n: int = COMMITS, steps: int = STEPS, shops: int = SHOPS) -> list[Row]:
    """All three."""
    took, bare = commits(n)
    late_ms = asyncio.run(late_steps(steps))
    began_s = time.process_time()
    it = asyncio.run(storm(shops))
    cpu_s = time.process_time() - began_s
    held = it.named == shops and it.last_s <= NAMED_S and it.messages <= MESSAGES_MAX
    return [
        Row(
            f"transition to durable intents, full sync, {n:,} times",
            f"p50 {percentile(took, 50):.1f} ms, p99 {percentile(took, 99):.1f} ms",
            f"a row: p50 {percentile(bare, 50):.1f} ms, p99 {percentile(bare, 99):.1f} ms",
            "p99 ≤ 5 ms",
            percentile(took, 99) <= 5,
        ),
        Row(
            f"steps of escalations, {steps} alerts: how late",
            f"p50 {percentile(late_ms, 50)} ms, max {max(late_ms)} ms",
            "",
            "≤ 1,000 ms",
            min(late_ms) >= 0 and max(late_ms) <= 1_000,
        ),
        Row(
            f"storm: {shops:,} shops in a minute on one bot",
            f"{it.named:,} named in {it.last_s:.0f} s, {it.messages} messages, {it.refused} refused,"
            f" crit within {it.first_crit_s:.0f} s, {it.crit_behind} behind a warning;"
            f" {cpu_s:.1f} s of processor",
            "",
            f"all in {NAMED_S} s, ≤ {MESSAGES_MAX} messages, 0 refused, crit ≤ {FIRST_S} s, 0 behind",
            held and not it.refused and it.first_crit_s <= FIRST_S and not it.crit_behind,
        ),
    ]
