"""What a desk of a cluster says of figures, wired: one shop, why somebody was told, what makes a figure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.onlooker import Onlooker
from monitor.runtime.evidence import Evidence
from monitor.runtime.reasons import Reasons

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from alerting.desk import Desk
    from monitor.aggregate.shard import AggregateShard
    from monitor.configured import Configured
    from monitor.receivers import Under
    from monitor.runtime.plan_book import PlanBook


class Onlooking(NamedTuple):
    """The parts that answer."""

    shops: Onlooker
    reasons: Reasons
    evidence: Evidence


def onlooking_of(
    configured: Configured,
    plans: PlanBook,
    under: Under,
    aggregate: Callable[[], AggregateShard | None],
    stack: AsyncExitStack,
) -> Onlooking:
    """Read only: nothing that decides waits for it, and Kafka is reached when somebody asks."""
    kafka, names = configured.settings.kafka, configured.names
    store, thread, clock, loop, _ = under

    def desk() -> Desk | None:
        return loop.desk

    link = partial(link_of, kafka, configured.base)
    shops = Onlooker(plans, store, thread, link, kafka.topic, names, desk, aggregate)
    stack.callback(shops.close)
    reasons = Reasons(lambda: names.rules, shops.verdict, desk, store, thread, clock)
    evidence = Evidence(lambda: plans.plan, shops.history, clock.now_ms)
    stack.callback(evidence.close)
    return Onlooking(shops, reasons, evidence)
