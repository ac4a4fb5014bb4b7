"""The auditor: looks from outside whether what is due leaves, and says so where it still can.

An account whose alerts wait too long is an alert of its own, told over another account by way of the desk.
Where the desk itself stands still, or nobody was told even so, the auditor writes to the operator directly,
past desk, sender and limits. And while all is well it pings an address outside, whose owner is told when the
pings stay away: that is how the end of the whole machine is noticed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from alerting import limits
from alerting.channels.base import Message
from alerting.messages.texts import duration, say
from alerting.policy.records import Health, alert_key
from alerting.policy.rulings import OVERDUE_RULE, RUNBOOK
from alerting.ports import InPlace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from alerting.channels.base import Channel
    from alerting.policy.records import Input, Waits
    from alerting.policy.rulings import Policy
    from alerting.ports import Clock, Worker


class AuditStore(Protocol):
    """What the auditor asks of a store. Sync, called from one thread."""

    def overdue(self, crit_ms: int, warn_ms: int) -> list[Waits]:
        """Accounts with intents that were due before these times and are still queued."""

    def desk_behind(self) -> tuple[bool, int]:
        """Whether there is something the desk has not folded, and a number that rises as it folds."""

    def told_since(self, alert: str, since_ms: int) -> bool:
        """Whether a channel has taken a message of the alert since then."""


class Auditor:
    """Looks every ``limits.AUDIT_MS``.

    Args:
        store: Called only through ``worker``.
        channels: Account name → channel, for what is written directly.
        policy: Names the operator's receiver.
        clock: Tells the time.
        hear: Gives the desk an input.
        tell: Told what is wrong, in one line; empty: nothing.
        well: Whether the rest of the daemon is.
        beat: Pings the address outside; None: there is none.
        worker: Where calls of the store are made.
    """

    def __init__(
        self,
        store: AuditStore,
        channels: Mapping[str, Channel],
        policy: Policy,
        clock: Clock,
        *,
        hear: Callable[[Input], Awaitable[object]],
        tell: Callable[[str], object] = lambda _what: None,
        well: Callable[[], bool] = lambda: True,
        beat: Callable[[], Awaitable[object]] | None = None,
        worker: Worker | None = None,
    ) -> None:
        self._store, self._channels, self._policy, self._clock = store, channels, policy, clock
        self._hear, self._tell, self._well, self._beat = hear, tell, well, beat
        self._call = (worker or InPlace()).run
        self.leads: Callable[[], bool] = lambda: True  # whether it speaks for a desk that leads
        self._late: dict[str, int] = {}  # account → since when we know that what is due there does not leave
        self._well_told: set[str] = set()  # accounts of which the desk knows that nothing waits too long
        self._cried_ms = 0  # when the operator was last written to directly; 0: not about this
        self._progress, self._moved_ms = -1, clock.now_ms()
        self._language = policy.operator.language

    def use(
        self,
        policy: Policy,
        channels: Mapping[str, Channel],
        beat: Callable[[], Awaitable[object]] | None,
    ) -> None:
        """Look by another configuration from here on."""
        self._policy, self._channels, self._beat = policy, channels, beat
        self._language = policy.operator.language

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(limits.AUDIT_MS / 1_000)

    async def look(self) -> list[str]:
        """Look once, and do what follows; what is wrong, a line each."""
        now_ms = self._clock.now_ms()
        if not self.leads():
            return await self._look_at_leader(now_ms)
        grace = now_ms - limits.OVERDUE_CRIT_MS, now_ms - limits.OVERDUE_WARN_MS
        overdue = await self._call(self._store.overdue, *grace)
        waits = {one.account: one for one in overdue if one.account in self._channels}
        found = [self._say_waits(one, now_ms) for one in waits.values()]
        if stuck_ms := await self._stands_still(now_ms):
            found.append(say(self._language, "audit_desk", duration=duration(self._language, stuck_ms)))
        await self._pass_on(waits, now_ms)
        if stuck_ms or await self._unheard(now_ms):
            await self._cry(found, now_ms)
        else:
            self._cried_ms = 0
        self._tell(say(self._language, "comma").join(found))
        if not found and self._well() and self._beat:
            await self._beat()
        return found

    async def _look_at_leader(self, now_ms: int) -> list[str]:
        """Of a desk that only follows: what waits is for the leader to tell, unless nobody folds at all."""
        self._late.clear()
        self._well_told.clear()
        stuck_ms = await self._stands_still(now_ms)
        found = []
        if stuck_ms >= 2 * limits.DESK_STUCK_MS:  # a leader that is there has told it before
            found.append(say(self._language, "audit_desk", duration=duration(self._language, stuck_ms)))
            await self._cry(found, now_ms)
        else:
            self._cried_ms = 0
        self._tell(say(self._language, "comma").join(found))
        return found

    def _say_waits(self, one: Waits, now_ms: int) -> str:
        length = duration(self._language, now_ms - one.oldest_ms)
        return say(self._language, "audit_waits", account=one.account, n=one.waiting, duration=length)

    async def _stands_still(self, now_ms: int) -> int:
        """For how long the desk has had news and not folded any; 0: not for long."""
        behind, progress = await self._call(self._store.desk_behind)
        if not behind or progress != self._progress:
            self._progress, self._moved_ms = progress, now_ms
        self._moved_ms = min(self._moved_ms, now_ms)  # the clock may be set back
        stood_ms = now_ms - self._moved_ms
        return stood_ms if stood_ms >= limits.DESK_STUCK_MS else 0

    async def _pass_on(self, waits: Mapping[str, Waits], now_ms: int) -> None:
        """Tell the desk of accounts that are late, and of those that are not, for who led before said so."""
        for account, one in waits.items():
            if account not in self._late:
                detail = self._say_waits(one, now_ms)
                await self._hear(Health(now_ms, account, ok=False, detail=detail, overdue=True))
                self._late[account] = now_ms
                self._well_told.discard(account)
        for account in sorted((self._channels.keys() | self._late.keys()) - waits.keys() - self._well_told):
            await self._hear(Health(now_ms, account, ok=True, overdue=True))
            self._late.pop(account, None)
            self._well_told.add(account)

    async def _unheard(self, now_ms: int) -> bool:
        """Whether an account is late for long, and nobody was told so by way of the desk."""
        for account, since_ms in self._late.items():
            key = alert_key(OVERDUE_RULE, {"account": account})
            late = now_ms - since_ms >= limits.UNHEARD_MS
            if late and not await self._call(self._store.told_since, key, since_ms):
                return True
        return False

    async def _cry(self, found: Sequence[str], now_ms: int) -> None:
        """Write to the operator directly: until it is taken, then at most every ``limits.CRY_MS``."""
        if not 0 <= now_ms - self._cried_ms < limits.CRY_MS and await self._write(found, now_ms):
            self._cried_ms = now_ms

    async def _write(self, found: Sequence[str], now_ms: int) -> bool:
        """One message over the first account that takes it: the operator's first, late ones last."""
        own = self._policy.operator.accounts
        names = sorted(self._channels, key=lambda name: (name in self._late, name not in own))
        title, what = say(self._language, OVERDUE_RULE), say(self._language, "comma").join(found)
        alert = {"alert": "", "incident": "", "kind": "fire", "severity": "crit"}
        alert |= {"name": "slawatch", "title": title, "figure": what}
        mend = RUNBOOK.in_language(self._language).format(rule=OVERDUE_RULE)
        body = f"{say(self._language, 'audit', title=title, what=what)}\n{mend}"
        message = Message(f"audit-{now_ms}", body, alerts=(alert,), language=self._language)
        for name in names:
            channel = self._channels[name]
            if (await channel.deliver(channel.payload(message))).accepted:
                return True
        return False
