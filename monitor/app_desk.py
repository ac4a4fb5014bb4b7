"""The composition root of a cluster's desk: from settings to one desk of several, with its sender.

settings → rules, receivers → store · desk, under a lease · channels, sender · probes, acknowledgements
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx

from monitor.app import receipts_of, sender_of
from monitor.app_cluster import name_of_process, opened_store
from monitor.auditing import PART
from monitor.charting import chart, charts_of
from monitor.configured import Configured, configure
from monitor.logs import configure_logging
from monitor.onlooking import onlooking_of
from monitor.receivers import Receivers, Under, receivers_of
from monitor.runtime import limits
from monitor.runtime.aggregate_loop import AggregateLoop
from monitor.runtime.cluster.desk import LeadingDesk
from monitor.runtime.cluster.roll import Roll
from monitor.runtime.desk_files import DeskFiles
from monitor.runtime.desk_loop import DeskLoop
from monitor.runtime.health import Health, keep_running
from monitor.runtime.link_key import links_of
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.published_sums import PublishedSums
from monitor.runtime.reload import Reload, on_hangup
from monitor.runtime.server import serving, told_to_stop, until_ended
from monitor.runtime.shared_clock import SharedClock, shared_clock
from monitor.runtime.status import SenderMetrics, desk_status, measure_desk
from monitor.runtime.view import View
from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.web.app import WebOptions, WebPorts, build_desk_app
from monitor.web.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from fastapi import FastAPI

    from alerting.auditor import Auditor
    from alerting.ports import TapReader
    from alerting.receipts import Receipts
    from alerting.sender import Sender
    from monitor.charting import Charts
    from monitor.onlooking import Onlooking
    from monitor.runtime.desk_port import DeskDoor
    from monitor.runtime.worker_thread import StoreThread
    from monitor.settings import Settings
    from monitor.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Parts:
    """What a desk is made of, for the parts that run beside each other."""

    name: str
    loop: DeskLoop
    sender: Sender
    receipts: Receipts
    receivers: Receivers
    view: View
    health: Health
    reload: Reload
    auditor: Auditor
    store: SqliteStore  # or PostgreSQL's, which has the same methods
    thread: StoreThread
    clock: SharedClock
    leading: LeadingDesk
    over_shops: AggregateLoop
    sums: PublishedSums


async def run_desk(settings: Settings, base: Path, *, announce: Callable[[str], object] = print) -> None:
    """Run a desk until it is told to stop (SIGTERM, SIGINT).

    Args:
        settings: The configuration.
        base: What relative paths in it start from.
        announce: Told its address once it answers.

    Raises:
        MonitorError, RulesError, AlertingError: It cannot start, and why.
    """
    configure_logging(settings.log.format, settings.log.level)
    configured, stop = configure(settings, base), told_to_stop()
    async with desk(configured) as (url, reload, health):
        on_hangup(reload)
        announce(url)
        await until_ended(stop, health.ended())


@asynccontextmanager
async def desk(configured: Configured) -> AsyncIterator[tuple[str, Reload, Health]]:
    """A desk and its sender, waiting for the lead or leading.

    Gives its address, what reads its rules, and what is wrong with it.
    """
    settings, metrics, health = configured.settings, Metrics(), Health()
    tokens, name = _tokens(configured), f"desk {name_of_process(settings)}"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient())
        thread, store = await opened_store(configured, health, stack, name)
        clock = await shared_clock(store, thread, health)
        ways = client, clock, configured.secret
        channels, callbacks = configured.alerting.channels(*ways), configured.alerting.callbacks(*ways)
        configured = configured.signing(await links_of(store, thread, settings.public_url))
        stack.callback((letters := DeadLetters(configured.data / "dead_letters.db")).close)
        loop = DeskLoop(
            configured.policy(clock.now_ms()),
            store,
            thread,
            clock,
            health=health,
            on_intents=lambda: sender.wake(),  # noqa: PLW0108 - made below: each wakes the other
            tell_unrecorded=lambda intents: sender.tell_unrecorded(intents),  # noqa: PLW0108 - the same
            owner=name,
        )
        status = partial(desk_status, health, clock.now_ms(), clock, version("slawatch"))
        view = View(lambda: None, lambda: loop.desk, configured.names, status)
        charts = charts_of(configured, "desk", tuple, view.status, clock, stack)
        under = Under(store, thread, clock, loop, health)
        sender = sender_of(configured, channels, under, SenderMetrics(metrics, charts), name)
        receipts = receipts_of(configured, sender, under)
        given = configured, channels, callbacks, client, sender, receipts, metrics
        door, auditor, receivers = receivers_of(*given, under)
        plans = PlanBook()
        reload = await _reload(configured, plans, under, receivers)
        shards = settings.kafka.partitions
        ours = loop, sender, receipts, receivers, view, health, reload, auditor, store, thread, clock
        parts = Parts(name, *ours, *_leading(under, name, shards))
        asked = onlooking_of(configured, plans, under, lambda: parts.over_shops.shard, stack)
        web = _web(configured, parts, asked, door, callbacks, tokens, metrics, letters)
        url = await stack.enter_async_context(serving(web, settings.host, settings.port))
        await stack.enter_async_context(_running(parts, shards, metrics, charts, configured.plan.name))
        yield url, reload, health


def _tokens(configured: Configured) -> Tokens:
    """Who may ask, with the folder that they are kept in."""
    configured.data.mkdir(parents=True, exist_ok=True)
    tokens = Tokens(configured.data / "tokens.json")
    configured.settings.require_safe(tokens=len(tokens))
    return tokens


async def _reload(configured: Configured, plans: PlanBook, under: Under, receivers: Receivers) -> Reload:
    """What puts rules in force; names are of those that are."""
    store, thread, _, _, health = under
    await thread.run(partial(plans.apply, store, configured.plan, first=True))
    configured.names.use(plans.plan.packs, plans.plan.rules)
    return Reload(configured.again, plans, configured.names, store, thread, health, receivers.prepare)


@asynccontextmanager
async def _running(
    parts: Parts, shards: int, metrics: Metrics, charts: Charts | None, plan: str
) -> AsyncIterator[None]:
    """Every part beside the others; at the end what is being sent is finished and the lead let go."""
    desk = parts.leading
    parts.auditor.leads = lambda: desk.leads
    roll = Roll(parts.loop, lambda: desk.leads, shards, parts.store, parts.thread, parts.clock)
    files = DeskFiles(
        lambda: parts.receivers.digest,
        parts.name,
        lambda: desk.leads,
        parts.store,
        parts.thread,
        parts.health,
    )
    bodies: dict[str, Callable[[], Awaitable[None]]] = {
        "desk": desk.run,
        "sender": parts.sender.run,
        "receipts": parts.receipts.run,
        "look": partial(desk.look, parts.loop.wake, parts.sender.wake),
        "housekeeping": desk.keep_house,
        "rules": parts.reload.follow,
        "other rules": partial(parts.reload.say_other, plan),
        PART: parts.auditor.run,
        "calendar": parts.receivers.run,
        "roll": roll.run,
        "metrics": partial(measure_desk, desk, parts.loop, metrics),
        "clock": parts.clock.run,
        "files": files.run,
        "aggregate": parts.over_shops.run,
        "sums": parts.sums.run,
    }
    chart(charts, bodies.__setitem__, parts.health, metrics, parts.loop.hear, parts.clock)
    tasks = {
        name: asyncio.create_task(keep_running(name, body, parts.health)) for name, body in bodies.items()
    }
    try:
        yield
    finally:
        parts.sender.finish()
        await parts.over_shops.save()
        await asyncio.wait([tasks["sender"]], timeout=limits.FINISH_S)
        await desk.release()
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _leading(under: Under, name: str, shards: int) -> tuple[LeadingDesk, AggregateLoop, PublishedSums]:
    """The lead, what whoever has it judges of sums over shops, and what everybody shows of them."""
    store, thread, clock, loop, _ = under
    desk = LeadingDesk(loop, store, thread, clock, name)
    every = range(shards)
    over = AggregateLoop(PlanBook(), store, thread, clock, every, loop.wake, lambda: desk.leads)
    return desk, over, PublishedSums(PlanBook(), store, thread, shards)


def _web(
    configured: Configured,
    parts: Parts,
    asked: Onlooking,
    door: DeskDoor,
    callbacks: Mapping[str, TapReader],
    tokens: Tokens,
    metrics: Metrics,
    letters: DeadLetters,
) -> FastAPI:
    """Alerts, acknowledgements and silences, figures that are asked for, and what supervisors ask."""
    settings, names = configured.settings, configured.names
    options = WebOptions(
        language=settings.language,
        timezone=names.timezone,
        requests_per_minute=settings.limits.requests_per_minute,
        callbacks=callbacks,
        receipts=parts.receipts,
        links=names.links,
        sums=parts.sums,
    )
    ports = WebPorts(
        view=parts.view,
        desk=door,
        reasons=asked.reasons,
        evidence=asked.evidence,
        rules=parts.reload,
        tokens=tokens,
        metrics=metrics,
        dead_letters=letters,
        clock_ms=parts.clock.now_ms,
    )
    return build_desk_app(ports, asked.shops, lambda: parts.sums.latest, options)
