"""Traffic of a cluster: an hour that lies in the topic as if workers had ticked it."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.traffic import FROM_MS, written
from monitor.runtime.cluster.tick import Tick, tick_of
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, PROFILE, Hours, make_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BATCH_BYTES = 256 << 10
TURN_S = 0.05  # events that come now are sent so often
LINE = (
    '{"type":"message","id":"%s-%d","at":%d,"platform":"pinduoduo","shop_id":"%s","conversation_id":"%s-c%d",'
    '"customer_id":"%s-u%d","actor":%s,"kind":"text","text":"在吗，什么时候发货","source":"erp"}'
)
EVENTS_A_CONVERSATION = 10.5  # with the orders beside it
TEN_MS = FROM_MS + 19 * HOUR_MS  # the hour that is simulated: the evening's, without its promo
Sent = tuple[int, str, bytes]  # arrival in epoch ms, key, value


def an_hour(events: int, shops: int, until_ms: int) -> Iterator[Sent]:
    """So many events of shops that are equally busy, over the hour until ``until_ms``, as they arrive.

    Nothing is out of order in this world, but for what is always: some events twice, some late.
    """
    share = sum(PROFILE[38:40]) / sum(PROFILE)  # of the day, from 19:00 to 20:00
    conversations = int(events / EVENTS_A_CONVERSATION / shops / share * 1.25) + 1
    world = make_world(
        shops, 1, TEN_MS, TEN_MS + HOUR_MS, conversations=conversations, platforms=("pinduoduo",)
    )
    even = tuple(replace(shop, weight=1.0) for shop in world.shops)
    world = replace(world, shops=even, dead=Hours(), short_handed_shop="")
    later_ms = until_ms - TEN_MS - HOUR_MS
    made = 0
    for arrival_ms, event in Simulation(world):
        if event.type == "heartbeat":
            continue
        if made == events:
            return
        made += 1
        fields = msgspec.to_builtins(event)
        fields["at"] = written(fields["at"] + later_ms)
        if event.type == "message":
            fields["text"] = "亲，现货的哦，今天下午四点前拍下当天发出，默认发中通，一般两到三天就能收到呢"
        yield arrival_ms + later_ms, f"pinduoduo:{event.shop_id}", msgspec.json.encode(fields)
    raise AssertionError(f"the hour has {made} events only")


async def put(brokers: str, topic: str, partitions: int, sent: Iterable[Sent]) -> int:
    """Write events at their times, and a tick each second into each partition; how many records."""
    places, found = list(range(partitions)), dict[str, int]()
    producer = AIOKafkaProducer(bootstrap_servers=brokers, max_batch_size=BATCH_BYTES, acks="all")
    await producer.start()
    batches = [producer.create_batch() for _ in places]
    second, records, heard = 0, 0, dict[str, int]()
    under_way: list[asyncio.Future] = []

    async def append(place: int, at_ms: int, key: bytes | None, value: bytes, headers: list) -> None:
        nonlocal records
        if batches[place].append(timestamp=at_ms, key=key, value=value, headers=headers) is None:
            under_way.append(await producer.send_batch(batches[place], topic, partition=place))
            batches[place] = producer.create_batch()
            assert batches[place].append(timestamp=at_ms, key=key, value=value, headers=headers)
        records += 1

    for at_ms, key, value in sent:
        while second <= at_ms // 1_000:
            second = second + 1 if second else at_ms // 1_000
            heard = {f"erp-{n}": second * 1_000 for n in range(1, 5)}
            tick, headers = tick_of(Tick("before", 0, heard))
            for place in places:
                await append(place, second * 1_000, None, tick, headers)
        place = found.get(key)
        if place is None:
            place = found[key] = place_of(key, places)
        await append(place, at_ms, key.encode(), value, [])
    under_way += [await producer.send_batch(batches[place], topic, partition=place) for place in places]
    await asyncio.gather(*under_way)
    await producer.stop()
    return records


class Live(threading.Thread):
    """Questions and their answers at a steady rate, from now until it is told to stop.

    Args:
        brokers, topic, partitions: Where they go.
        rate: Events a second.
        shops: Ids of the shops that are asked in turn.
        name: What its ids begin with: those of two must differ.
        answered_after_s: How long a question waits.
        missed_every: Each so-manieth is not answered at all; 0: all are.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        partitions: int,
        rate: int,
        shops: Sequence[str],
        name: str = "live",
        answered_after_s: float = 0.0,
        missed_every: int = 0,
    ) -> None:
        super().__init__(daemon=True)
        self._brokers, self._topic, self._rate = brokers, topic, rate
        self._places, self._place_of = list(range(partitions)), dict[str, int]()
        self._shops, self._name, self._missed_every = shops, name, missed_every
        self._wait = int(answered_after_s * rate / 2)  # so many questions later it is answered
        self._probes: queue.SimpleQueue[tuple[str, list[bytes]]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self.sent = 0
        self.round = 2 * len(shops)  # so many events, and each shop had a question and its answer
        self.behind_s = 0.0  # the most it was ever behind its rate

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join(60)
        assert not self.is_alive()

    def probe(self, shop: str, values: list[bytes]) -> None:
        """Send events of one shop beside the others, at the next turn."""
        self._probes.put((shop, values))

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._brokers, max_batch_size=BATCH_BYTES, acks="all")
        await producer.start()
        began_s, under_way = time.monotonic(), deque[asyncio.Future]()
        while not self._stopped.is_set():
            ahead_s = self.sent / self._rate - (time.monotonic() - began_s)
            self.behind_s = max(self.behind_s, -ahead_s - TURN_S)
            await asyncio.sleep(max(0.0, ahead_s))
            batches = {place: producer.create_batch() for place in self._places}
            for shop, value in self._due():
                place = self._place(shop)
                assert batches[place].append(timestamp=None, key=f"pinduoduo:{shop}".encode(), value=value)
            for place, batch in batches.items():
                if batch.record_count():
                    under_way.append(await producer.send_batch(batch, self._topic, partition=place))
            while under_way and under_way[0].done():
                under_way.popleft().result()
        await asyncio.gather(*under_way)
        await producer.stop()

    def _due(self) -> Iterator[tuple[str, bytes]]:
        """What is to be sent in this turn."""
        while not self._probes.empty():
            shop, values = self._probes.get()
            yield from ((shop, value) for value in values)
        now_ms, end = time.time_ns() // 1_000_000, self.sent + max(2, int(self._rate * TURN_S) // 2 * 2)
        for n in range(self.sent, end):
            asks = n % 2 == 0
            number, who = (n // 2, '"customer"') if asks else (n // 2 - self._wait, '"agent","agent_id":"a1"')
            if number < 0 or (not asks and self._missed_every and number % self._missed_every == 0):
                continue
            shop, name = self._shops[number % len(self._shops)], self._name
            yield shop, (LINE % (name, n, now_ms + n % 2, shop, name, number, name, number, who)).encode()
        self.sent = end

    def _place(self, shop: str) -> int:
        place = self._place_of.get(shop)
        if place is None:
            place = place_of(f"pinduoduo:{shop}", self._places)
            self._place_of[shop] = place
        return place


def place_of(key: str, places: list[int]) -> int:
    """The partition of a shop, as every client of Kafka finds it."""
    found: int = DefaultPartitioner()(key.encode(), places, places)
    return found
