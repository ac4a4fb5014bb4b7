"""All that is changed in Faust: its consumer hands over one packed batch for each partition and fetch.

Faust makes four tasks of every record before an agent sees it, about 225 us; a batch passes as one. Faust
keeps membership, assignment, rebalance and supervision. Written against the exact version that is pinned
and held by ``tests/cluster/test_consumer.py`` on a real broker: a new Faust is a run of that test.

What Faust does around a rebalance, in this order: ``on_partitions_revoked``, ``on_partitions_assigned``,
then, in another task, ``perform_seek``, which calls ``seek_to_committed``. Four things would break us:

- aiokafka fetches at Kafka's committed offset at once, before our seek, and what it took then is handed over
  after it: each batch is checked to follow the one before.
- ``perform_seek`` is cancelled after ``broker_request_timeout`` and then nothing runs any more: nothing is
  waited for in it, shards are loaded in the background with their partitions paused.
- An exception in it ends the process.
- So does a commit of which every partition went to others meanwhile: aiokafka takes no commit of nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import structlog
from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord
from faust.serializers.codecs import Codec
from faust.transport.drivers import aiokafka as driver

from monitor.errors import MonitorError
from monitor.runtime.cluster.commit_thread import CommitThread
from monitor.runtime.cluster.unpack import BareRecords, Unreadable, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faust.types import TP

    from monitor.runtime.cluster.records import Fetched

log = structlog.get_logger(__name__)
LOG_APPEND_TIME = 1  # Kafka's number for the type of a record's time that the topic must have
GAP_TRIES = 3  # a gap that is there after so many seeks is one of the log's own


class Batch(NamedTuple):
    """Records of one partition, in order; those of an earlier ``run``, which counts seeks, are not taken."""

    partition: int
    run: int
    records: Sequence[Fetched]


class Holder(Protocol):
    """Who holds the shards."""

    def revoked(self) -> None:
        """A rebalance has begun."""

    def assigned(self, partitions: frozenset[int]) -> None:
        """These partitions are ours until the next rebalance; load what is not held."""

    def next_of(self, partition: int) -> int | None:
        """The next record of a shard that is held; None: it is not, or not yet."""

    def unreadable(self, partition: int, bad: Unreadable) -> None:
        """A partition is read no further, until ``read_from`` is asked to try again."""

    def missing(self, partition: int, first: int, end: int) -> None:
        """The topic has no records from ``first`` to ``end`` of a partition; it is read on behind them."""


class Through(Codec):
    """Hands values on as they are: batches are no bytes."""

    def _loads(self, s: Any) -> Any:
        return s

    def _dumps(self, s: Any) -> Any:
        return s


class PackedConsumer(driver.Consumer):
    """Faust's consumer, in batches."""

    transport: PackedTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.generation = 0  # counts rebalances
        self.stale = 0  # records handed over that do not follow the last ones
        self._pending: frozenset[TP] | None = None  # assigned, not seen by ``seek_to_committed`` yet
        self._expected: dict[TP, int] = {}  # the next record of partitions that are read
        self._fetched_s: dict[TP, float] = {}  # when there was last anything to read
        self._runs: dict[int, int] = {}
        self._gaps: Counter[TP] = Counter()  # how often the next record was fetched in vain
        self._seeking = asyncio.Lock()

    def _new_consumer_thread(self) -> CommitThread:
        fetcher.PartitionRecords = BareRecords  # no other consumer of this process fetches
        return CommitThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109
        await asyncio.sleep(self.transport.linger_s)
        self._require_fetching()
        fetched = await super()._getmany(active_partitions, timeout)
        return {
            tp: [_packed(tp.topic, Batch(tp.partition, self.run_of(tp.partition), records))]
            for tp, records in (fetched or {}).items()
            if records and await self._is_sound(tp, records)
        }

    def _require_fetching(self) -> None:
        """End the worker, for its supervisor, if aiokafka's own task has ended, which tells nobody."""
        thread: Any = self._thread
        fetching = thread._ensure_consumer()._fetcher  # noqa: SLF001 - nothing public says so
        if fetching.error_future.done() and not fetching._closed:  # noqa: SLF001
            raise MonitorError("nothing is fetched any more", mend="see the log", code="consumer")

    def run_of(self, partition: int) -> int:
        """The run in which a partition is read now."""
        return self._runs.get(partition, 0)

    async def _is_sound(self, tp: TP, records: list[Any]) -> bool:
        """Whether there is something to hand over, which begins where the last batch ended.

        If it lies elsewhere it is fetched again from there. What cannot be read is told once it comes first;
        a mark of a transaction may lie before it, as before records.
        """
        bad = records.pop() if isinstance(records[-1], Unreadable) else None
        if (expected := self._expected.get(tp)) is None:
            return False
        if (sound := in_order(records, self._end(tp))) < len(records):
            bad = Unreadable(expected, f"it says to be record {records[sound].offset}")
            del records[sound:]
        first = records[0].offset if records else bad.offset if bad else expected
        self._gaps[tp] += first > expected
        if first < expected or (first > expected and self._gaps[tp] <= GAP_TRIES):
            self.stale += len(records)
            await self._seek_safely({tp: expected})
        elif records:
            if first > expected:
                self.transport.holder.missing(tp.partition, expected, first)
            self._expect(tp, records[-1].offset + 1)
            return True
        elif bad is not None:
            self.pause_partitions({tp})
            self.transport.holder.unreadable(tp.partition, bad)
        return False

    def _expect(self, tp: TP, offset: int) -> None:
        self._expected[tp], self._fetched_s[tp], self._gaps[tp] = offset, time.monotonic(), 0

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Note that the assignment ends; shards stay in memory, for they may come back."""
        self.generation += 1
        self._pending = None
        self._expected.clear()
        self.transport.holder.revoked()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note what is assigned; its shards are taken when Faust seeks."""
        self.generation += 1
        self._pending = frozenset(assigned)
        await super().on_partitions_assigned(assigned, generation_id)
        if not assigned:  # then Faust does not seek
            self.transport.holder.assigned(frozenset())

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek held shards to where they are, and pause and load the others; Kafka's offsets are advice.

        Faust calls this outside rebalances too, hence the lock. Only what a rebalance has just given is
        taken: a worker that slept through one must not take a shard for an assignment it no longer has.
        """
        async with self._seeking:
            pending, self._pending = self._pending, None
            seeks: dict[TP, int] = {}
            for tp in self.assignment():
                offset = self.transport.holder.next_of(tp.partition)
                if offset is None:
                    self._expected.pop(tp, None)
                    self.pause_partitions({tp})
                else:
                    seeks[tp] = offset
            if not await self._seek_safely(seeks):
                self._pending = pending
                return {}
            for tp, offset in seeks.items():
                self._begin_run(tp, offset)
        if pending is not None:
            self.transport.holder.assigned(frozenset(tp.partition for tp in pending))
        return seeks

    async def read_from(self, partition: int, offset: int) -> bool:
        """Read a partition whose shard is loaded from a record on; whether that went well."""
        tp = next((tp for tp in self.assignment() if tp.partition == partition), None)
        if tp is None or not await self._seek_safely({tp: offset}):
            return False
        self._begin_run(tp, offset)
        self._read_offset[tp] = None  # below these two Faust drops a batch in silence
        self._committed_offset[tp] = None
        self.resume_partitions({tp})
        return True

    def _begin_run(self, tp: TP, offset: int) -> None:
        self._expect(tp, offset)
        self._runs[tp.partition] = self.run_of(tp.partition) + 1

    def hold_back(self, partition: int) -> None:
        """Read a partition no further: its shard is gone, and what was fetched for it is not for the next."""
        self._runs[partition] = self.run_of(partition) + 1
        for tp in [tp for tp in self.assignment() if tp.partition == partition]:
            self._expected.pop(tp, None)
            self.pause_partitions({tp})

    async def share_out_anew(self) -> None:
        """Ask the group for a rebalance."""
        thread: Any = self._thread

        async def rejoin() -> None:
            thread._ensure_consumer()._coordinator.request_rejoin()  # noqa: SLF001 - nothing public asks for one

        await thread.call_thread(rejoin)

    def lag(self, partition: int, offset: int) -> int:
        """Records of a partition from ``offset`` on, as of the last fetch."""
        return max(0, (self._end(self._new_topicpartition(self.transport.topic, partition)) or 0) - offset)

    def fetches(self, partition: int) -> tuple[int, float]:
        """The next record to be fetched (-1: none is), and the seconds since one was."""
        tp = self._new_topicpartition(self.transport.topic, partition)
        return self._expected.get(tp, -1), time.monotonic() - self._fetched_s.get(tp, 0.0)

    def _end(self, tp: TP) -> int | None:
        """Where a partition ends, as of the last fetch; None: there was none since it is ours."""
        return self.highwater(tp) if tp in self.assignment() else None

    async def _seek_safely(self, offsets: Mapping[TP, int]) -> bool:
        try:
            if offsets:
                await self.seek_wait(offsets)
        except Exception as error:  # noqa: BLE001 - a rebalance came between: the next assignment seeks again
            log.warning(
                "not sought", error=repr(error), offsets={tp.partition: n for tp, n in offsets.items()}
            )
            return False
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between two batches are in the second one."""

    def _new_offset(self, tp: TP) -> int | None:
        """Commit behind the last batch that is done: they are handed over and done in order."""
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1


class PackedTransport(driver.Transport):
    """Faust's transport with that consumer."""

    Consumer = PackedConsumer

    def __init__(self, app: Any, holder: Holder, topic: str, linger_s: float) -> None:
        super().__init__(app.conf.broker, app)
        self.holder, self.topic, self.linger_s = holder, topic, linger_s


def _packed(topic: str, batch: Batch) -> ConsumerRecord[Any, Any]:
    """A batch as one record, at the place of its last one."""
    last = batch.records[-1]
    return ConsumerRecord(
        topic=topic,
        partition=batch.partition,
        offset=last.offset,
        timestamp=last.timestamp,
        timestamp_type=LOG_APPEND_TIME,
        key=None,
        value=batch,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )
