"""Who is told, and over what, changed while it runs: all of alerting.yaml and people.yaml, or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from alerting.ways import Ways
from monitor.auditing import auditor_of, beat_of
from monitor.on_call import tell_on_call
from monitor.runtime import limits
from monitor.runtime.clock import ManualClock
from monitor.runtime.desk_port import DeskDoor
from monitor.runtime.passing import refuse_real_channels
from monitor.runtime.status import account_well
from monitor.web.taps import hear_taps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import httpx

    from alerting.auditor import Auditor
    from alerting.channels.base import Channel
    from alerting.policy.rulings import Policy
    from alerting.ports import TapReader
    from alerting.receipts import Receipts
    from alerting.sender import Sender
    from monitor.configured import Configured
    from monitor.runtime.clock import Clock
    from monitor.runtime.desk_loop import DeskLoop
    from monitor.runtime.health import Health
    from monitor.runtime.worker_thread import StoreThread
    from monitor.sinks.metrics import Metrics
    from monitor.store.sqlite import SqliteStore


class Under(NamedTuple):
    """What all of it stands on."""

    store: SqliteStore  # or PostgreSQL's, which has the same methods
    thread: StoreThread
    clock: Clock
    loop: DeskLoop
    health: Health


@dataclass(frozen=True, slots=True)
class Told:
    """The parts that are told when it changes."""

    loop: DeskLoop
    sender: Sender
    receipts: Receipts
    auditor: Auditor
    door: DeskDoor
    health: Health


class Receivers:
    """What the files say of receivers and accounts, in force in every part that decides by it.

    Args:
        configured: As it was at the start.
        channels: Account → channel, as they are in force.
        callbacks: What reads the taps on cards, by account; the same mapping that the web looks into.
        client: Over which channels call.
        clock: Tells the time.
        told: The parts.
        beat_of: Makes the ping outside that the files name.
        on_accounts: Told how many parts more than before wait for the clock.
    """

    def __init__(
        self,
        configured: Configured,
        channels: Mapping[str, Channel],
        callbacks: dict[str, TapReader],
        client: httpx.AsyncClient,
        clock: Clock,
        told: Told,
        beat_of: Callable[[Configured], Callable[[], Awaitable[object]] | None],
        on_accounts: Callable[[int], object] = lambda _more: None,
    ) -> None:
        self._configured, self._channels, self._callbacks = configured, dict(channels), callbacks
        self.digest = configured.desk_digest  # of what is in force
        self._clock, self._told = clock, told
        self._beat_of, self._on_accounts = beat_of, on_accounts
        self._ways = Ways(client, clock, configured.secret, print)  # one, so that phones keep their budgets
        self._marks = self._ways.marks(configured.alerting.accounts)
        self._changed = asyncio.Event()

    def prepare(self, files: Configured) -> Callable[[], None]:
        """Make what the files say; what is given back puts it in force.

        An account that says the same, with the same secrets, keeps its channel: its token, its connection.

        Raises:
            ConfigError: Secrets that cannot be read, one line each.
            ConfigurationError: Under a told clock, an account that reaches somebody.
        """
        alerting = files.alerting
        if isinstance(self._clock, ManualClock):
            refuse_real_channels(alerting)
        marks = self._ways.marks(alerting.accounts)
        fresh = {name: one for name, one in alerting.accounts.items() if self._marks.get(name) != marks[name]}
        made = self._ways.open(fresh)
        channels = {name: made.get(name) or self._channels[name] for name in alerting.accounts}
        callbacks, readers = self._ways.callbacks(alerting.accounts), self._ways.receipts(alerting.accounts)
        beat = self._beat_of(files)
        policy, templates, digest = (
            files.policy(self._clock.now_ms()),
            alerting.templates(),
            files.desk_digest,
        )

        def use() -> None:
            self._on_accounts(len(channels) - len(self._channels))
            for gone in self._channels.keys() - channels.keys():
                account_well(self._told.health, gone)
            self._configured, self._channels, self._marks, self.digest = files, channels, marks, digest
            self._callbacks.clear()
            self._callbacks.update(callbacks)
            self._told.receipts.readers = readers
            hear_taps(channels, self._told.door)
            self._told.sender.use(policy, templates, channels)
            self._told.auditor.use(policy, channels, beat)
            self._take(policy)

        return use

    async def run(self) -> None:
        """Make the tables of mute times and schedules anew long before they end, for ever."""
        while True:
            self._changed.clear()
            await self._clock.wait(self._changed, self._clock.now_ms() + limits.CALENDAR_MS)
            if self._changed.is_set():
                continue
            policy = await asyncio.to_thread(self._configured.policy, self._clock.now_ms())
            if not self._changed.is_set():  # else other files took force meanwhile, with tables of their own
                self._told.sender.use(policy, self._configured.alerting.templates(), self._channels)
                self._take(policy)

    def _take(self, policy: Policy) -> None:
        self._told.loop.use(policy)
        tell_on_call(self._configured, self._clock.now_ms(), self._told.health)
        self._changed.set()


def receivers_of(
    configured: Configured,
    channels: Mapping[str, Channel],
    callbacks: dict[str, TapReader],
    client: httpx.AsyncClient,
    sender: Sender,
    receipts: Receipts,
    metrics: Metrics,
    under: Under,
    on_accounts: Callable[[int], object] = lambda _more: None,
) -> tuple[DeskDoor, Auditor, Receivers]:
    """What decides by alerting.yaml beside desk and sender, and what changes it.

    Raises:
        ConfigError: Secrets that cannot be read, one line each.
    """
    store, thread, clock, loop, health = under
    auditor = auditor_of(configured, client, channels, under, metrics)
    door = hear_taps(channels, DeskDoor(loop, store, thread, clock))
    tell_on_call(configured, clock.now_ms(), health)
    on_accounts(1)  # its own part waits for the clock too
    told = Told(loop, sender, receipts, auditor, door, health)
    beat = partial(beat_of, client=client, clock=clock, metrics=metrics)
    return door, auditor, Receivers(configured, channels, callbacks, client, clock, told, beat, on_accounts)
