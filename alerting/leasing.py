"""An account is one sender's at a time: taken for a while, renewed, and let go of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from alerting import limits
from alerting.errors import StoreError, StoreFull
from alerting.replay import replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alerting.line import Line
    from alerting.ports import SenderStore

    Call = Callable[..., Awaitable[Any]]


async def leased(line: Line, store: SenderStore, call: Call, owner: str, now_ms: int) -> bool:
    """Whether the account is ours, taken or renewed where it is time for it.

    Taken anew, it begins with what the store remembers of it.
    """
    if line.held and 0 < line.renew_ms - now_ms <= limits.LEASE_MS // 2:  # more: the clock was set back
        return True
    try:
        ours: bool = await call(store.lease, line.name, owner, now_ms, now_ms + limits.LEASE_MS)
    except StoreFull:
        if not line.held:
            raise
        return True  # nobody else can take it either, and what is critical must leave
    if ours and not line.held:
        await replay(line, store, call, now_ms)
        await call(store.recover, line.name, now_ms)
        since_ms = now_ms - line.channel.allowance.window_ms
        known = await call(store.account, line.name, since_ms)
        line.window.restore(known.sent)
        line.rest_until_ms = known.closed_until_ms
    line.lease(ours, now_ms + limits.LEASE_MS // 2)
    return ours


async def let_go(line: Line, store: SenderStore, call: Call, owner: str) -> None:
    """Let another sender have the account; where that cannot be written, it waits for the lease to end."""
    if line.held:
        with suppress(StoreError):
            await call(store.lease, line.name, owner, 0, 0)
    line.lease(False)
