"""The web application: what answers where. ``monitor.app`` passes in what it answers from."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from monitor import limits
from monitor.web.access import Access
from monitor.web.api import api_routes, probe_routes, why_routes
from monitor.web.body import Bodies
from monitor.web.callbacks import callback_routes
from monitor.web.desk_pages import DeskPages
from monitor.web.evidence import evidence_routes
from monitor.web.ingest import Ingest, dead_letter_routes, ingest_routes
from monitor.web.one_shop import one_shop_routes
from monitor.web.pages import Pages, add_documents, add_static, page_routes, stream_routes
from monitor.web.phone import Phone, phone_routes
from monitor.web.problems import add_handlers
from monitor.web.receipts import receipt_routes
from monitor.web.rules import rules_routes
from monitor.web.shell import OneAddress, Shell
from monitor.web.silences import silence_routes
from monitor.web.stream import Streams
from monitor.web.sums import SumsPort, sums_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from alerting.links import Links
    from alerting.ports import TapReader
    from alerting.receipts import Receipts
    from monitor.sinks.dead_letters import DeadLetters
    from monitor.sinks.metrics import Metrics
    from monitor.sources.chatwoot import ChatwootSource
    from monitor.web.desk_pages import SumsShown
    from monitor.web.desk_port import DeskPort
    from monitor.web.evidence import EvidencePort
    from monitor.web.one_shop import ShopPort
    from monitor.web.ports import EntrancePort, ReasonsPort, ViewPort
    from monitor.web.rules import RulesPort
    from monitor.web.tokens import Tokens
    from monitor.web.words import Language


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the configuration says about the web."""

    language: Language = "zh"
    timezone: str = "Asia/Shanghai"  # of the page's clock
    requests_per_minute: int = limits.REQUESTS_PER_MINUTE
    body_bytes: int = limits.BODY_BYTES
    webhooks: Mapping[str, ChatwootSource] = field(default_factory=dict)
    callbacks: Mapping[str, TapReader] = field(default_factory=dict)
    receipts: Receipts | None = None  # None: nobody pushes any
    links: Links | None = None  # None: messages carry none
    sums: SumsPort | None = None  # None: figures over shops are not shown
    stream_interval_s: float = limits.STREAM_INTERVAL_S


@dataclass(frozen=True, slots=True)
class WebPorts:
    """What the daemon and a cluster's desk answer from alike."""

    view: ViewPort  # where pages and API read figures
    desk: DeskPort  # where acknowledgements and silences go
    reasons: ReasonsPort  # why somebody was told, or was not
    evidence: EvidencePort  # what a figure is made of
    rules: RulesPort  # where rules are put in force
    tokens: Tokens  # who may do what
    metrics: Metrics  # counted into, and exposed
    dead_letters: DeadLetters  # listed and replayed; what is refused goes there through the entrance
    clock_ms: Callable[[], int]  # the wall clock, epoch milliseconds


def build_app(
    ports: WebPorts,
    entrance: EntrancePort,
    options: WebOptions,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """Build the application of the daemon.

    Args:
        ports: What it answers from.
        entrance: Where events go.
        options: From the configuration.
        monotonic_s: For rate limits.

    Returns:
        An application whose ``state.streams.stop()`` ends the live pages; call it when the server stops.
    """
    access = Access(ports.tokens, options.requests_per_minute, monotonic_s)
    pages = Pages(ports.view, ports.clock_ms, options.language, options.timezone)
    ingest, bodies = Ingest(entrance, ports.metrics), Bodies(ports.metrics)
    app, streams = _live_app("slawatch", ports, options)
    webhooks, clock_ms = options.webhooks, ports.clock_ms
    app.include_router(
        ingest_routes(
            ingest, access, bodies, clock_ms=clock_ms, body_bytes=options.body_bytes, webhooks=webhooks
        )
    )
    app.include_router(evidence_routes(ports.evidence, access))
    _add_alerts(app, ports, access, pages, bodies, options)
    app.include_router(stream_routes(ports.view, access, streams))
    app.include_router(dead_letter_routes(ingest, access, ports.dead_letters, webhooks, clock_ms))
    app.include_router(page_routes(pages, ports.view, ports.desk, access, streams, bodies))
    add_documents(app, pages)
    return app


def build_desk_app(
    ports: WebPorts, shops: ShopPort, sums: Callable[[], SumsShown], options: WebOptions
) -> FastAPI:
    """Build the application of a cluster's desk: alerts, what people do about them, and sums over shops.

    Args and Returns are those of ``build_app``, and ``shops``: one shop at a time; ``sums``: those last read.
    """
    access = Access(ports.tokens, options.requests_per_minute, time.monotonic)
    pages = DeskPages(ports.view, ports.clock_ms, options.language, options.timezone)
    pages.sums = sums
    bodies = Bodies(ports.metrics)
    app, streams = _live_app("slawatch desk", ports, options)
    app.include_router(evidence_routes(ports.evidence, access))
    app.include_router(one_shop_routes(shops, access))
    _add_alerts(app, ports, access, pages, bodies, options)
    app.include_router(page_routes(pages, ports.view, ports.desk, access, streams, bodies))
    add_documents(app, pages)
    return app


def _live_app(title: str, ports: WebPorts, options: WebOptions) -> tuple[FastAPI, Streams]:
    """An application with live pages, which end when it does; its requests are counted and logged."""
    streams = Streams(ports.metrics.streams, options.stream_interval_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        streams.stop()

    app = bare_app(title, streams, version=version("slawatch"), lifespan=lifespan)
    app.add_middleware(Shell, metrics=ports.metrics)
    return app, streams


def bare_app(title: str, streams: Streams, **more: Any) -> FastAPI:
    """An application that answers nothing yet; it describes itself by pages of ours, or not at all."""
    undescribed: dict[str, Any] = dict.fromkeys(("docs_url", "redoc_url", "openapi_url"))
    app = FastAPI(title=title, redirect_slashes=False, **undescribed, **more)
    app.add_middleware(OneAddress)
    app.state.streams = streams
    add_handlers(app)
    return app


def _add_alerts(
    app: FastAPI, ports: WebPorts, access: Access, pages: Pages, bodies: Bodies, options: WebOptions
) -> None:
    """What daemon and desk answer alike: alerts, wherever people act on them, the rules, and why."""
    view, desk, clock_ms = ports.view, ports.desk, ports.clock_ms
    app.include_router(api_routes(view, desk, access))
    app.include_router(silence_routes(view, desk, access, clock_ms))
    app.include_router(rules_routes(ports.rules, access))
    if options.sums:
        app.include_router(sums_routes(options.sums, access))
    app.include_router(callback_routes(options.callbacks, desk, bodies))
    if options.receipts:
        app.include_router(receipt_routes(options.receipts, bodies))
    if options.links:
        app.include_router(phone_routes(pages, Phone(options.links, view, desk, clock_ms), view, bodies))
    add_static(app)
    app.include_router(why_routes(ports.reasons, access))
    app.include_router(probe_routes(view, access, ports.metrics, ports.dead_letters))
