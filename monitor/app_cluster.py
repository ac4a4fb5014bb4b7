"""The composition root of the cluster: from settings to a running worker.

settings → packs, rules → plan → shards · topic · stores · probes
"""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from alerting.errors import AlertingError
from alerting.sender import Sender
from monitor.charting import chart, charts_of
from monitor.configured import Configured, configure
from monitor.errors import MonitorError
from monitor.logs import configure_logging
from monitor.runtime.clock import SystemClock
from monitor.runtime.cluster import topics
from monitor.runtime.cluster.escape import Escape
from monitor.runtime.cluster.link import link_of
from monitor.runtime.cluster.parts import Parts
from monitor.runtime.cluster.quiet import rate_limit
from monitor.runtime.cluster.roll import Caller
from monitor.runtime.cluster.status import Counts, WorkerGauges, WorkerStatus
from monitor.runtime.cluster.topic_watch import require_same
from monitor.runtime.cluster.worker import Worker
from monitor.runtime.dead_letter_box import DeadLetterBox
from monitor.runtime.embedded import owned
from monitor.runtime.health import Health
from monitor.runtime.limits import REST_MS, SPARE_SHOPS
from monitor.runtime.memory import collect_seldom, keep_one_heap
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.reload import Reload, on_hangup
from monitor.runtime.server import serving, told_to_stop, unless_stopped, until_ended
from monitor.runtime.shared_clock import shared_clock
from monitor.runtime.told import Timings
from monitor.runtime.worker_thread import StoreThread
from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.store.sqlite import SqliteStore
from monitor.web.access import Access
from monitor.web.api import probe_routes
from monitor.web.app import bare_app
from monitor.web.stream import Streams
from monitor.web.tokens import Tokens
from rules.pack import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from pathlib import Path

    from fastapi import FastAPI

    from monitor.settings import Settings
    from rules.transition import Transition


@dataclass(frozen=True, slots=True)
class Running:
    """What runs, for who started it in process."""

    worker: Worker
    status: WorkerStatus
    reload: Reload
    url: str


async def work(settings: Settings, base: Path, *, announce: Callable[[str], object] = print) -> None:
    """Run a worker until it is told to stop (SIGTERM, SIGINT), then write the state of its shards.

    Args:
        settings: The configuration.
        base: What relative paths in it start from.
        announce: Told the address of its probes once they answer.

    Raises:
        MonitorError, RulesError, AlertingError: It cannot start, or ended by itself, and why.
    """
    keep_one_heap()
    configure_logging(settings.log.format, settings.log.level)
    rate_limit("aiokafka", "kafka", "faust", "mode")
    configured, stop = configure(settings, base), told_to_stop()
    async with AsyncExitStack() as stack:
        it = await unless_stopped(stop, stack.enter_async_context(worker(configured)))
        if it is None:
            return
        it.worker.part("memory", partial(collect_seldom, lambda: it.worker.owner.gone))
        on_hangup(it.reload)
        announce(it.url)
        await until_ended(stop, it.worker.ended(), it.worker.parts.health.ended())


@asynccontextmanager
async def worker(configured: Configured) -> AsyncIterator[Running]:
    """A worker with its stores, its dead letters and its probes; at the end all is written and closed."""
    settings, metrics, health = configured.settings, Metrics(), Health()
    link = link_of(settings.kafka, configured.base)
    await asyncio.to_thread(topics.require_usable, link, settings.kafka)
    configured.data.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(configured.data / "tokens.json")
    settings.require_safe(tokens=len(tokens))
    name = name_of_process(settings)
    async with AsyncExitStack() as stack:
        thread, store = await opened_store(configured, health, stack, name)
        topic_id = await asyncio.to_thread(topics.identity, link, settings.kafka)
        await thread.run(require_same, store, settings.kafka.topic, topic_id)
        state_thread, state_store = await opened_store(configured, health, stack, f"{name} state")
        stack.callback((letters := DeadLetters(configured.data / "dead_letters.db")).close)
        box = DeadLetterBox(letters)
        stack.callback(box.close)
        plans = PlanBook(REST_MS, SPARE_SHOPS)
        await thread.run(partial(plans.apply, store, configured.plan, first=True))
        counts, clock = Counts(metrics), SystemClock()
        parts = Parts(
            worker=name,
            topic=settings.kafka.topic,
            make_shard=partial(plans.shard, state_store),
            plans=plans,
            store=store,
            thread=thread,
            state_store=state_store,
            state_thread=state_thread,
            clock=clock,
            health=health,
            dead_letters=box,
            on_outputs=counts.outputs,
            on_refusals=counts.refused,
            tell_unrecorded=_untold,
            timings=Timings(metrics.step_seconds.observe, metrics.checkpoint_seconds.observe),
        )
        it = Worker(parts, link, settings.kafka, configured.data / "faust")
        status = WorkerStatus(it)
        charts = charts_of(configured, "worker", it.shards, status.status, clock, stack)
        counts.outputs_told += [charts.outputs] if charts else []
        web = _probes(status, tokens, metrics, letters, settings)
        url = await stack.enter_async_context(serving(web, settings.host, settings.port))
        stack.push_async_callback(it.stop)
        await it.start()
        it.part("metrics", WorkerGauges(it, status, metrics).run)
        await _be_heard(configured, it, status, stack)
        chart(charts, it.part, health, metrics, partial(thread.run, store.add_input), clock)
        reload = Reload(configured.again, plans, configured.names, store, thread, health)
        it.part("other rules", partial(reload.say_other, configured.plan.name))
        yield Running(it, status, reload, url)


