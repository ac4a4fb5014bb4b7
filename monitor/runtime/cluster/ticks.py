"""A tick each second into each partition that is held: what moves a shard's clock while nothing comes in."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from alerting.errors import StoreBusy, StoreFull
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster.tick import Tick, tick_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.runtime.cluster.held import HeldShard
    from monitor.runtime.cluster.link import Link
    from monitor.runtime.cluster.owner import Owner
    from monitor.runtime.cluster.parts import Parts

MEND = "see that the brokers run, and `slawatch topics check`"
MEND_ZH = "请查看 broker 是否运行，并执行 `slawatch topics check`"
HEARD_KEY = "heard"  # in the store: when each source was last heard by any worker
_heard = msgspec.json.Decoder(dict[str, int]).decode


class Ticks:
    """Writes ticks; a shard gets none while the one before is not read back.

    So a shard that lags sees no new tick, and judges a backlog as it would have been live.

    Args:
        parts: What all shards share.
        owner: Whose shards are ticked.
        link: To Kafka.
    """

    def __init__(self, parts: Parts, owner: Owner, link: Link) -> None:
        self._parts, self._owner, self._link = parts, owner, link
        self._told: dict[HeldShard, dict[str, int]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._failing: set[HeldShard] = set()  # whose last tick could not be written
        self._ended: KafkaError | None = None  # what the producer's own task ended with

    async def run(self) -> None:
        """Tick at each whole second, for ever."""
        options = self._link.options()
        producer = AIOKafkaProducer(
            **options, acks="all", enable_idempotence=False, request_timeout_ms=limits.TICK_TIMEOUT_MS
        )
        self._ended = None
        clock = self._parts.clock
        try:
            await producer.start()
            while True:
                now_ms = clock.now_ms()
                await clock.sleep_until(now_ms - now_ms % limits.TICK_MS + limits.TICK_MS)
                await self._tick(producer)
                if self._ended is not None:
                    raise self._ended
        finally:
            for task in self._sending:
                task.cancel()
            await producer.stop()

    async def _tick(self, producer: AIOKafkaProducer) -> None:
        self._told = {held: told for held, told in self._told.items() if not held.dropped}
        for gone in [held for held in self._failing if held.dropped]:
            self._well(gone)
        if not self._owner.held:  # then nothing is asked of the store
            self._parts.health.well("database")
            self._parts.health.well("plan")
        due = [held for held in self._owner.held.values() if _is_due(held)]
        if not due:
            return
        heard = await self._told_elsewhere()
        for held in due:
            held.ticking = True
            task = asyncio.create_task(self._send(producer, held, heard))
            self._sending.add(task)
            task.add_done_callback(partial(self._sent, held))  # also of one cancelled before it began

    def _sent(self, held: HeldShard, task: asyncio.Task[None]) -> None:
        held.ticking = False
        self._sending.discard(task)

    async def _send(self, producer: AIOKafkaProducer, held: HeldShard, heard: Mapping[str, int]) -> None:
        told = self._told.setdefault(held, {})
        changed = {source: ms for source, ms in heard.items() if told.get(source) != ms}
        try:
            plan = self._parts.plans.due(held.state)
            value, headers = tick_of(Tick(self._parts.worker, held.epoch, changed, plan))
            written = await producer.send_and_wait(
                self._parts.topic, value, partition=held.partition, headers=headers
            )
        except KafkaError as error:
            self._say_failing(held, error, MEND, MEND_ZH)
            if type(error) is KafkaError:  # of no kind: this producer writes nothing any more
                self._ended = error
        except Exception as error:  # noqa: BLE001 - whatever it is of one shard, the others go on
            self._say_failing(held, error, "see the log", "见日志", unforeseen=error)
        else:
            self._well(held)
            held.tick_offset = written.offset
            told.update(changed)

    def _say_failing(
        self, held: HeldShard, error: Exception, mend: str, mend_zh: str, unforeseen: Exception | None = None
    ) -> None:
        """Without a clock nothing is judged: said, and tried again each second."""
        self._failing.add(held)
        shards = ", ".join(map(str, sorted({one.partition for one in self._failing})))
        where, why = ", ".join(self._link.brokers), type(error).__name__
        what = f"shard {shards}: no tick is taken, so nothing is judged there"
        zh = f"分片 {shards}：写不进 tick，因此该处不作判断"
        said = f"kafka: {where}: {what} ({why}); {mend}", f"kafka：{where}：{zh}（{why}）；{mend_zh}"
        self._parts.health.failed("ticks", *said, error=unforeseen)

    def _well(self, held: HeldShard) -> None:
        """A shard's tick is written, or it needs none of us any more."""
        self._failing.discard(held)
        if not self._failing:
            self._parts.health.well("ticks")

    async def _told_elsewhere(self) -> dict[str, int]:
        """When each source was last heard: by our shards, and, by way of the store, by those of others.

        Learns by that way of a change of plan, too. Two workers may overwrite each other's news; each says
        its own again a second later.
        """
        ours: dict[str, int] = {}
        for held in self._owner.held.values():
            for name, watch in held.state.sources.items():
                ours[name] = max(ours.get(name, 0), watch.source.heard_ms)
        thread, store = self._parts.thread, self._parts.store  # a shard that loads must not hold up ticks
        try:
            await thread.run(self._parts.plans.look, store)
            row = await thread.run(store.get_meta, HEARD_KEY)
            stored = _heard(row or b"{}")
            both = {name: max(ours.get(name, 0), stored.get(name, 0)) for name in {**stored, **ours}}
            if both != stored:
                await thread.run(store.put_meta, HEARD_KEY, msgspec.json.encode(both))
        except MonitorError as error:  # a plan that this version cannot read: the one before goes on
            self._parts.health.failed("plan", str(error))
            return ours
        except (StoreBusy, StoreFull) as error:
            self._parts.health.failed("database", str(error))
            return ours
        self._parts.health.well("database")
        self._parts.health.well("plan")
        return both


def _is_due(held: HeldShard) -> bool:
    """Whether the last tick has come back."""
    return not held.ticking and held.next > held.tick_offset
