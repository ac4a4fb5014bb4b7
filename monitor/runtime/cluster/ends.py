"""Where partitions begin and end, asked over a connection of its own.

A broker answers what comes over one connection in turn, and a fetch that waits for records holds up all
behind it for 1.5 s: a shard that was taken over stood still for two such waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

if TYPE_CHECKING:
    from monitor.runtime.cluster.link import Link


class Ends:
    """The topic that a shard is loaded from (``held.Topic``).

    Args:
        link: To Kafka.
        topic: Its name.
    """

    def __init__(self, link: Link, topic: str) -> None:
        self._link, self._topic = link, topic
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect."""
        self._consumer = AIOKafkaConsumer(**self._link.options(), enable_auto_commit=False)
        await self._consumer.start()

    async def stop(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def first_kept(self, partition: int) -> int:
        """The first record that the topic still has."""
        place = TopicPartition(self._topic, partition)
        return int((await self._asked.beginning_offsets([place]))[place])

    async def end(self, partition: int) -> int:
        """The place of the next record to come."""
        place = TopicPartition(self._topic, partition)
        return int((await self._asked.end_offsets([place]))[place])

    @property
    def _asked(self) -> AIOKafkaConsumer:
        assert self._consumer is not None
        return self._consumer
