"""The composition root: from settings to a running daemon, each part built once and passed on.

settings → packs, rules → plan → shard · journal, store · desk · channels, sender · pages and API
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx

from alerting.receipts import Receipts
from alerting.sender import Sender
from monitor.auditing import PART
from monitor.charting import chart, charts_of
from monitor.configured import configure, files_of_rules
from monitor.logs import configure_logging
from monitor.receivers import Under, receivers_of
from monitor.runtime.clock import ManualClock, SystemClock
from monitor.runtime.dead_letter_box import DeadLetterBox
from monitor.runtime.embedded import Embedded, Files, opened
from monitor.runtime.evidence import Evidence, of_journal
from monitor.runtime.link_key import links_of
from monitor.runtime.memory import collect_seldom, keep_one_heap
from monitor.runtime.packless import Packless
from monitor.runtime.passing import first_time, follow, refuse_real_channels
from monitor.runtime.plan_book import PlanBook
from monitor.runtime.published_sums import PublishedSums
from monitor.runtime.reasons import Reasons, live
from monitor.runtime.reload import Reload, on_hangup, stamps_of
from monitor.runtime.server import serving, told_to_stop
from monitor.runtime.shard_figures import ShardFigures
from monitor.runtime.status import Gauges, SenderMetrics, account_failed, account_well, status_of
from monitor.runtime.told import Timings
from monitor.runtime.view import View
from monitor.shard.shard import Shard
from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.store.journal import JournalLimits
from monitor.web.app import WebOptions, WebPorts, build_app
from monitor.web.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from alerting.auditor import Auditor
    from alerting.channels.base import Channel
    from alerting.ports import TapReader
    from monitor.charting import Charts
    from monitor.configured import Configured
    from monitor.runtime.clock import Clock
    from monitor.runtime.names import Names
    from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Daemon:
    """What runs, for who started it in process."""

    running: Embedded
    view: View
    sender: Sender
    gauges: Gauges
    reload: Reload
    auditor: Auditor
    url: str


async def run(
    settings: Settings,
    base: Path,
    *,
    clock_file: Path | None = None,
    announce: Callable[[str], object] = print,
) -> None:
    """Run the daemon until it is told to stop (SIGTERM, SIGINT), then write its state.

    Args:
        settings: The configuration.
        base: What relative paths in it start from.
        clock_file: For tests: a file whose time is the daemon's.
        announce: Told the address once it answers.

    Raises:
        MonitorError, RulesError, AlertingError: It cannot start, and why.
    """
    keep_one_heap()
    configure_logging(settings.log.format, settings.log.level)
    places = files_of_rules(settings, base)
    read = stamps_of(places)  # what changes while the daemon starts is seen by the first look
    configured = configure(settings, base)
    clock: Clock = SystemClock()
    if clock_file is not None:
        refuse_real_channels(configured.alerting)
        clock = ManualClock(first_time(clock_file))
    stop = told_to_stop()
    async with daemon(configured, clock) as it:
        it.running.part("memory", collect_seldom)
        if clock_file is None:  # under a told clock things are late whenever it jumps
            it.running.part(PART, it.auditor.run)
        it.running.part("rules", partial(it.reload.watch, places, read))
        on_hangup(it.reload)
        if clock_file is not None and isinstance(clock, ManualClock):
            it.running.part("clock", partial(follow, clock_file, clock, it.running.settled))
        announce(it.url)
        await stop.wait()


@asynccontextmanager
async def daemon(configured: Configured, clock: Clock) -> AsyncIterator[Daemon]:
    """Everything running, and at the end everything written and closed.

    Args:
        configured: What the files say.
        clock: Of shard, desk, sender and pages.
    """
    settings, metrics, data = configured.settings, Metrics(), configured.data
    async with AsyncExitStack() as stack:
        tokens = Tokens(data / "tokens.json")
        settings.require_safe(tokens=len(tokens))
        client = await stack.enter_async_context(httpx.AsyncClient())
        ways = client, clock, configured.secret
        channels = configured.alerting.channels(*ways)
        callbacks = configured.alerting.callbacks(*ways)
        kept = JournalLimits(settings.journal.keep, settings.journal.keep_size, settings.low_water)
        files = await stack.enter_async_context(opened(data, clock, kept))
        configured = configured.signing(await links_of(files.store, files.thread, settings.public_url))
        stack.callback((letters := DeadLetters(data / "dead_letters.db")).close)
        box = DeadLetterBox(letters)
        stack.callback(box.close)
        running = await _embedded(configured, files, clock, box, metrics)
        view = _view(running, configured.names)
        charts = charts_of(configured, "run", partial(_shards, running), view.status, clock, stack)
        stack.push_async_callback(running.stop)
        under = Under(running.store, running.thread, clock, running.desk_loop, running.health)
        sender = sender_of(configured, channels, under, SenderMetrics(metrics, charts), "sender")
        receipts = receipts_of(configured, sender, under)
        _send_by(running, sender)
        gauges = Gauges(running, view, metrics)
        _look_at_steps(running, gauges, metrics, charts)
        ours = configured, channels, callbacks, client, sender, receipts, metrics
        door, auditor, receivers = receivers_of(*ours, under, running.expect)
        again = configured.again, running.plans, configured.names
        reload = Reload(*again, running.store, running.thread, running.health, receivers.prepare)
        ports = WebPorts(
            view=view,
            desk=door,
            reasons=_reasons(configured, running),
            evidence=_evidence(running, stack),
            rules=reload,
            tokens=tokens,
            metrics=metrics,
            dead_letters=letters,
            clock_ms=clock.now_ms,
        )
        web = build_app(ports, running.entrance, _web_options(configured, callbacks, receipts, running))
        url = await stack.enter_async_context(serving(web, settings.host, settings.port))
        await running.start()
        running.part("sender", sender.run, finish=sender.finish)
        running.parts(receipts=receipts.run, calendar=receivers.run, pages=view.run, metrics=gauges.run)
        for directory in configured.settings.directories(configured.base):
            running.follow(directory, metrics.took)
        running.part("dead letters", partial(box.sweep, clock))
        chart(charts, running.part, running.health, metrics, running.desk_loop.hear, clock)
        yield Daemon(running, view, sender, gauges, reload, auditor, url)


def _look_at_steps(running: Embedded, gauges: Gauges, metrics: Metrics, charts: Charts | None) -> None:
    """Have what each step gave out counted and drawn, and its shops looked at."""
    if charts is not None:
        running.on_clock += 1
        running.outputs_told.append(charts.outputs)
    packless = Packless(partial(_shard, running), running.health, metrics.packless.set)
    running.outputs_told += [gauges.count, packless.look]
    running.refusals_told.append(gauges.refused)


async def _embedded(
    configured: Configured, files: Files, clock: Clock, box: DeadLetterBox, metrics: Metrics
) -> Embedded:
    plans = PlanBook()
    await files.thread.run(plans.apply, files.store, configured.plan)
    return Embedded(
        files,
        partial(plans.shard, files.store, 0),
        configured.policy(clock.now_ms()),
        clock,
        box,
        plans=plans,
        lateness_ms=configured.settings.lateness,
        timings=Timings(
            metrics.step_seconds.observe, metrics.checkpoint_seconds.observe, metrics.append_seconds.observe
        ),
    )


def _send_by(running: Embedded, sender: Sender) -> None:
    """Have the sender woken by the desk; its accounts and receipts wait for the clock."""
    running.expect(len(sender.lines) + 1)
    running.intents_told.append(sender.wake)
    running.tell_unrecorded = sender.tell_unrecorded


def sender_of(
    configured: Configured, channels: Mapping[str, Channel], under: Under, metrics: SenderMetrics, owner: str
) -> Sender:
    """The sender, waking the desk; ``owner`` names it among several."""
    return Sender(
        under.store,
        channels,
        under.loop.policy,
        configured.names,
        under.clock,
        owner=owner,
        worker=under.thread,
        on_result=under.loop.wake,
        metrics=metrics,
        on_error=partial(account_failed, under.health),
        on_well=partial(account_well, under.health),
        templates=configured.alerting.templates(),
    )


def receipts_of(configured: Configured, sender: Sender, under: Under) -> Receipts:
    """What takes in receipts of SMS.

    Raises:
        ConfigError: Secrets that cannot be read, one line each.
    """
    readers = configured.alerting.receipt_readers(under.clock, configured.secret)
    return Receipts(readers, sender.lines, under.store, under.clock, under.thread, under.loop.wake)


def _evidence(running: Embedded, stack: AsyncExitStack) -> Evidence:
    plans, journal, loop = running.plans, running.journal, running.shard_loop
    evidence = Evidence(lambda: plans.plan, of_journal(journal), lambda: loop.arrival_ms)
    stack.callback(evidence.close)
    return evidence


def _web_options(
    configured: Configured, callbacks: Mapping[str, TapReader], receipts: Receipts, running: Embedded
) -> WebOptions:
    settings = configured.settings
    return WebOptions(
        language=settings.language,
        timezone=configured.names.timezone,
        requests_per_minute=settings.limits.requests_per_minute,
        body_bytes=settings.limits.body,
        webhooks=settings.chatwoot_sources(configured.base),
        callbacks=callbacks,
        receipts=receipts,
        links=configured.names.links,
        sums=PublishedSums(running.plans, running.store, running.thread, 1),
    )


def _view(running: Embedded, names: Names) -> View:
    """Pages over the shard that is live and the desk that is live."""
    started_ms, ours = running.clock.now_ms(), version("slawatch")

    def figures() -> ShardFigures | None:
        shard = _shard(running)
        return ShardFigures(shard) if shard else None

    return View(figures, lambda: running.desk_loop.desk, names, partial(status_of, running, started_ms, ours))


def _reasons(configured: Configured, running: Embedded) -> Reasons:
    """Why, from the live shard, the live desk and what the desk noted."""
    names, desk = configured.names, lambda: running.desk_loop.desk
    store, thread, clock = running.store, running.thread, running.clock
    over = lambda: running.aggregate.shard  # noqa: E731 - as the others are
    return Reasons(lambda: names.rules, live(partial(_shard, running), over), desk, store, thread, clock)


def _shard(running: Embedded) -> Shard | None:
    found = running.shard_loop.shard
    return found if isinstance(found, Shard) else None


def _shards(running: Embedded) -> list[Shard]:
    return [shard] if (shard := _shard(running)) else []
