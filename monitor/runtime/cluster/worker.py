"""A worker: Faust keeps membership and fetches, ``Owner`` holds the shards, and parts run beside them."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import faust
import structlog

from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster.consumer import PackedConsumer, PackedTransport, Through
from monitor.runtime.cluster.ends import Ends
from monitor.runtime.cluster.owner import Owner
from monitor.runtime.cluster.ticks import Ticks
from monitor.runtime.cluster.topic_watch import TopicWatch
from monitor.runtime.cluster.topics import see
from monitor.runtime.health import keep_running
from monitor.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable
    from pathlib import Path

    from monitor.runtime.cluster.consumer import Batch
    from monitor.runtime.cluster.link import Link
    from monitor.runtime.cluster.parts import Parts
    from monitor.settings_cluster import KafkaSettings
    from monitor.shard.shard import Shard

log = structlog.get_logger(__name__)
GONE = "faust ended"


class Worker:
    """One process of a cluster.

    Args:
        parts: What all its shards share.
        link: To Kafka.
        settings: Of topic and group.
        scratch: A folder that Faust may want; nothing of value is in it.
    """

    def __init__(self, parts: Parts, link: Link, settings: KafkaSettings, scratch: Path) -> None:
        self.parts = parts
        self._ends = Ends(link, parts.topic)
        self.owner = Owner(parts, lambda: self.consumer, self._ends)
        self.app = _faust_app(link, settings, scratch)
        self.app.transport = PackedTransport(self.app, self.owner, parts.topic, settings.linger / 1000)
        topic = self.app.topic(
            parts.topic, key_type=None, value_type=None, key_serializer="raw", value_serializer=Through()
        )
        self.app.agent(topic, name="shards")(self._work)
        self._ticks = Ticks(parts, self.owner, link)
        self._topic_watch = TopicWatch(self.owner, parts, partial(see, link, settings), self._rejoin)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._beat_s = time.monotonic()
        self._watchdog = Watchdog(self.progress, lambda: self._beat_s)
        # So long a group may wait for one that is gone. Who ended before would be one more to wait for.
        self._meets_s = self.app.conf.broker_rebalance_timeout

    @property
    def consumer(self) -> PackedConsumer:
        """Faust's consumer, once it has started."""
        consumer = self.app.consumer
        assert isinstance(consumer, PackedConsumer)
        return consumer

    def shards(self) -> list[Shard]:
        """Those that are held, with their figures."""
        return [held.state for held in self.owner.held.values()]

    @property
    def stale(self) -> int:
        """Records that were handed over out of order, and read again."""
        return self.consumer.stale

    def part(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        """Run one more part beside the others."""
        self._tasks[name] = asyncio.create_task(keep_running(name, body, self.parts.health), name=name)

    async def start(self) -> None:
        """Join the group; shards are taken as they are assigned."""
        self.part("beat", self._beat)
        self._watchdog.start()  # a group that never meets ends the process as well
        await self._ends.start()
        await self.app.start()
        self.part("topic", self._topic_watch.run)
        self.part("ticks", self._ticks.run)
        self.part("checkpoints", self.owner.save)
        self.part("assignment", self.owner.tend)

    async def ended(self) -> NoReturn:
        """Return never, unless Faust ends by itself.

        Raises:
            MonitorError: It did; what supervises the process starts it again.
        """
        await self.app.wait_until_stopped()
        raise MonitorError(
            f"the consumer ended: {self.app.crash_reason!r}",
            mend="see the log, and `slawatch topics check`",
            code="consumer",
        )

    async def stop(self) -> None:
        """Fold no more, write the state of every shard, leave the group."""
        self._watchdog.stop()
        for name in ("topic", "ticks", "assignment"):  # a slice that is being written must not be given up
            if task := self._tasks.pop(name, None):
                task.cancel()
        try:
            await asyncio.wait_for(self.owner.release(), limits.DRAIN_S)
        except TimeoutError:
            log.warning("state not written in time: it is folded again")
        try:
            await asyncio.wait_for(self.app.stop(), limits.LEAVE_S)
        except TimeoutError:
            log.warning(
                "group not left in time: it waits for others, and for this one until its session ends"
            )
        await self._ends.stop()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def lag(self, partition: int) -> int:
        """Records of a partition that are not folded yet, as far as is known."""
        held = self.owner.held.get(partition)
        return self.consumer.lag(partition, held.next) if held is not None else 0

    def progress(self) -> tuple[object, bool]:
        """For the watchdog: how far the shards are, and whether something waits and no failure is known."""
        owner = self.owner
        mark = (owner.rebalances, sorted((p, held.next) for p, held in list(owner.held.items())))
        if owner.rebalance_began_s and not owner.loads:  # a large state takes longer to read
            waiting = time.monotonic() - owner.rebalance_began_s > self._meets_s
        else:
            waiting = any(self.lag(p) for p in owner.held.keys() - owner.unread)
        return mark, waiting and "store" not in self.parts.health.problems

    async def _rejoin(self) -> None:
        await self.consumer.share_out_anew()

    async def _work(self, stream: AsyncIterable[Batch]) -> None:
        async for batch in stream:
            await self.owner.take(batch)

    async def _beat(self) -> None:
        while True:
            self._beat_s = time.monotonic()
            await asyncio.sleep(1.0)


def _faust_app(link: Link, settings: KafkaSettings, scratch: Path) -> faust.App:
    session_s = settings.session_timeout / 1000
    options: dict[str, Any] = {}
    if settings.instance:
        options["consumer_group_instance_id"] = settings.instance
        # Kafka gives one that comes back what it had, and Faust asserts that it did so at the same address:
        # on another host, as a new container is, it would wait in the group for ever.
        options["canonical_url"] = f"http://slawatch/{settings.instance}"
    return faust.App(
        settings.group,
        broker=[f"kafka://{broker}" for broker in link.brokers],
        broker_credentials=link.credentials(),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=session_s / 10,  # a rebalance is heard of by them
        broker_request_timeout=max(40.0, 1.5 * session_s),
        broker_rebalance_timeout=max(20.0, 2 * session_s),
        broker_max_poll_records=limits.POLL_RECORDS,
        broker_commit_interval=limits.COMMIT_S,
        consumer_max_fetch_size=limits.PARTITION_BYTES,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=limits.BUFFERED_BATCHES,
        stream_wait_empty=False,  # a batch that waits for the store must not hold up a rebalance
        topic_disable_leader=True,
        topic_allow_declare=False,
        store="memory://",
        web_enabled=False,
        datadir=str(scratch),
        **options,
    )
