"""Prove that a receiver can be reached: one real message on each account, judged by the answer's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

from alerting.channels.base import Message
from alerting.messages.texts import clock, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.channels.base import Channel, DeliveryResult
    from alerting.policy.rulings import Receiver
    from alerting.ports import Clock


async def prove(receiver: Receiver, channels: Mapping[str, Channel], now: Clock) -> dict[str, DeliveryResult]:
    """Send a test message on every account of ``receiver``; what each provider answered, by account."""
    found: dict[str, DeliveryResult] = {}
    for name in receiver.accounts:
        at_ms = now.now_ms()
        at = clock(at_ms, "Asia/Shanghai", seconds=True)
        body = say(receiver.language, "prove", receiver=receiver.name, account=name, clock=at)
        key = xxhash.xxh3_64_hexdigest(f"prove {name} {at_ms}".encode())
        channel = channels[name]
        found[name] = await channel.deliver(channel.payload(Message(key, body)))
    return found
