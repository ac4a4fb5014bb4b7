"""Conversations that all wait at once: when each is asked, answered and late is a formula of its number."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from benchmarks.daemon import post

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from benchmarks.daemon import Daemon

LIMIT_MS, LEAD_MS = 180_000, 30_000  # the limit of the pack's line; told so long before it
LIMITS_MS = (30_000, LIMIT_MS, 300_000)  # of the pack's reply rates: a list shows the next that is to come
IN_TIME_MS, TOO_LATE_MS = 90_000, 190_000  # every third is answered in time, the others after their limit
PROBE_EVERY_MS, PROBES = (
    500,
    1_200,
)  # shops of one conversation each, whose telling is followed to the channel
SHOPS = 1_000
BATCH = 1_000


class Rounds:
    """``waiting`` of them at any time, as if it had been so for ever.

    Number *n* asks at ``first_ms + n * 1000 / rate``; a third waits 90 s and the others until their limit.
    """

    def __init__(self, waiting: int, now_ms: int) -> None:
        self.rate = round(1.02 * waiting * 1000 / (IN_TIME_MS / 3 + LIMIT_MS * 2 / 3))
        self.first_ms = now_ms - TOO_LATE_MS
        self.sent_ms = 0  # all before it is at the daemon

    def ask_ms(self, n: int) -> int:
        """When it asks."""
        return self.first_ms + n * 1000 // self.rate

    def deadline_off_ms(self, n: int, at_ms: int) -> int:
        """How far a deadline that is shown lies from the nearest that it can be."""
        return min(abs(at_ms - self.ask_ms(n) - limit_ms) for limit_ms in LIMITS_MS)

    def answered_ms(self, n: int) -> int:
        """When it is answered."""
        return self.ask_ms(n) + (IN_TIME_MS if n % 3 == 0 else TOO_LATE_MS)

    def due_ms(self, n: int) -> int:
        """The first whole second at which a rule on its last 30 s must see it; 0: it is answered before."""
        return 0 if n % 3 == 0 else whole_second(self.ask_ms(n) + LIMIT_MS - LEAD_MS)

    def counting(self, at_ms: int) -> int:
        """How many count down to the line's limit at a moment."""
        asked = range(self.asked_before(at_ms - LIMIT_MS), self.asked_before(at_ms))
        return sum(at_ms <= self.answered_ms(n) for n in asked)

    def asked_before(self, at_ms: int) -> int:
        """The first that asks at a moment or later."""
        return max(0, -((self.first_ms - at_ms) * self.rate // 1000))

    def send(self, daemon: Daemon, stop: threading.Event) -> None:
        """Send all that is due, in the order of its time, until told to stop."""
        connection, events, body = daemon.connect(), self._events(), []
        at_ms, line = next(events)
        while not stop.is_set():
            now_ms = time.time_ns() // 1_000_000
            while at_ms <= now_ms and len(body) < BATCH:
                body.append(line)
                at_ms, line = next(events)
            if body:
                status, answer = post(connection, "/api/v1/events", "\n".join(body).encode())
                assert (status, answer["accepted"]) == (202, len(body)), answer
                body.clear()
            if at_ms > now_ms:
                self.sent_ms = now_ms
                time.sleep(0.05)

    def _events(self) -> Iterator[tuple[int, str]]:
        """When it is due, and each event."""
        step = probe = 0
        while True:
            at_ms = self.ask_ms(step)
            for after_ms, in_time in ((0, None), (IN_TIME_MS, True), (TOO_LATE_MS, False)):
                n = step - after_ms * self.rate // 1000
                if n >= 0 and in_time in (None, n % 3 == 0):
                    yield at_ms, event(f"c{n}", f"s{n % SHOPS}", self.ask_ms(n) + after_ms, after_ms)
            while self.probe_ms(probe) <= at_ms:
                yield at_ms, event(f"p{probe}", f"probe{probe}", self.probe_ms(probe), 0)
                probe += 1
            step += 1

    def probe_ms(self, n: int) -> int:
        """When a probe asks: at every moment of a second alike."""
        return self.first_ms + n * PROBE_EVERY_MS + n * 37 % PROBE_EVERY_MS


def whole_second(at_ms: int) -> int:
    """The first whole second at or after a moment."""
    return -(-at_ms // 1000) * 1000


def event(conversation: str, shop: str, at_ms: int, after_ms: int) -> str:
    """A question, or the answer to it some time after."""
    return json.dumps(
        {
            "type": "message",
            "id": f"{conversation}-{after_ms}",
            "at": at_ms,
            "platform": "pinduoduo",
            "shop_id": shop,
            "conversation_id": conversation,
            "customer_id": f"u{conversation}",
            "actor": "agent" if after_ms else "customer",
            "agent_id": "a1" if after_ms else "",
        }
    )
