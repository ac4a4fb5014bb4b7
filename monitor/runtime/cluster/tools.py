"""The topic for tools: traffic sent to it, and its records read back, offline and without a trace."""

from __future__ import annotations

import heapq
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CorruptRecordError, OffsetOutOfRangeError

from monitor.engine.records import Record
from monitor.errors import MonitorError
from monitor.runtime.cluster.link import told
from monitor.runtime.cluster.records import BROKEN, read
from monitor.runtime.cluster.tick import TICK_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from monitor.runtime.cluster.link import Link
    from monitor.runtime.cluster.records import Fetched
    from monitor.sources.found import Rejected

POLL_MS = 10_000  # a topic that gives nothing for so long, though there is more, is given up
LOOK_MS = 500
POLL_RECORDS = 10_000


class Answer(NamedTuple):
    """The topic's answer to a batch, as ``workbench.feed`` wants it of a daemon."""

    status_code: int
    headers: dict[str, str]
    content: bytes


class _Key(msgspec.Struct):
    platform: str = ""
    shop_id: str = ""


_key = msgspec.json.Decoder(_Key).decode


@contextmanager
def poster(
    link: Link, topic: str, says: Callable[[str], object] | None = None
) -> Iterator[Callable[[str, bytes], Answer]]:
    """What sends NDJSON to a topic, each event keyed by its shop, and returns once the brokers have it.

    Where no broker is reached at first, ``says`` is told why.
    """
    with told(link, says):
        producer = KafkaProducer(**link.options(), acks="all", linger_ms=5)
    try:

        def post(source: str, body: bytes) -> Answer:
            lines = body.split(b"\n")
            with told(link):
                sent = [producer.send(topic, key=_key_of(line, source), value=line) for line in lines]
                for one in sent:
                    one.get(30)
            taken = {"accepted": len(lines), "duplicates": 0, "rejected": []}
            return Answer(202, {}, msgspec.json.encode(taken))

        yield post
    finally:
        producer.close()


def _key_of(line: bytes, source: str) -> bytes:
    found = _key(line)
    return f"{found.platform}:{found.shop_id}".encode() if found.shop_id else source.encode()


@dataclass(slots=True)
class Span:
    """What is read of a topic: all of it, or what lies between times (epoch ms) or offsets, half-open."""

    partition: int | None = None  # only this one
    since_ms: int | None = None
    until_ms: int | None = None
    first: int | None = None
    end: int | None = None
    key: bytes | None = None  # only events of this shop, and ticks; of other records no more than their time


