"""What every fake provider has: a server, a clock, an inbox, and limits that it enforces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.fakes.http import Answer, FakeServer, Fault, Request

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Received:
    """A message as those it was sent to see it."""

    at_ms: int
    key: str  # of the bot, or who it was sent to
    kind: str
    text: str
    mentioned: tuple[str, ...] = ()


@dataclass(slots=True)
class Quota:
    """At most ``messages`` of one key in any ``window_ms``; the next one closes it for ``closed_ms``."""

    messages: int
    window_ms: int
    closed_ms: int = 0
    _accepted_ms: dict[str, list[int]] = field(default_factory=dict)
    _closed_until_ms: dict[str, int] = field(default_factory=dict)

    def full(self, key: str, now_ms: int) -> bool:
        """Whether a message of ``key`` is one too many."""
        if now_ms < self._closed_until_ms.get(key, 0):
            return True
        recent = [at_ms for at_ms in self._accepted_ms.get(key, ()) if at_ms > now_ms - self.window_ms]
        self._accepted_ms[key] = recent
        if len(recent) >= self.messages:
            self._closed_until_ms[key] = now_ms + self.closed_ms
            return True
        return False

    def take(self, key: str, now_ms: int) -> None:
        """Count a message."""
        self._accepted_ms.setdefault(key, []).append(now_ms)


class Provider(ABC):
    """A provider on 127.0.0.1; a subclass answers requests in ``handle``.

    ``inbox`` is what people see; ``refused`` what was answered with an error: when, key, code.
    ``on_message`` is called with each message that arrives.
    """

    def __init__(
        self, now_ms: Callable[[], int], on_message: Callable[[Received], object] = lambda _: None
    ) -> None:
        self.now_ms, self.on_message = now_ms, on_message
        self.inbox: list[Received] = []
        self.refused: list[tuple[int, str, int | str]] = []
        self.server = FakeServer(self.handle)

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Answer one request."""

    async def start(self) -> str:
        """Listen on 127.0.0.1; the base URL."""
        await self.server.start()
        return self.server.url

    async def close(self) -> None:
        """Stop; connections are refused until the next ``start``."""
        await self.server.close()

    def suffer(self, *faults: Fault) -> None:
        """Let the next requests meet these faults, one each."""
        self.server.faults.extend(faults)

    def texts(self) -> list[str]:
        """What people have read."""
        return [received.text for received in self.inbox]

    def receive(self, key: str, kind: str, text: str, mentioned: tuple[str, ...] = ()) -> None:
        """Put a message into the inbox."""
        received = Received(self.now_ms(), key, kind, text, mentioned)
        self.inbox.append(received)
        self.on_message(received)
