"""kill -9 at random moments under ingest: nothing accepted is lost or counted twice, every alert is told."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable

import pytest

from alerting.fakes.http import Fault
from tests.runtime.beside import Beside
from tests.runtime.live import Live
from tests.servers.wecom import Wecom
from tests.waiting import PATIENCE_S, eventually, pass_real_time

KILLS = int(os.environ.get("TEST_KILLS", "6"))
SHOPS = 2 + KILLS  # one more opens before each kill, so that there is something to tell all the time
ANSWER_S = 0.3  # the channel takes so long to answer, so that some kills meet a message in flight
BATCH = 25
MARK = "可能重复"


def batch_of(first: int, shops: int) -> list[dict[str, object]]:
    """The batch that begins with event ``first``: every message another customer's, shop by shop."""
    return [
        {
            "type": "message",
            "id": str(n),
            "at": time.time_ns() // 1_000_000,
            "platform": "mall",
            "shop_id": f"s{n % shops}",
            "conversation_id": f"c{n}",
            "customer_id": f"u{n}",
            "actor": "customer",
        }
        for n in range(first, first + BATCH)
    ]


class Sender(Beside):
    """Sends each batch until it is answered 202, across all kills; counts what was accepted."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live, self.shops = live, 1  # so many are open
        self.sent: Counter[str] = Counter()  # events accepted of each shop
        self.enough = threading.Event()

    def finish(self):
        """Let the batch that is being sent be the last, and wait until it is accepted."""
        self.enough.set()
        self.join(PATIENCE_S)
        assert not self.is_alive(), "the last batch was not accepted"

    def run(self):
        for first in itertools.count(0, BATCH):
            batch = batch_of(first, self.shops)
            while not self._send(batch):
                if self.over.is_set():
                    return
                pass_real_time(0.02)
            self.sent.update(event["shop_id"] for event in batch)
            if self.enough.is_set() or self.over.is_set():
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
        return True


def counted(live: Live) -> dict[str, int]:
    shops = live.get("/api/v1/shops?limit=1000")["shops"]
    return {shop["shop_id"]: max(line["asked"] for line in shop["lines"]) for shop in shops}


@pytest.mark.live
@pytest.mark.slow
def test_killed_at_random_under_ingest_every_event_counts_once_and_every_alert_is_told(tmp_path):
    chance = random.Random(os.environ.get("TEST_SEED", "kill"))
    with Wecom() as wecom, Live(tmp_path, wecom.url) as live:
        live.start()
        wecom.fake.suffer(*[Fault("slow", ANSWER_S)] * 20 * (1 + KILLS))
        with Sender(live) as sender:
            for _ in range(KILLS):
                sender.shops += 1
                pass_real_time(chance.random() * 1.5)
                live.kill()
                live.start()
            sender.shops += 1
            eventually(lambda: len(sender.sent) == SHOPS, what="events accepted of every shop")
            sender.finish()
        eventually(lambda: counted(live) == sender.sent, what="every event counted once")
        eventually(lambda: all(told(wecom.fake.texts())), what="every shop's alert in the group's inbox")
        assert live.stop() == 0
        texts = wecom.fake.texts()
        repeats = [text for text in texts if MARK in text]
        # Who was killed before its message left sends it marked all the same: it cannot know.
        unmarked = told(text for text in texts if MARK not in text)
        assert max(unmarked) <= 1, "what is told twice says so"
        assert len(repeats) <= KILLS, "at most the one in flight is repeated"
        assert max(told(texts)) <= 1 + KILLS
        assert wecom.fake.refused == []
        print(f"{KILLS} kills, {sender.sent.total()} events, {len(texts)} messages, {len(repeats)} marked")


def told(texts: Iterable[str]) -> list[int]:
    """How many of the texts tell of each shop."""
    texts = list(texts)
    return [sum(tells_of(text, shop) for text in texts) for shop in range(SHOPS)]


def tells_of(text: str, shop: int) -> bool:
    """Whether a message names the shop (``mall:s1``, and not ``mall:s11``)."""
    name = f"mall:s{shop}"
    return any(not text[at + len(name) : at + len(name) + 1].isdigit() for at in places(text, name))


def places(text: str, part: str):
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
