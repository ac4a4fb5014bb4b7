"""Receipts: whether an SMS that a provider took reached a phone, asked for while it is young, and pushed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from alerting import limits
from alerting.channels.sms import Sms
from alerting.errors import StoreBusy, StoreFull
from alerting.ports import InPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alerting.line import Line
    from alerting.policy.records import Report, Unreported
    from alerting.ports import Clock, Worker


class ReceiptReader(Protocol):
    """The address to which a provider pushes receipts."""

    reply: bytes  # what it takes for a yes

    def read(self, key: str, body: bytes) -> list[Report]:
        """The receipts; AlertingError when it is forged or no receipts."""


class ReceiptStore(Protocol):
    """What carriers report. Sync, called from one thread; a write is one transaction."""

    def report(self, account: str, reports: Sequence[Report], now_ms: int, since_ms: int) -> int:
        """Take in receipts, in any order and however often; how many deliveries since then they decide.

        A delivery is ``delivered`` once one of its phones has it, ``failed`` once none can.
        """

    def unreported(self, account: str, since_ms: int, limit: int) -> list[Unreported]:
        """Accepted deliveries since then of which no carrier has said what decides, newest first."""


class Receipts:
    """Takes in what carriers report.

    Args:
        readers: Of what is pushed, by account.
        lines: The sender's, by account; only those whose lease is ours are asked about.
        store: Called only through ``worker``.
        clock: Tells the time and waits for it.
        worker: Where calls of the store are made.
        on_result: Called when the desk has something new to fold.
    """

    def __init__(
        self,
        readers: Mapping[str, ReceiptReader],
        lines: Mapping[str, Line],
        store: ReceiptStore,
        clock: Clock,
        worker: Worker | None = None,
        on_result: Callable[[], None] = lambda: None,
    ) -> None:
        self.readers = readers
        self._lines = lines
        self._store, self._clock = store, clock
        self._call, self._on_result = (worker or InPlace()).run, on_result

    @property
    def needed(self) -> bool:
        """Whether there is an account whose provider gives receipts."""
        return any(isinstance(line.channel, Sms) for line in self._lines.values())

    async def take(self, account: str, reports: Sequence[Report]) -> int:
        """Take in what was pushed, or pulled; how many deliveries it decides."""
        now_ms = self._clock.now_ms()
        since_ms = now_ms - limits.RECEIPT_LIFE_MS
        decided = await self._call(self._store.report, account, reports, now_ms, since_ms)
        if decided:
            self._on_result()
        return decided

    async def run(self) -> None:
        """Ask for ever: often while a message is young, seldom later, no more after a day."""
        never = asyncio.Event()
        while True:
            try:
                pause_ms = await self.pull()
            except (StoreBusy, StoreFull):
                pause_ms = limits.RECEIPT_PULL_MS
            await self._clock.wait(never, self._clock.now_ms() + pause_ms)

    async def pull(self) -> int:
        """Ask about all that is unreported, and say after how long to ask again."""
        now_ms = self._clock.now_ms()
        youngest_ms = 0
        for name, line in list(self._lines.items()):
            if not line.held or not isinstance(line.channel, Sms):
                continue
            since_ms = now_ms - limits.RECEIPT_LIFE_MS
            waiting = await self._call(self._store.unreported, name, since_ms, limits.RECEIPT_PULLS)
            for one in waiting:
                youngest_ms = max(youngest_ms, one.sent_ms)
                if reports := await line.channel.reports(one.payload, one.ids):
                    await self.take(name, reports)
        young = now_ms - youngest_ms < limits.RECEIPT_YOUNG_MS
        return limits.RECEIPT_PULL_MS if young or not youngest_ms else limits.RECEIPT_SELDOM_MS
