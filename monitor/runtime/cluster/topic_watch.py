"""Whether the topic is the one that the store's figures are of, and all of it in somebody's hands.

Positions in the store are places in one topic. Another one of the same name (made anew after the brokers lost
their disks) begins at 0: a worker that only compared places would refuse until the new topic is as long as
the old one was, and then go on in its middle.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from alerting.errors import StoreBusy, StoreFull
from monitor.errors import MonitorError
from monitor.runtime import limits
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from monitor.runtime.cluster.owner import Owner
    from monitor.runtime.cluster.parts import Parts
    from monitor.runtime.cluster.topics import Seen
    from monitor.store.port import ShardStore

log = structlog.get_logger(__name__)
KEY: Final = "topic"  # in the store: Kafka's id of the topic
PART: Final = "topic"  # among the parts that may have a problem
UNFIT: Final = "topic's configuration"  # another of them
PARTITIONS: Final = "partitions"  # among the notices


def adopt(store: ShardStore, identity: str) -> None:
    """Take the topic of this id for the one that the store's figures are of."""
    store.put_meta(KEY, identity.encode())


def require_same(store: ShardStore, topic: str, identity: str) -> None:
    """Refuse another topic than the store's; a store that knows none adopts this one.

    Raises:
        MonitorError: It is not there, or is another one.
    """
    known = (store.get_meta(KEY) or b"").decode()
    if not identity:
        raise MonitorError(
            f"topic {topic}: it is gone",
            mend="see the brokers; where it is lost: docs/operations.md, The topic is lost",
            code="topic_gone",
        )
    if not known:
        adopt(store, identity)
    elif known != identity:
        raise MonitorError(
            f"topic {topic}: not the one that the database's figures are of, but another or made anew",
            mend="name that one, or a new database; see docs/operations.md, The topic is lost",
            code="other_topic",
        )


class TopicWatch:
    """A worker's part: looks at topic and group, which may change under it.

    While the topic is not the store's, no shard is held. And a member that comes back under its
    ``kafka.instance`` is given what it had, without a look at the topic: partitions that were made
    meanwhile, or had been gone for a moment, would be nobody's for ever. So who sees such asks for a
    rebalance.

    Args:
        owner: Of the shards.
        parts: What they share.
        see: Looks; called in a thread.
        rejoin: Asks for a rebalance.
    """

    def __init__(
        self, owner: Owner, parts: Parts, see: Callable[[], Seen], rejoin: Callable[[], Awaitable[None]]
    ) -> None:
        self._owner, self._parts, self._see, self._rejoin = owner, parts, see, rejoin

    async def run(self) -> None:
        """Look every now and then, for ever."""
        while True:
            await asyncio.sleep(limits.TOPIC_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look once; brokers or a store that do not answer are told of by who needs them."""
        part = self._parts
        try:
            seen = await asyncio.to_thread(self._see)
        except MonitorError as error:
            log.warning("topic not looked at", error=str(error))
            return
        try:
            await part.thread.run(require_same, part.store, part.topic, seen.identity)
        except MonitorError as error:
            part.health.failed(PART, str(error))
            self._owner.let_go()
            return
        except (StoreBusy, StoreFull) as error:
            log.warning("topic not looked at", error=str(error))
            return
        part.health.well(PART)
        self._owner.barred = False
        if seen.unfit:  # shards are kept: what they know is stored, and may be in the topic no longer
            part.health.failed(UNFIT, seen.unfit, f"主题的配置不可用：{seen.unfit}")
        else:
            part.health.well(UNFIT)
        part.health.notices.pop(PARTITIONS, None)
        if seen.wrong:
            zh = "主题的分区数与配置不符；若未用 `slawatch topics split` 增加，换了分片的店铺从头计数"
            part.health.notices[PARTITIONS] = Text(f"{zh}：{seen.wrong}", seen.wrong)
        if seen.unassigned:
            log.warning(
                "partitions are nobody's: the group is to share them out anew", shards=seen.unassigned
            )
            await self._rejoin()