async def _be_heard(configured: Configured, it: Worker, status: WorkerStatus, stack: AsyncExitStack) -> None:
    """Have the worker call in at the store, and say to people when it cannot."""
    parts = it.parts
    client = await stack.enter_async_context(httpx.AsyncClient())
    tell = _teller(configured, parts, client)
    it.part("escape", Escape(tell, parts.clock, parts.health, parts.worker).run)
    name = configured.settings.kafka.instance or parts.worker
    clock = await shared_clock(parts.store, parts.thread, parts.health)  # how old a call is, a desk reads
    it.part("clock", clock.run)
    group = configured.settings.kafka.group
    caller = Caller(status, name, group, parts.worker, parts.store, parts.thread, clock)
    it.part("call", caller.run)
    stack.push_async_callback(caller.leave)


def _teller(
    configured: Configured, parts: Parts, client: httpx.AsyncClient
) -> Callable[[Iterable[Transition]], Awaitable[int]]:
    """What tells people without a record, by the accounts of alerting.yaml: a worker's escape channel."""
    clock, health = parts.clock, parts.health
    store: Any = parts.store  # never asked
    try:
        channels = configured.alerting.channels(client, clock, configured.secret)
    except (AlertingError, MonitorError, OSError, KeyError) as error:  # secrets may be the desks' alone
        what = f"no way to tell people while the database is down: {error}"
        health.notices["escape"] = Text(f"数据库停机期间无法通知任何人：{error}", what)
        channels = {}
    policy = configured.policy(clock.now_ms())
    return Sender(store, channels, policy, configured.names, clock).tell_unrecorded


def name_of_process(settings: Settings) -> str:
    """A name that no other process has, nor this one at its next start."""
    return f"{settings.kafka.instance or socket.gethostname()}-{uuid.uuid4().hex[:8]}"


async def opened_store(configured: Configured, health: Health, stack: AsyncExitStack, name: str) -> Any:
    """A connection of its own to the store, in a thread of its own.

    Raises:
        MonitorError: The store is a folder's, and a daemon has that for itself.
    """
    if not configured.settings.postgres.url:
        stack.enter_context(owned(configured.data, shared=True))
    thread = StoreThread(name, health)
    stack.callback(thread.close)
    store = await thread.run(_store, configured, name)
    stack.push_async_callback(thread.run, store.close)
    return thread, store


def _store(configured: Configured, name: str) -> Any:
    postgres = configured.settings.postgres
    if not postgres.url:
        return SqliteStore(configured.data / "store.db")
    from monitor.store.postgres import PostgresStore  # noqa: PLC0415 - an extra

    return PostgresStore(postgres.address(configured.base), name)


def _probes(
    status: WorkerStatus, tokens: Tokens, metrics: Metrics, letters: DeadLetters, settings: Settings
) -> FastAPI:
    """What supervisors and Prometheus ask of a worker."""
    web = bare_app("slawatch worker", Streams(metrics.streams))
    access = Access(tokens, settings.limits.requests_per_minute, time.monotonic)
    web.include_router(probe_routes(status, access, metrics, letters))
    return web


async def _untold(_transitions: list[Transition]) -> int:
    """What cannot be stored waits for the store, since the desks would tell it again; ``Escape`` says so."""
    return 0


def migrate(settings: Settings, base: Path) -> None:
    """Bring the shared database to the schema of this version; whoever says so has a copy.

    Raises:
        MonitorError, AlertingError: There is none, or it cannot be reached.
    """
    from monitor.store.postgres import PostgresStore  # noqa: PLC0415 - an extra

    if not settings.postgres.url:
        raise MonitorError(
            "postgres.url: no database is named", mend="name the one of the cluster", code="postgres"
        )
    PostgresStore(settings.postgres.address(base), "migrate", migrate=True).close()


def split_topic(settings: Settings, base: Path, partitions: int) -> int:
    """Give topic and database more partitions, while nothing runs; how many shops went to another shard.

    Raises:
        MonitorError, AlertingError: It cannot be done, and why.
    """
    from monitor.runtime.cluster.split import split  # noqa: PLC0415 - only this wants it

    configured = configure(settings, base)
    store = _store(configured, "split")
    try:
        return split(link_of(settings.kafka, base), settings.kafka, store, partitions, SystemClock().now_ms())
    finally:
        store.close()
