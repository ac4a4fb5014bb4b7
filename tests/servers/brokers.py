"""Three brokers that are one cluster, each of which may be killed: every topic is on all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.servers.kafka import Kafka, new_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT = 3
REPLICATED = """
node.id={node}
controller.quorum.voters={voters}
default.replication.factor=3
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
"""


@contextmanager
def three(folder: Path) -> Iterator[list[Kafka]]:
    """Started, and none is left behind."""
    cluster, nodes = new_cluster(), range(1, COUNT + 1)
    for node in nodes:
        (folder / str(node)).mkdir(parents=True)
    with ExitStack() as stack:
        brokers = [Kafka(folder / str(node), cluster=cluster) for node in nodes]
        voters = ",".join(
            f"{node}@127.0.0.1:{one.controller}" for node, one in zip(nodes, brokers, strict=True)
        )
        for node, one in zip(nodes, brokers, strict=True):
            one.more = REPLICATED.format(node=node, voters=voters)
            stack.callback(one.kill)
        with ThreadPoolExecutor(COUNT) as together:  # none answers before most are there
            list(together.map(Kafka.start, brokers))
        yield brokers
