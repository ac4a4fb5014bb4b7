"""One account as the sender sees it: its channel, its window, and when it may be tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import xxhash

from alerting import limits
from alerting.channels.base import Connected, DeliveryResult
from alerting.policy.throttle import Window

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from alerting.channels.base import Channel


@dataclass(slots=True)
class Line:
    """The state of one account in one process; what must outlive it is in the store."""

    name: str
    channel: Channel
    wake: asyncio.Event
    window: Window = field(init=False)
    held: bool = False  # the lease is ours and what the store remembers has been read
    renew_ms: int = 0  # when to renew the lease
    unsaved: Callable[[], Awaitable[None]] | None = None  # a result that could not be written yet
    rest_until_ms: int = 0  # closed by the provider, or resting after failures
    rested_ms: int = 0  # when it was looked at last whether it rests
    failures: int = 0  # transient ones, one after the other
    well: bool | None = None  # None: not known since the start
    unrecorded: set[str] = field(default_factory=set)  # intents told while the store was full
    coming: Channel | None = None  # in place of the channel, from the next turn on

    def __post_init__(self) -> None:
        self.window = Window(self.channel.allowance)

    def change(self) -> None:
        """Take the channel that was configured in place of this one; what left before still counts."""
        if self.coming is None:
            return
        if isinstance(self.channel, Connected):
            self.channel.hold(False)
        self.channel, self.coming = self.coming, None
        sent, self.window = self.window.sent, Window(self.channel.allowance)
        self.window.restore(sent)
        self.rest_until_ms = self.failures = 0
        if isinstance(self.channel, Connected):
            self.channel.hold(self.held)

    def lease(self, ours: bool, renew_ms: int = 0) -> None:
        """Note whether the account is ours, and until when; only then does its connection stand."""
        self.held, self.renew_ms = ours, renew_ms
        if isinstance(self.channel, Connected):
            self.channel.hold(ours)

    async def deliver(self, payload: bytes) -> tuple[DeliveryResult, Exception | None]:
        """Send once. What a channel raises, which it should not, is given back: the message may have left."""
        try:
            return await self.channel.deliver(payload), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery has an end
            detail = f"fault of the channel ({type(error).__name__})"
            return DeliveryResult("ambiguous", detail=detail), error

    def rests_until_ms(self, now_ms: int) -> int:
        """When it may be tried again: so much later as was left of it, where the clock was set back."""
        self.rest_until_ms -= max(0, self.rested_ms - now_ms)
        self.rested_ms = now_ms
        return self.rest_until_ms

    def rest(self, result: DeliveryResult, delivery: int, now_ms: int) -> None:
        """Take in what an answer says about the account itself."""
        self.rested_ms = now_ms
        if result.accepted:
            self.failures, self.rest_until_ms = 0, 0
        elif result.kind == "rate_limited":
            closed_ms = result.retry_after_ms or self.channel.allowance.closed_ms
            self.rest_until_ms = now_ms + closed_ms
        elif result.kind == "bad_credential":
            self.rest_until_ms = now_ms + limits.STOPPED_MS
        elif result.kind in ("transient", "ambiguous"):
            self.failures += 1
            self.rest_until_ms = now_ms + backoff_ms(self.failures, delivery)


def backoff_ms(failures: int, delivery: int) -> int:
    """1, 2, 4 … 60 s, up to a quarter less by the delivery's number: accounts do not march in step."""
    full_ms = min(1_000 << min(failures - 1, 16), limits.BACKOFF_MS_MAX)
    part = xxhash.xxh3_64_intdigest(delivery.to_bytes(8, "big")) % 1_000
    return full_ms - full_ms * part // 4_000
