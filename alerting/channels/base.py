"""What a channel is, and what may become of a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from alerting.policy.throttle import Allowance

Kind = Literal[
    "ok",
    "partial",
    "rate_limited",
    "bad_credential",
    "bad_request",
    "no_recipient",
    "transient",
    "ambiguous",
    "duplicate",
]
Markup = Literal["markdown", "text"]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of one message.

    ``transient`` was certainly not delivered, ``ambiguous`` perhaps. ``detail`` is for people and carries
    no key, token, phone number or address.
    """

    kind: Kind
    provider_code: str = ""
    provider_id: str = ""
    retry_after_ms: int | None = None
    detail: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the provider has taken it."""
        return self.kind in ("ok", "partial", "duplicate")


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message: text in the channel's markup, whom to mention, and the same as data."""

    key: str  # the same for a repeat of the same alerts, so that a receiver can tell
    body: str
    mentions: tuple[str, ...] = ()  # as the channel knows them
    alerts: tuple[dict[str, Any], ...] = ()  # customers masked
    again: bool = False
    language: str = "zh"  # of the words a channel adds
    to: tuple[str, ...] = ()  # whom it is for, as the channel knows them; nobody named: all of its account


class Channel(Protocol):
    """One way to one account."""

    allowance: Allowance
    limit_bytes: int  # of a message's body, UTF-8
    markup: Markup

    def payload(self, message: Message) -> bytes:
        """What will be sent, byte for byte; stored before it is."""

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Send a payload once. Never raises for what the provider or the way to it does."""


@runtime_checkable
class Connected(Protocol):
    """A channel over a connection that stands: an account has one, kept by who holds its lease."""

    on_tap: Callable[[str, str], Awaitable[str]] | None  # who tapped which button; the button's new name

    def hold(self, ours: bool) -> None:
        """Keep the connection, or let go of it."""
