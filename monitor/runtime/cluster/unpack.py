"""All that is changed in aiokafka: how it unpacks what it fetched."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import structlog
from aiokafka.consumer import fetcher

from monitor.runtime import limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from monitor.runtime.cluster.records import Fetched

log = structlog.get_logger(__name__)


class Unreadable(NamedTuple):
    """What ends a fetch in place of a record that cannot be read, and all behind it."""

    offset: int
    why: str


class BareRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types for it
    """aiokafka's records as they are unpacked: a copy of each in Python cost a tenth of a worker's time.

    Bytes that rotted on the broker's disk made aiokafka end, and with it every shard of every worker in turn:
    they are handed over as such. A header whose name is no text did the same; there its sender's batch is
    whole, and what is left of it is passed over.
    """

    next_fetch_offset: int
    _said: ClassVar[dict[Any, tuple[int, float]]] = {}  # by partition the last place passed over, and when

    def _unpack_records(self) -> Iterator[Fetched | Unreadable]:
        try:
            yield from self._unpacked()
        except Exception as error:  # noqa: BLE001 - bytes without a meaning fail in any way
            yield Unreadable(self.next_fetch_offset, str(error) or type(error).__name__)

    def _unpacked(self) -> Iterator[Fetched | Unreadable]:
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                why = f"the checksum of its batch, up to record {batch.next_offset - 1}, is wrong"
                yield Unreadable(self.next_fetch_offset, why)
                return
            try:
                for record in () if batch.is_control_batch else batch:
                    if record.offset >= self.next_fetch_offset:
                        self.next_fetch_offset = record.offset + 1
                        yield record
            except UnicodeDecodeError as error:
                self._say_passed_over(batch.next_offset, error)
            self.next_fetch_offset = batch.next_offset

    def _say_passed_over(self, end: int, error: Exception) -> None:
        """As it begins and every ten minutes: what lies before bytes that are broken is read every 5 s."""
        first, now_s = self.next_fetch_offset, time.monotonic()
        said, said_s = self._said.get(self._tp, (-1, 0.0))
        if first > said or now_s - said_s >= limits.TROUBLE_LOGGED_S:
            self._said[self._tp] = first, now_s
            place = {"partition": self._tp.partition, "first": first, "end": end}
            log.error("records passed over", **place, error=str(error))


def in_order(records: Sequence[Fetched], end: int | None) -> int:
    """How many of them come before one whose place cannot be; the checksum of a batch is not of its place.

    Args:
        records: Of one fetch.
        end: Where the partition ends; None: that is not known.
    """
    end = sys.maxsize if end is None else end
    if records and len(records) == records[-1].offset - records[0].offset + 1 and records[-1].offset < end:
        return len(records)
    before = -1
    for number, record in enumerate(records):
        if not before < record.offset < end:
            return number
        before = record.offset
    return len(records)
