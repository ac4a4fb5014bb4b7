"""The links of messages, signed with a key that lies in the store, so that all processes on it share it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from alerting.links import KEY_BYTES, Links

if TYPE_CHECKING:
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ActStore


async def links_of(store: ActStore, thread: StoreThread, public_url: str) -> Links:
    """The links of a store; its key is made when it is asked for first."""
    key = await thread.run(store.secret, "links", secrets.token_bytes(KEY_BYTES))
    return Links(key, public_url)
