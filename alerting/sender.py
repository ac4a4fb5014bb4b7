"""The sender: leases an account, takes what is due, renders it once, writes it down, sends it, records it.

A delivery is written as ``sending`` with its payload and intents before a byte leaves, and its result
after. So after a crash nothing whose acceptance was recorded is sent again, and the one message in flight
is sent once more, marked. Everything that decides is in ``alerting.policy``; here is the order of things.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from alerting import limits
from alerting.errors import Fenced, StoreBusy, StoreDown, StoreError, StoreFull
from alerting.leasing import leased, let_go
from alerting.line import Line
from alerting.messages.writer import Writer
from alerting.outcome import expired_traces, named, state_of, told_after_ms, traces_of
from alerting.policy.compose import Draft, Ready, compose
from alerting.policy.records import OVER, Delivery, Health, Intent, Result
from alerting.policy.route import first_intents
from alerting.policy.settle import sort_out
from alerting.ports import InPlace, NoMetrics
from alerting.urgent import tell_urgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alerting.channels.base import Channel, DeliveryResult
    from alerting.messages.address import Address
    from alerting.messages.template import Templates
    from alerting.policy.records import Queued
    from alerting.policy.rulings import Policy
    from alerting.ports import Clock, Directory, Metrics, Store, Worker
    from rules.transition import Transition


class Sender:
    """Serves accounts, each in a task of its own.

    Args:
        store: Called only through ``worker``.
        channels: Account name → channel.
        policy: For the language of each receiver.
        directory: Names of shops, rules and people.
        clock: Tells the time and waits for it.
        owner: Names this process in leases; another process must have another name.
        worker: Where calls of the store are made.
        on_result: Called when the desk has something new to fold.
        metrics: Told of deliveries and failures.
        on_error: Told of what should not have happened while serving an account, which goes on after a
            pause; without it such an error ends ``run``.
        on_well: Told of an account that is served.
        templates: Receiver → how its messages are written, of those that have their own way.
    """

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        policy: Policy,
        directory: Directory,
        clock: Clock,
        *,
        owner: str = "sender",
        worker: Worker | None = None,
        on_result: Callable[[], None] = lambda: None,
        metrics: Metrics | None = None,
        on_error: Callable[[str, Exception], object] | None = None,
        on_well: Callable[[str], object] = lambda _account: None,
        templates: Mapping[str, Templates] | None = None,
    ) -> None:
        self._store, self._policy, self._clock = store, policy, clock
        self._owner, self._call, self._on_result = owner, (worker or InPlace()).run, on_result
        self._on_error, self._on_well = on_error, on_well
        self._metrics, self._finishing = metrics or NoMetrics(), False
        self._writer = Writer(policy, directory, templates or {}, on_error)
        self.lines = {name: Line(name, channel, asyncio.Event()) for name, channel in channels.items()}
        self._tasks: asyncio.TaskGroup | None = None
        self._serving: dict[str, asyncio.Task[None]] = {}

    def use(
        self, policy: Policy, templates: Mapping[str, Templates], channels: Mapping[str, Channel]
    ) -> None:
        """Send by another configuration from here on; what is being sent is finished as it was begun."""
        self._policy = policy
        self._writer.use(policy, templates)
        for name in [name for name in self.lines if name not in channels]:
            self.lines.pop(name).wake.set()
        for name, channel in channels.items():
            line = self.lines.get(name)
            if line is None:
                self.lines[name] = Line(name, channel, asyncio.Event())
                if self._tasks:
                    self._begin(self._tasks, self.lines[name])
            elif line.channel is not channel:
                line.coming = channel
                line.wake.set()

    def wake(self) -> None:
        """Say that there may be something new to send."""
        for line in self.lines.values():
            line.wake.set()

    async def run(self) -> None:
        """Serve all accounts until told to finish; cancelled, what is in flight is sent again, marked."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for line in self.lines.values():
                    self._begin(self._tasks, line)
        finally:
            self._tasks = None
            self._serving.clear()

    def finish(self) -> None:
        """Send nothing more; ``run`` returns once what is being sent has been answered and written down."""
        self._finishing = True
        self.wake()

    def _begin(self, tasks: asyncio.TaskGroup, line: Line) -> None:
        before = self._serving.get(line.name)  # of an account that went and comes back: it may still send
        self._serving[line.name] = tasks.create_task(self._serve(line, before))

    async def _serve(self, line: Line, before: asyncio.Task[None] | None) -> None:
        name = line.name
        if before:
            await asyncio.wait([before])
        while not self._finishing and self.lines.get(name) is line:
            line.wake.clear()
            line.change()
            try:
                until_ms = await self.turn(name)
                self._on_well(name)
            except (StoreFull, StoreBusy) as error:
                self._metrics.count("sender_store_errors", account=name, error=type(error).__name__)
                until_ms = self._clock.now_ms() + limits.PAUSE_MS
            except Fenced:
                line.lease(False)
                until_ms = self._clock.now_ms() + limits.LEASE_MS
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(name, error)
                until_ms = self._clock.now_ms() + limits.PAUSE_MS
            if until_ms > self._clock.now_ms() and not self._finishing and not line.coming:
                await self._clock.wait(line.wake, until_ms)
        while line.unsaved:  # what was answered is written down, or it would be sent again
            try:
                await line.unsaved()
            except StoreError as error:
                self._metrics.count("sender_store_errors", account=name, error=type(error).__name__)
                await self._clock.wait(asyncio.Event(), self._clock.now_ms() + limits.PAUSE_MS)
        await let_go(line, self._store, self._call, self._owner)

    async def turn(self, name: str) -> int:
        """Send at most one message of the account; when to look again, epoch ms.

        Raises:
            StoreFull: Nothing can be recorded; what is critical was sent all the same, saying so.
            Fenced: Another sender took the account.
        """
        line, now_ms = self.lines[name], self._clock.now_ms()
        if not await self._lease(line, now_ms):
            return now_ms + limits.LEASE_MS // 2
        try:
            return await self._send_next(line, now_ms)
        except StoreFull:
            due = await self._call(self._store.due, name, now_ms, limits.DUE_MAX)
            await self._tell_urgent(line, (await self._sorted_out(line, due, now_ms))[0])
            raise

    async def _send_next(self, line: Line, now_ms: int) -> int:
        look_again_ms = now_ms + limits.LEASE_MS // 2
        if line.unsaved:
            await line.unsaved()
        open_ms = max(line.rests_until_ms(now_ms), line.window.next_ms(now_ms, urgent=True))
        if open_ms > now_ms:
            return min(open_ms, look_again_ms)
        due = await self._due(line, now_ms)
        draft = await self._draft(line, due, now_ms)
        if draft is None:
            next_ms = await self._call(self._store.next_due_ms, line.name, now_ms)
            return min(look_again_ms, next_ms or look_again_ms)
        free_ms = line.window.next_ms(now_ms, urgent=draft.urgent)
        if free_ms > now_ms:
            return min(free_ms, look_again_ms)
        await self._send(line, draft)
        return now_ms

    async def tell_unrecorded(self, told: Iterable[Transition | Intent]) -> int:
        """Send what is critical though the store cannot take it; how many alerts were accepted.

        Give it the transitions of a step, or the intents of a fold, that could not be committed. Each is
        told once by this process; when the store has room again it is told once more, marked.
        """
        waiting: dict[str, list[Ready]] = {}
        for thing in told:
            for intent in (thing,) if isinstance(thing, Intent) else first_intents(self._policy, thing):
                waiting.setdefault(intent.account, []).append(Ready(intent))
        lines = [(self.lines[name], items) for name, items in waiting.items() if name in self.lines]
        return sum(await asyncio.gather(*(self._tell_urgent(line, items) for line, items in lines)))

    async def _lease(self, line: Line, now_ms: int) -> bool:
        return await leased(line, self._store, self._call, self._owner, now_ms)

    async def _due(self, line: Line, now_ms: int) -> list[Ready]:
        """What is due and still worth sending; the rest is settled, and the desk told."""
        due = await self._call(self._store.due, line.name, now_ms, limits.DUE_MAX)
        return await self._worth_sending(line, due, now_ms)

    async def _worth_sending(self, line: Line, queued: Sequence[Queued], now_ms: int) -> list[Ready]:
        ready, expired = await self._sorted_out(line, queued, now_ms)
        for (receiver, reason), intents in expired.items():
            result = Result(now_ms, "expired", line.name, receiver, named(intents), reason)
            await self._call(self._store.settle, result, expired_traces(intents, reason, now_ms))
            self._on_result()
        return ready

    async def _sorted_out(
        self, line: Line, queued: Sequence[Queued], now_ms: int
    ) -> tuple[list[Ready], dict[tuple[str, str], list[Intent]]]:
        over = sorted({q.intent.incident for q in queued if q.intent.kind in OVER})
        siblings = await self._call(self._store.siblings, over, line.name) if over else {}
        return sort_out(queued, siblings, line.unrecorded, now_ms)

    async def _draft(self, line: Line, due: list[Ready], now_ms: int) -> Draft | None:
        if not due:
            return None
        crowded = line.window.crowded(now_ms)
        draft = compose(due, (), crowded=crowded)
        if draft and len(draft.items) > 1:
            ended = await self._call(self._store.ended, line.name, limits.DUE_MAX)
            draft = compose(due, await self._worth_sending(line, ended, now_ms), crowded=crowded)
        return draft

    async def _send(self, line: Line, draft: Draft) -> None:
        now_ms = self._clock.now_ms()  # reading may have taken long: the lease is to outlive the call
        rendered, to = self._writer.write(line, draft, now_ms)
        draft = Draft(draft.receiver, rendered.taken)
        intents = tuple(ready.intent for ready in draft.items)
        payload = line.channel.payload(rendered.message)
        delivery = Delivery(line.name, draft.receiver, intents, payload, now_ms, draft.urgent, draft.again)
        try:
            number = await self._call(self._store.begin, delivery, self._owner)
        except StoreDown:
            line.lease(False)  # it may be written: taken anew, the account is recovered
            raise
        line.window.add(now_ms, draft.urgent)
        result, fault = await line.deliver(payload)
        await self._record(line, draft, to, number, result)
        if fault:
            raise fault

    async def _record(
        self, line: Line, draft: Draft, to: Address, number: int, result: DeliveryResult
    ) -> None:
        now_ms = self._clock.now_ms()
        took_ms = told_after_ms(result, draft, now_ms)
        self._metrics.delivered(number, line.name, result.kind, len(draft.items), took_ms)
        line.rest(result, number, now_ms)
        state, requeue = state_of(result, draft)
        intents = [ready.intent for ready in draft.items]
        outcome = Result(now_ms, state, line.name, draft.receiver, named(intents), result.detail, number)

        async def save() -> None:
            await self._call(
                self._store.finish,
                number,
                state,
                outcome,
                requeue=requeue,
                code=result.provider_code,
                provider_id=result.provider_id,
                detail=result.detail[: limits.DETAIL_CHARS],
                bad=result.kind == "bad_request",
                traces=traces_of(line.name, draft, to.said, number, state, result, now_ms),
            )
            line.unrecorded.difference_update(intent.id for intent in intents)
            if result.kind == "rate_limited":
                await self._call(self._store.close_account, line.name, line.rest_until_ms)
            await self._tell_health(line, result, now_ms)
            line.unsaved = None
            self._on_result()

        line.unsaved = save  # until it is written, the account sends nothing more
        await save()

    async def _tell_health(self, line: Line, result: DeliveryResult, now_ms: int) -> None:
        """An account that is broken for good is an alert, told over another; so is its recovery."""
        broken = result.kind in ("bad_credential", "bad_request", "no_recipient")
        if (broken and line.well is not False) or (result.accepted and not line.well):
            health = Health(now_ms, line.name, not broken, result.detail)
            await self._call(self._store.add_input, health)
            line.well = not broken

    async def _tell_urgent(self, line: Line, items: Sequence[Ready]) -> int:
        return await tell_urgent(line, items, self._writer, self._clock, self._metrics, self._on_error)
