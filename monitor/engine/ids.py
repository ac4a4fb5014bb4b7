"""Which event ids were seen: the first arrival counts, a repeat changes nothing."""

from __future__ import annotations

from collections import deque
from typing import Final

import xxhash

from monitor.engine import limits

# What an id's earlier arrivals say about it.
NEW: Final = 0
DUPLICATE: Final = 1
REUSED: Final = 2


class Ids:
    """64-bit hashes of ids with a hash of their content, for twice the lateness after arrival.

    Two things in one shop with the same 64-bit hash within that time would be taken for one; at the
    limit of 8 M ids the chance that any two collide is below 2 in a million.
    """

    __slots__ = ("_content", "_horizon_ms", "_order")

    def __init__(self, lateness_ms: int = limits.LATENESS_MS) -> None:
        self._horizon_ms = 2 * lateness_ms
        self._content: dict[int, int] = {}
        self._order: deque[tuple[int, list[int]]] = deque()

    def __len__(self) -> int:
        return len(self._content)

    def check(self, shop_key: str, event_id: str, content: int, arrival_ms: int) -> int:
        """Say whether ``event_id`` of the shop is ``NEW``, a ``DUPLICATE`` or ``REUSED``; remember a new one.

        Args:
            shop_key: ``platform:shop_id``.
            event_id: As sent.
            content: The event's ``content_of``.
            arrival_ms: The record's arrival; never less than at the call before.
        """
        order = self._order
        if not order or order[-1][0] != arrival_ms:
            if order and (order[0][0] < arrival_ms - self._horizon_ms or len(self._content) > limits.IDS_MAX):
                self._forget(arrival_ms)
            order.append((arrival_ms, []))
        key = xxhash.xxh3_64_intdigest(f"{shop_key}\0{event_id}".encode())
        known = self._content.get(key)
        if known is not None:
            return DUPLICATE if known == content else REUSED
        self._content[key] = content
        order[-1][1].append(key)
        return NEW

    def _forget(self, now_ms: int) -> None:
        order, content = self._order, self._content
        oldest_ms = now_ms - self._horizon_ms
        while order and (order[0][0] < oldest_ms or len(content) > limits.IDS_MAX):
            for key in order.popleft()[1]:
                del content[key]
