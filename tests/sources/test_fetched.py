"""What is read of a topic's records as aiokafka unpacks them, compiled too: there types are checked."""

from __future__ import annotations

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from monitor.runtime.cluster.records import read
from monitor.runtime.cluster.tick import TICK_HEADER, Tick, tick_of

AT_MS = 1_794_362_400_000
SHOP = b"pinduoduo:s1"
EVENT = b"""{"id": "1", "type": "agent", "agent_id": "a", "action": "online",
  "platform": "pinduoduo", "shop_id": "s1", "at": 1794362400000}"""


def unpacked(builder):
    return list(MemoryRecords(bytes(builder.build())).next_batch())


def batch(*records):
    """Of a key, a value and headers each."""
    once = {"is_transactional": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1}
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=0, batch_size=1 << 20, **once)
    for offset, (key, value, headers) in enumerate(records):
        builder.append(offset, timestamp=AT_MS, key=key, value=value, headers=headers)
    return unpacked(builder)


def test_headers_of_whatever_kind_do_not_stop_a_shard():
    """A sender's tracing may leave a value out, and a tick is one whatever its header says."""
    value, _ = tick_of(Tick("w", 1))
    found = read(
        batch(
            (SHOP, EVENT, [("traceparent", None), ("é", b"\xff")]),
            (None, value, [(TICK_HEADER, None)]),
            (SHOP, None, []),
        ),
        "topic",
    )
    assert [len(record.events) for record in found.records] == [1, 0, 0]
    assert [tick.worker for tick in found.ticks] == ["w"]


def test_records_in_the_format_before_headers_are_read():
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 20)
    builder.append(0, timestamp=AT_MS, key=SHOP, value=EVENT)
    (record,) = read(unpacked(builder), "topic").records
    assert (record.arrival_ms, [event.id for event in record.events]) == (AT_MS, ["1"])


def test_a_tick_that_nests_without_end_stops_no_shard():
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    found = read(batch((None, b'{"worker": "w", "x": ' + deep + b"}", [(TICK_HEADER, b"1")])), "topic")
    assert [bad.code for _, bad in found.unread] == ["bad_tick"]
    assert len(found.records) == 1, "its time counts"
