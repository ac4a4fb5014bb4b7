"""A shop as the worker that judges it sees it, for those who only look: its stored state, and the log since.

Nothing is taken, written or committed. State trails the log by half a minute, so that is what is read again:
of all records the time, of the shop's own and of ticks what they say.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alerting.errors import StoreBusy
from monitor import limits as monitor_limits
from monitor.errors import MonitorError
from monitor.runtime import limits
from monitor.runtime.cluster.tools import Span, Topic
from monitor.runtime.shard_figures import ShardFigures
from monitor.runtime.verdicts import Verdict, verdict_on, verdict_over
from monitor.runtime.view import View
from monitor.runtime.worker_thread import WorkerThread
from monitor.shard.restore import plan_in
from monitor.shard.shard import Shard
from monitor.web.ports import UnknownError
from monitor.workbench.evidence import require_few
from rules.rule import OVER_SHOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alerting.desk import Desk
    from monitor.aggregate.shard import AggregateShard
    from monitor.engine.events import Event
    from monitor.engine.records import Record
    from monitor.runtime.cluster.link import Link
    from monitor.runtime.names import Names
    from monitor.runtime.plan_book import PlanBook
    from monitor.runtime.worker_thread import StoreThread
    from monitor.store.port import ShardStore, ShopState
    from monitor.web.ports import ShopView, SourceStatus, Status
    from monitor.workbench.evidence import History
    from monitor.workbench.witness import Witness
    from rules.rule import Rule


class Onlooker:
    """Reads one shop at a time.

    Args:
        plans: Those that the log names; fetched in the store's thread.
        store: Called only in ``thread``.
        thread: Where that waits.
        link: Gives the link to Kafka, which only these questions want.
        topic: The log.
        names: For what people read.
        desk: The desk, or None while it is read.
        aggregate: What judges sums over shops; None where another desk leads.
    """

    def __init__(
        self,
        plans: PlanBook,
        store: ShardStore,
        thread: StoreThread,
        link: Callable[[], Link],
        topic: str,
        names: Names,
        desk: Callable[[], Desk | None],
        aggregate: Callable[[], AggregateShard | None],
    ) -> None:
        self._plans, self._store, self._thread = plans, store, thread
        self._link, self._topic = link, topic
        self._names, self._desk, self._aggregate = names, desk, aggregate
        self._worker = WorkerThread("onlooker")
        self._waiting = 0

    def close(self) -> None:
        """End the thread."""
        self._worker.close()

    @contextmanager
    def history(self, shop: str, pause: Callable[[], object]) -> Iterator[History]:
        """The log of a shop, for ``Evidence``, in whose thread it is called."""
        partition = self._thread.wait(self._store.shard_of, shop)
        yield TopicHistory(self._link(), self._topic, partition, shop, pause)

    async def shop(self, platform: str, shop_id: str) -> ShopView | None:
        """One shop with all its figures; None where nothing of it is stored yet. See ``ShopPort``."""
        shard = await self._shard(f"{platform}:{shop_id}")
        if shard is None:
            return None
        return View(lambda: ShardFigures(shard), self._desk, self._names, _nobody_asks).shop(
            platform, shop_id
        )

    async def verdict(self, rule: Rule, subject: dict[str, str]) -> Verdict | None:
        """What a rule says of a subject; as ``Reasons`` wants it.

        Raises:
            UnknownError: That is not known here, and where to ask.
        """
        if OVER_SHOPS.keys() & subject:
            over = self._aggregate()
            if over is None:
                mend = "ask the desk whose metric slawatch_desk_leads is 1"
                raise UnknownError(
                    "this desk follows another, which judges sums", mend=mend, code="elsewhere"
                )
            return verdict_over(over, rule, subject)
        if "shop" not in subject:
            mend = "see /readyz of the workers, and the alert of the source"
            raise UnknownError("a desk does not hear sources", mend=mend, code="elsewhere")
        shard = await self._shard(subject["shop"])
        if shard is None:
            return Verdict(
                0, "", f"nothing of shop {subject['shop']} is stored; state trails by half a minute"
            )
        return verdict_on(shard, rule, subject)

    async def _shard(self, key: str) -> Shard | None:
        """The shard of a shop, with that shop alone, as of the end of its log."""
        if self._waiting >= monitor_limits.EXPLAINS_WAITING:
            raise UnknownError("others are being looked at", mend="ask again in a moment", code="busy")
        self._waiting += 1
        try:
            stored = await self._thread.run(self._store.shop_state, key)
            if stored is None:
                return None
            records = await self._worker.run(self._since, stored, key)
            for name in {plan_in(stored.rows), *(record.plan for record in records)} - {""}:
                await self._thread.run(self._plans.fetch, self._store, name)
            return await self._worker.run(self._folded, stored, records)
        except StoreBusy as error:
            raise UnknownError(str(error), mend="ask again once it answers", code="starting") from error
        except MonitorError as error:
            raise UnknownError(error.what, mend=error.mend, code=error.code) from error
        finally:
            self._waiting -= 1

    def _since(self, stored: ShopState, key: str) -> list[Record]:
        """The records past the stored state: those of the shop and ticks whole, of others their time."""
        span = Span(stored.shard, first=stored.floor, key=key.encode())
        topic = Topic(self._link(), self._topic, span, lambda *_: None)
        found: list[Record] = []
        for record in topic.records():
            if not found:
                _require_few(topic.left(), limits.ONLOOK_RECORDS, stored.shard)
            found.append(record)
        return found

    def _folded(self, stored: ShopState, records: list[Record]) -> Shard:
        plans, name = self._plans.known, plan_in(stored.rows)
        shard = Shard(plans[name], stored.shard, plans, name)
        shard.restore(stored.rows, stored.floor, stored.floor_clock_ms)
        for first in range(0, len(records), limits.STEP_EVENTS):
            shard.step(records[first : first + limits.STEP_EVENTS])
            time.sleep(monitor_limits.EXPLAIN_PAUSE_S)  # let the loop go on
        return shard


class TopicHistory:
    """A partition as a log that is read again, for one shop.

    Args:
        link: To Kafka.
        topic: The log.
        partition: The shop's; None: nothing of it is stored, so that nothing of it is found.
        key: The shop, ``platform:shop_id``.
        pause: Called now and then, to let others work; may raise to end it.
    """

    def __init__(
        self, link: Link, topic: str, partition: int | None, key: str, pause: Callable[[], object]
    ) -> None:
        self._link, self._topic, self._partition = link, topic, partition
        self._key, self._pause = key.encode(), pause

    def _read(self, span: Span) -> Topic:
        return Topic(self._link, self._topic, span, lambda *_: None)

    def begins_ms(self) -> int:
        """The broker's time of the first record that is kept."""
        if self._partition is None:
            return 0
        records = self._read(Span(self._partition, key=self._key)).records()
        return next((record.arrival_ms for record in records), 0)

    def arrivals(self, witness: Witness, from_ms: int, to_ms: int) -> Iterator[tuple[int, list[Event]]]:
        """What came of the witness's shop."""
        if self._partition is None:
            return
        topic = self._read(Span(self._partition, since_ms=from_ms, key=self._key))
        found = 0
        for number, record in enumerate(topic.records()):
            if number == 0:
                _require_few(topic.left(), limits.EXPLAIN_RECORDS, self._partition)
            if number % limits.STEP_EVENTS == 0:
                self._pause()
            if record.arrival_ms > to_ms:
                return
            if record.events:
                found += len(record.events)
                require_few(witness, found)
                yield record.arrival_ms, record.events


def _require_few(records: int, most: int, partition: int) -> None:
    if records > most:
        what = f"{records} records of partition {partition} would have to be read"
        mend = "read them elsewhere: `slawatch replay --kafka`"
        raise MonitorError(what, mend=mend, code="too_much")


def _nobody_asks(_sources: tuple[SourceStatus, ...], _shops: int) -> Status:
    raise NotImplementedError
