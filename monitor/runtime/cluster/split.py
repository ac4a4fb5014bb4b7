"""More partitions for a topic in use: each shard is split, while nothing runs.

A shop's partition is the hash of its key by the number of partitions. With a multiple of the former number
the shops of a partition stay, or go to partitions that are new: so a new shard begins as a copy of what its
former one knows beside its shops (clock, sources, remembered ids), and takes over the shops that hash there,
with their figures and their open alerts. Nothing is folded again, so that nothing is told again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from kafka import KafkaAdminClient
from kafka.partitioner.default import murmur2

from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster.link import told
from monitor.runtime.cluster.roll import KEY, decode_call
from monitor.runtime.cluster.tools import Span, Topic
from monitor.shard.marks import IDS_PART, SHARD_ROW, MarkRow
from monitor.store.port import Split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.runtime.cluster.link import Link
    from monitor.settings_cluster import KafkaSettings
    from monitor.store.port import ShardLease, ShardStore

ANSWER_MS = 30_000
_mark, _encode = msgspec.msgpack.Decoder(MarkRow).decode, msgspec.msgpack.Encoder().encode


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's own clients put a key: murmur2 of its bytes, without the sign."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def split(link: Link, settings: KafkaSettings, store: ShardStore, partitions: int, now_ms: int) -> int:
    """Give topic and store so many partitions; how many shops went to another shard.

    Run again after it broke off it goes on; run again after it was done it does nothing.

    Args:
        link: To Kafka.
        settings: Of topic and group.
        store: Of the shards; no worker runs on it.
        partitions: A multiple of what there is.
        now_ms: The time.

    Raises:
        MonitorError: It cannot be done now, or here, and why; nothing was changed.
    """
    before = 1 + max((shard for shard in store.shards() if shard < limits.SHARDS_MAX), default=-1)
    if before == partitions:
        return 0
    if not before or partitions % before or partitions < before:
        multiples = f"{2 * before} or {3 * before}" if before else "none: nothing is stored yet"
        raise MonitorError(
            f"{before} partitions cannot become {partitions}",
            mend=f"shops stay where they are or go to new partitions: say a multiple, {multiples}",
            code="partitions",
        )
    _require_stopped(store, now_ms)
    leases = {shard: store.take(shard) for shard in range(before)}  # fences whoever is left
    for shard, lease in leases.items():
        _require_folded(link, settings.topic, shard, lease)
    splits = [one for shard in leases for one in _splits(store, shard, before, partitions)]
    with told(link):
        admin = KafkaAdminClient(**link.options(), request_timeout_ms=ANSWER_MS)
        try:
            if len(admin.describe_topics([settings.topic])[0]["partitions"]) < partitions:
                admin.create_partitions({settings.topic: partitions})
        finally:
            admin.close()
    store.split(splits)
    return sum(len(one.keys) for one in splits)


def _require_stopped(store: ShardStore, now_ms: int) -> None:
    for name, row in store.metas(KEY).items():
        if now_ms - decode_call(row).at_ms < limits.CALLED_MS:
            raise MonitorError(
                f"worker {name.removeprefix(KEY)} runs",
                mend="stop what sends events, then, once they have caught up, all workers and desks",
                code="running",
            )


def _require_folded(link: Link, topic: str, shard: int, lease: ShardLease) -> None:
    """Refuse while the state lacks events, or what was told: shops that move lose it, or tell it again."""
    mend = "start the workers, stop what sends events, wait for /readyz, then stop the workers"
    if lease.position >= lease.floor:  # a worker was killed
        what = f"what was told of partition {shard} is not in the stored state"
        raise MonitorError(what, mend=mend, code="behind")
    records = Topic(link, topic, Span(shard, first=lease.floor), lambda *_: None).records()
    waiting = sum(len(record.events) for record in records)
    if waiting:
        raise MonitorError(
            f"{waiting} events of partition {shard} are not in the stored state",
            mend=mend,
            code="behind",
        )


def _splits(store: ShardStore, shard: int, before: int, partitions: int) -> Iterator[Split]:
    """What goes from a shard to each of those that are new."""
    keys, own = set[str](), list[tuple[str, bytes]]()
    for key, part, _, data in store.load_state(shard):
        if key == SHARD_ROW[0]:
            own.append((part, data))
        elif key not in keys:
            keys.add(key)
            if (found := partition_of(key, before)) != shard:
                raise MonitorError(
                    f"shop {key} is in partition {shard}, and murmur2 of its key says {found}",
                    mend="senders must use Kafka's own partitioner (librdkafka: partitioner=murmur2_random);"
                    " as it is, only a second cluster helps",
                    code="partitioner",
                )
    for child in range(shard + before, partitions, before):
        moved = sorted(key for key in keys if partition_of(key, partitions) == child)
        yield Split(shard, child, [_own(part, data) for part, data in own], moved)


def _own(part: str, data: bytes) -> tuple[str, bytes]:
    """What a new shard has of its own: its log begins at 0, and remembered ids are of before that."""
    if part == SHARD_ROW[1]:
        return part, _encode(msgspec.structs.replace(_mark(data), position=0))
    digits = part.removeprefix(IDS_PART)
    return (f"{IDS_PART}-{digits}" if digits != part else part), data
