"""Traffic of a cluster: an hour that lies in the topic as if workers had ticked it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.traffic import FROM_MS, written
from monitor.runtime.cluster.records import Tick, tick_of
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, PROFILE, Hours, make_world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BATCH_BYTES = 256 << 10
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
    partitioner, places = DefaultPartitioner(), list(range(partitions))
    place_of: dict[str, int] = {}
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
        place = place_of.get(key)
        if place is None:
            place = place_of[key] = partitioner(key.encode(), places, places)
        await append(place, at_ms, key.encode(), value, [])
    under_way += [await producer.send_batch(batches[place], topic, partition=place) for place in places]
    await asyncio.gather(*under_way)
    await producer.stop()
    return records
