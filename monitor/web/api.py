"""Figures, alerts and what people do about them, as JSON; how the daemon is, for probes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alerting import limits as desk_limits
from alerting.policy.acts import Opinion
from monitor.sinks.metrics import CONTENT_TYPE
from monitor.sources.times import parse_duration_ms
from monitor.web import API
from monitor.web.ports import AlertView, UnknownError
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from monitor.sinks.dead_letters import DeadLetters
    from monitor.sinks.metrics import Metrics
    from monitor.web.access import Access
    from monitor.web.desk_port import DeskPort
    from monitor.web.ports import ReasonsPort, ShopView, Status, ViewPort, WaitingView
    from monitor.web.tokens import Grant


class StatusPort(Protocol):
    """What probes ask of a process, be it the daemon or a worker of a cluster."""

    def status(self) -> Status:
        """How it is."""


class Comment(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")
    comment: str = Field(default="", max_length=500)


class AckRequest(Comment):
    """Why, and perhaps for how long: `for` a duration, else as the configuration says."""

    duration: str = Field(default="", alias="for", max_length=20)


class OpinionRequest(Comment):
    """What an alert was worth."""

    opinion: Opinion


def scoped_shops(view: ViewPort, grant: Grant) -> list[ShopView]:
    """The shops a grant may see, the nearest to a line first."""
    shops = view.shops()
    return shops if grant.covers_all else [shop for shop in shops if grant.covers(shop.key)]


def scoped_waiting(view: ViewPort, grant: Grant, limit: int) -> tuple[list[WaitingView], int]:
    """The conversations about to time out a grant may see, the soonest, and how many there are."""
    return view.at_risk(limit, None if grant.covers_all else grant.covers)


def scoped_alerts(view: ViewPort, grant: Grant) -> list[AlertView]:
    """The open alerts a grant may see: of its shops, and of sources where it sees all."""
    alerts = view.alerts()
    return (
        alerts if grant.covers_all else [one for one in alerts if grant.covers(one.subject.get("shop", ""))]
    )


def api_routes(view: ViewPort, desk: DeskPort, access: Access) -> APIRouter:
    """The routes that read figures and act on alerts."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/shops", summary="Shops, the nearest to a line first")
    async def get_shops(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        shops = scoped_shops(view, access.require(request, "viewer"))
        return as_json({"total": len(shops), "shops": shops[offset : offset + limit]})

    @routes.get("/shops/{platform}/{shop_id:path}", summary="One shop with all its figures")
    async def get_shop(request: Request, platform: str, shop_id: str) -> Response:
        grant = access.require(request, "viewer")
        shop = view.shop(platform, shop_id) if grant.covers(f"{platform}:{shop_id}") else None
        if shop is None:
            what = f"shop {platform}:{shop_id} was never seen, or is not within this token"
            raise ApiError(404, "not_found", what, "GET /api/v1/shops lists those that were")
        return as_json(shop)

    @routes.get("/at-risk", summary="Conversations about to time out, the soonest first")
    async def get_at_risk(request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> Response:
        grant = access.require(request, "viewer")
        soonest, total = scoped_waiting(view, grant, limit)
        return as_json({"now_ms": view.status().now_ms, "total": total, "at_risk": soonest})

    @routes.get("/status", summary="How the daemon is: its clock, its sources, what is wrong")
    async def get_status(request: Request) -> Response:
        """Of each source: whether it is blind, when it was last heard, how many events came too late."""
        access.require(request, "viewer")
        return as_json(in_english(view.status()))

    @routes.get("/alerts", summary="Open alerts, crit first")
    async def get_alerts(request: Request) -> Response:
        return as_json({"alerts": scoped_alerts(view, access.require(request, "viewer"))})

    _add_actions(routes, view, desk, access)
    return routes


def _add_actions(routes: APIRouter, view: ViewPort, desk: DeskPort, access: Access) -> None:
    @routes.post("/alerts/{alert_id:path}/ack", summary="Acknowledge an alert")
    async def post_ack(request: Request, alert_id: str, body: AckRequest | None = None) -> Response:
        """Nobody is told again until it rises or is over, or `for` (up to 7d) is past."""
        grant = access.require(request, "lead")
        asked = body or AckRequest()
        await acknowledge(view, desk, grant, alert_id, asked.comment, holds_ms(asked.duration))
        return as_json({"acknowledged": alert_id, "by": grant.name})

    @routes.post("/alerts/{alert_id:path}/resolve", summary="Close an alert by hand")
    async def post_resolve(request: Request, alert_id: str, body: Comment | None = None) -> Response:
        """Whoever was told of it is told so; nothing more comes of it until it fires anew or rises."""
        grant = access.require(request, "lead")
        comment = body.comment if body else ""
        if not sees(view, grant, alert_id) or not await desk.resolve(alert_id, grant.name, comment):
            raise _no_alert(alert_id)
        return as_json({"resolved": alert_id, "by": grant.name})

    @routes.post("/alerts/{alert_id:path}/feedback", summary="Say whether an alert was worth it")
    async def post_feedback(request: Request, alert_id: str, body: OpinionRequest) -> Response:
        """Who calls it a false alarm has acknowledged it, too."""
        grant = access.require(request, "lead")
        if not sees(view, grant, alert_id) or not await desk.judge(
            alert_id, body.opinion, grant.name, body.comment
        ):
            raise _no_alert(alert_id)
        return as_json({"alert": alert_id, "opinion": body.opinion, "by": grant.name})

    @routes.get("/feedback", summary="What people thought of each rule's alerts, the last 30 days")
    async def get_feedback(request: Request) -> Response:
        access.require(request, "viewer")
        return as_json({"rules": [msgspec.structs.asdict(one) for one in await desk.standings()]})

    @routes.get("/audit", summary="Who did what about alerts, newest first")
    async def get_audit(
        request: Request, limit: Annotated[int, Query(ge=1, le=desk_limits.AUDIT_MAX)] = 100
    ) -> Response:
        access.require(request, "admin")
        return as_json({"acts": [msgspec.structs.asdict(one) for one in await desk.audit(limit)]})


def why_routes(reasons: ReasonsPort, access: Access) -> APIRouter:
    """The route that says why."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/why", summary="Why somebody was told of an alert, or was not")
    async def get_why(
        request: Request,
        rule: Annotated[str, Query(min_length=1, max_length=200)],
        shop: Annotated[str, Query(max_length=401)] = "",
        source: Annotated[str, Query(max_length=200)] = "",
        team: Annotated[str, Query(max_length=200)] = "",
        platform: Annotated[str, Query(max_length=200)] = "",
        agent: Annotated[str, Query(max_length=600)] = "",
    ) -> Response:
        """Steps as they were noted, then the rule's verdict now and what becomes of it.

        `shop` is `platform:shop_id`; give it or one of the others.
        """
        grant = access.require(request, "viewer")
        given = {"shop": shop, "source": source, "team": team, "platform": platform, "agent": agent}
        subject = {each: name for each, name in given.items() if name}
        if len(subject) != 1:
            raise ApiError(422, "invalid", "a rule is on one subject", "give `shop` or `source`, or `team` …")
        if not (grant.covers(shop) if shop else grant.covers_all):
            name = next(iter(subject.values()))
            raise ApiError(404, "not_found", f"{name} is not within this token", "use one it is in")
        try:
            steps = await reasons.why(rule, subject)
        except UnknownError as error:
            raise ApiError(
                404 if error.code == "not_found" else 503, error.code, error.what, error.mend
            ) from error
        return as_json({"steps": steps})

    return routes


async def acknowledge(
    view: ViewPort, desk: DeskPort, grant: Grant, alert_id: str, comment: str = "", holds_ms: int = 0
) -> None:
    """Acknowledge an alert within the grant.

    Raises:
        ApiError: 404 when there is no such open alert for the grant.
    """
    known = sees(view, grant, alert_id)
    if not known or not await desk.acknowledge(alert_id, grant.name, comment, holds_ms=holds_ms):
        raise _no_alert(alert_id)


def holds_ms(duration: str) -> int:
    """For how long an acknowledgement is to hold; 0: as the configuration says.

    Raises:
        ApiError: 422 when it is no duration, or beyond what is taken.
    """
    if not duration:
        return 0
    length_ms = parse_duration_ms(duration) or 0
    if not 0 < length_ms <= desk_limits.ACK_MS_MAX:
        raise ApiError(422, "invalid", f"{duration!r} is not how long it can hold", "give 1s to 7d, as 30m")
    return length_ms


def sees(view: ViewPort, grant: Grant, alert_id: str) -> bool:
    """Whether an open alert, if there is one of that id, is within the grant."""
    return grant.covers_all or any(one.id == alert_id for one in scoped_alerts(view, grant))


def _no_alert(alert_id: str) -> ApiError:
    return ApiError(
        404,
        "not_found",
        f"no open alert {alert_id!r}",
        "`slawatch alerts list` and GET /api/v1/alerts list the open ones",
    )


def probe_routes(view: StatusPort, access: Access, metrics: Metrics, letters: DeadLetters) -> APIRouter:
    """What supervisors and Prometheus ask."""
    routes = APIRouter(tags=["the daemon"])

    @routes.get("/healthz", summary="Whether the process answers")
    async def get_healthz() -> Response:
        return as_json({"status": "alive"})

    @routes.get("/readyz", summary="Whether it takes events and judges them in time")
    async def get_readyz() -> Response:
        status = in_english(view.status())
        shown = {"status": "ready" if status["ready"] else "not ready"}
        shown |= {name: status[name] for name in ("problems", "notices")}
        return as_json(shown, 200 if status["ready"] else 503)

    @routes.get("/metrics", summary="Prometheus metrics")
    async def get_metrics(request: Request) -> Response:
        access.require(request, "viewer")
        metrics.took_status(view.status())
        metrics.dead_letters.set(letters.kept)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return routes


def in_english(status: Status) -> dict[str, Any]:
    """A status for programs and operators, each reason one text."""
    shown = {field.name: getattr(status, field.name) for field in fields(status)}
    return shown | {name: [text.en for text in shown[name]] for name in ("problems", "notices")}


def as_json(value: object, status: int = 200) -> Response:
    """A value of the ports as a response."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")
