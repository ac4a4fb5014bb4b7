"""The terminal the daemon runs in: for trying out, and for the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.channels.base import DeliveryResult, Markup, Message
from alerting.policy.throttle import Allowance

if TYPE_CHECKING:
    from collections.abc import Callable


class Console:
    """Writes each message through a function such as ``print``."""

    limit_bytes = limits.CONSOLE_BYTES
    markup: Markup = "text"
    allowance = Allowance(messages=600, reserve=100)

    def __init__(self, write: Callable[[str], object]) -> None:
        """``write`` takes a message with its line ends."""
        self._write = write

    def payload(self, message: Message) -> bytes:
        """The text."""
        return f"{message.body}\n".encode()

    async def deliver(self, payload: bytes) -> DeliveryResult:
        """Write it; a terminal that is gone is worth trying again."""
        try:
            self._write(payload.decode())
        except OSError as error:
            return DeliveryResult("transient", detail=f"not written ({type(error).__name__})")
        return DeliveryResult("ok")
