"""The thread in which Kafka's client lives: it commits seldom, and no process waits for its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.transport.drivers import aiokafka as driver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faust.types import TP


def _unawaited(service: CommitThread) -> Any:
    """A thread that the end of the process does not wait for: it may wait for the group itself."""
    thread = driver.AIOKafkaConsumerThread.Worker(service)
    thread.daemon = True
    return thread


class CommitThread(driver.AIOKafkaConsumerThread):
    """Faust's thread, which commits only where there is something to commit."""

    Worker = staticmethod(_unawaited)  # type: ignore[assignment]  # it is only called

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        if not self.assignment() & offsets.keys():
            return False
        done: bool = await super()._commit(offsets)
        return done
