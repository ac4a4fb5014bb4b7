"""kill -9 at random moments under ingest: nothing accepted is lost or counted twice, every alert is told."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import threading
import time

import pytest
from live import Live
from waiting import eventually, pass_real_time

from alerting.fakes.wecom import FakeWecom

KILLS = int(os.environ.get("TEST_KILLS", "10"))
SHOPS = 12
BATCH = 25


class Wecom:
    """The fake group in a thread of its own, so that it outlives every daemon."""

    def __init__(self) -> None:
        self.fake = FakeWecom(lambda: time.time_ns() // 1_000_000)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self.url = self._do(self.fake.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self.fake.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)


def batches():
    """Batches without end: every message another customer's, shop by shop."""
    for first in itertools.count(0, BATCH):
        yield [
            {
                "type": "message",
                "id": str(n),
                "at": time.time_ns() // 1_000_000,
                "platform": "mall",
                "shop_id": f"s{n % SHOPS}",
                "conversation_id": f"c{n}",
                "customer_id": f"u{n}",
                "actor": "customer",
            }
            for n in range(first, first + BATCH)
        ]


class Sender(threading.Thread):
    """Sends each batch until it is answered 202, across all kills; remembers what was accepted when."""

    def __init__(self, live: Live) -> None:
        super().__init__(daemon=True)
        self.live, self.accepted, self.sent = live, 0, 0
        self.done = threading.Event()

    def run(self):
        for batch in batches():
            while not self._send(batch):
                pass_real_time(0.02)
            self.sent += len(batch)
            if self.done.is_set():
                return

    def _send(self, batch) -> bool:
        try:
            status, answer = self.live.post(batch)
        except OSError:
            return False
        if status != 202:
            return False
        assert answer["rejected"] == [], answer
        assert answer["accepted"] + answer["duplicates"] == len(batch)
        self.accepted += answer["accepted"]
        return True


def counted(live: Live) -> dict[str, int]:
    shops = live.get("/api/v1/shops?limit=1000")["shops"]
    return {shop["shop_id"]: max(line["asked"] for line in shop["lines"]) for shop in shops}


@pytest.mark.live
@pytest.mark.slow
def test_killed_at_random_under_ingest_every_event_counts_once_and_every_alert_is_told(tmp_path):
    chance = random.Random(os.environ.get("TEST_SEED", "kill"))
    with Wecom() as wecom:
        live = Live(tmp_path, wecom.url)
        live.start()
        sender = Sender(live)
        sender.start()
        for _ in range(KILLS):
            pass_real_time(chance.random() * 1.5)
            live.kill()
            live.start()
        pass_real_time(0.5)
        sender.done.set()
        sender.join(30)
        expected = {f"s{shop}": len(range(shop, sender.sent, SHOPS)) for shop in range(SHOPS)}
        eventually(lambda: counted(live) == expected, 30, "every event counted once")

        def named():
            return {f"s{n}" for n in range(SHOPS) if any(tells_of(text, n) for text in wecom.fake.texts())}

        eventually(lambda: len(named()) == SHOPS, 90, "every shop's alert in the group's inbox")
        fires = [sum(tells_of(text, n) for text in wecom.fake.texts()) for n in range(SHOPS)]
        unmarked = [
            sum(tells_of(text, n) and "可能重复" not in text for text in wecom.fake.texts())
            for n in range(SHOPS)
        ]
        assert max(fires) <= 1 + KILLS
        assert unmarked == [1] * SHOPS, "what is told twice says so"
        assert wecom.fake.refused == []
        assert live.stop() == 0


def tells_of(text: str, shop: int) -> bool:
    """Whether a message names the shop (``mall:s1``, and not ``mall:s11``)."""
    name = f"mall:s{shop}"
    return any(not text[at + len(name) : at + len(name) + 1].isdigit() for at in places(text, name))


def places(text: str, part: str):
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