@dataclass(slots=True)
class Topic:
    """Records of a span, in order of their arrival over all partitions.

    Args:
        link: To Kafka.
        name: Of the topic.
        span: What is read of it, as far as it goes when reading begins.
        refused: Told of what cannot be read, with its partition and offset.
        chosen: Whether somebody chose the span by options of a command; what helps then names them.
        says: Told why it takes long until a broker is reached.
    """

    link: Link
    name: str
    span: Span
    refused: Callable[[int, int, Rejected], None]
    chosen: bool = False
    says: Callable[[str], object] | None = None
    _waiting: dict[TopicPartition, deque[Record]] = field(default_factory=dict)
    _left: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)  # next offset, end
    _begun: dict[TopicPartition, int] = field(default_factory=dict)  # the first offset that was asked for

    def records(self) -> Iterator[Record]:
        """Every record; positions are offsets, which several partitions have in common."""
        with told(self.link, self.says):
            options = {**self.link.options(), "enable_auto_commit": False, "group_id": None}
            consumer = KafkaConsumer(**options, auto_offset_reset="none")  # else it passes over what expires
            try:
                self._begin(consumer)
                yield from self._merged(consumer)
            finally:
                consumer.close()

    def _wants(self, fetched: Fetched) -> bool:
        key = self.span.key
        return key is None or fetched.key == key or any(name == TICK_HEADER for name, _ in fetched.headers)

    def left(self) -> int:
        """How many records are still to be read, once the first one was."""
        return sum(end - first for first, end in self._left.values())

    def _begin(self, consumer: KafkaConsumer) -> None:
        numbers = consumer.partitions_for_topic(self.name) or set()
        if self.span.partition is not None:
            numbers &= {self.span.partition}
        if not numbers:
            which = f"partition {self.span.partition} of " if self.span.partition is not None else ""
            raise MonitorError(f"there is no {which}topic {self.name}", mend="see kafka.topic", code="topic")
        places = [TopicPartition(self.name, number) for number in sorted(numbers)]
        kept, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
        firsts = self._at(consumer, places, self.span.since_ms, ends) if self.span.since_ms else kept
        lasts = self._at(consumer, places, self.span.until_ms, ends) if self.span.until_ms else ends
        consumer.assign(places)
        for place in places:
            first = max(kept[place], firsts[place], self.span.first or 0)
            end = min(lasts[place], ends[place] if self.span.end is None else self.span.end)
            consumer.seek(place, first)
            self._left[place], self._waiting[place], self._begun[place] = (first, end), deque(), first

    @staticmethod
    def _at(
        consumer: KafkaConsumer, places: list[TopicPartition], at_ms: int, ends: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        found = consumer.offsets_for_times(dict.fromkeys(places, at_ms))
        return {place: found[place].offset if found[place] else ends[place] for place in places}

    def _merged(self, consumer: KafkaConsumer) -> Iterator[Record]:
        heap: list[tuple[int, int, TopicPartition]] = []
        for place in self._left:
            self._offer(consumer, place, heap)
        while heap:
            _, _, place = heapq.heappop(heap)
            yield self._waiting[place].popleft()
            self._offer(consumer, place, heap)

    def _offer(
        self, consumer: KafkaConsumer, place: TopicPartition, heap: list[tuple[int, int, TopicPartition]]
    ) -> None:
        """Put a partition's next record where the earliest is taken from; read on if none is at hand."""
        waiting = self._waiting[place]
        while not waiting and self._left[place][0] < self._left[place][1]:
            self._poll(consumer, place)
        if waiting:
            heapq.heappush(heap, (waiting[0].arrival_ms, place.partition, place))

    def _poll(self, consumer: KafkaConsumer, place: TopicPartition) -> None:
        consumer.pause(*(other for other in self._left if other != place))
        consumer.resume(place)
        (first, end), until_s = self._left[place], time.monotonic() + POLL_MS / 1000
        fetched: Sequence[Fetched] = ()
        while not fetched and consumer.position(place) == first:  # the mark of a transaction is no record
            if time.monotonic() > until_s:
                raise self._stands(place, "nothing comes", "see that the brokers run; if they do, ")
            try:
                fetched = consumer.poll(LOOK_MS, max_records=POLL_RECORDS).get(place, ())
            except CorruptRecordError as error:
                raise self._stands(place, f"it cannot be read: {error}") from error
            except OffsetOutOfRangeError as error:
                later = "begin later (`--since`, `--offsets`), or raise kafka.retention"
                raise MonitorError(
                    f"partition {place.partition} of {self.name}: record {first} expired under the reader",
                    mend=later if self.chosen else "ask again",
                    code="expired",
                ) from error
        self._require_order(place, fetched, consumer.highwater(place))
        asked = [one for one in fetched if one.offset < end]
        found = read([one for one in asked if self._wants(one)], self.name)
        self._left[place] = (consumer.position(place), end)
        wanted = {record.position: record for record in found.records}
        self._waiting[place].extend(wanted.get(o.offset) or Record(o.offset, o.timestamp) for o in asked)
        for record, bad in found.unread:
            self.refused(place.partition, record.position, bad)

    def _require_order(self, place: TopicPartition, fetched: Sequence[Fetched], ends: int | None) -> None:
        """The checksum of a batch is not of its place: one may say to lie elsewhere."""
        first, end = self._left[place]
        for one in fetched:
            if first >= end:
                return
            if not first <= one.offset < (ends or end):
                self._left[place] = (first, end)
                raise self._stands(place, f"it cannot be read: it says to be record {one.offset}")
            first = one.offset + 1

    def _stands(self, place: TopicPartition, why: str, mend: str = "") -> MonitorError:
        """What to say where a partition is read no further."""
        first = self._left[place][0]
        here = f"--partition {place.partition} --offsets"
        if not self.chosen:
            other = ""
        elif first > self._begun[place]:
            other = f"; `{here} :{first}` reads what is before it"
        else:
            other = f"; nothing is before it; `{here} N:` reads on behind it, N as that page finds it"
        return MonitorError(
            f"partition {place.partition} of {self.name}, from record {first} on: {why}",
            mend=f"{mend}see {BROKEN}{other}",
            code="kafka",
        )
