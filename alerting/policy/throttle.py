"""How many messages an account may still send, as its provider counts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting import limits

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most ``messages`` in any ``window_ms``, ``reserve`` of them for critical alerts only.

    A WeCom bot takes 20 in any minute and then refuses for a minute; 18 in 61 s leaves room for clocks
    that differ. ``closed_ms`` is how long the account is left alone once it answered "too often".
    """

    messages: int = 18
    window_ms: int = 61_000
    reserve: int = 6
    closed_ms: int = limits.CLOSED_MS

    @property
    def burst(self) -> int:
        """Messages that may leave without a distance between them.

        After them one leaves every ``limits.COLLECT_MS``: 3 at once and 61 s / 4 s = 15 later ones are the
        18 of a bot. So the window is never full, and a critical alert finds a place within 4 s.
        """
        return max(1, self.messages - self.window_ms // limits.COLLECT_MS)


@dataclass(slots=True)
class Window:
    """A sliding log of one account's attempts; a refused one counts, since the provider may count it."""

    allowance: Allowance
    sent: list[tuple[int, bool]] = field(default_factory=list)  # (at_ms, was it critical), oldest first

    def restore(self, sent: Iterable[tuple[int, bool]]) -> None:
        """Start from the attempts that the store remembers."""
        self.sent = list(sent)

    def add(self, at_ms: int, urgent: bool) -> None:
        """Count an attempt."""
        self._forget(at_ms)
        self.sent.append((at_ms, urgent))

    def free(self, now_ms: int, *, urgent: bool) -> int:
        """How many messages may leave now; a warning never uses what is kept for critical ones."""
        self._forget(now_ms)
        left = self.allowance.messages - len(self.sent)
        if urgent:
            return max(0, left)
        warnings = sum(not was_urgent for _, was_urgent in self.sent)
        return max(0, min(left, self.allowance.messages - self.allowance.reserve - warnings))

    def crowded(self, now_ms: int) -> bool:
        """Whether messages keep their distance, and each collects what is due."""
        self._forget(now_ms)
        return len(self.sent) >= self.allowance.burst

    def next_ms(self, now_ms: int, *, urgent: bool) -> int:
        """When the next message may leave."""
        start_ms = now_ms
        if self.crowded(now_ms):
            start_ms = max(now_ms, self.sent[-1][0] + limits.COLLECT_MS)
        if self.free(now_ms, urgent=urgent):
            return start_ms
        full = len(self.sent) >= self.allowance.messages
        oldest = next((at for at, was_urgent in self.sent if full or not was_urgent), now_ms)
        return max(start_ms, oldest + self.allowance.window_ms)

    def _forget(self, now_ms: int) -> None:
        horizon_ms = now_ms - self.allowance.window_ms
        kept = next((i for i, (at_ms, _) in enumerate(self.sent) if at_ms > horizon_ms), len(self.sent))
        del self.sent[:kept]
        if self.sent and self.sent[-1][0] > now_ms:  # the clock was set back: they count from now
            self.sent = [(min(at_ms, now_ms), urgent) for at_ms, urgent in self.sent]
