"""Silences over the API: what would be held, what is, from when to when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from alerting.policy.match import NAMES, is_name
from monitor.sources.times import parse_duration_ms, parse_time
from monitor.web import API
from monitor.web.api import as_json, scoped_alerts
from monitor.web.desk_port import Silence
from monitor.web.problems import ApiError
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.web.access import Access
    from monitor.web.desk_port import DeskPort
    from monitor.web.ports import AlertView, ViewPort
    from monitor.web.tokens import Grant


class PreviewRequest(BaseModel):
    """What a silence would match: labels of alerts and patterns."""

    model_config = ConfigDict(extra="forbid")
    matchers: dict[str, str] = Field(min_length=1, max_length=10)

    def check(self, grant: Grant) -> None:
        """Whether every name means something and the grant reaches so far.

        Raises:
            ApiError: 422 for a name that no alert bears, 403 beyond the token's shops.
        """
        for name in self.matchers:
            if not is_name(name):
                near = closest(name, NAMES)
                mend = f"did you mean {near}?" if near else f"there are {', '.join(NAMES)}, labels.NAME"
                raise ApiError(422, "invalid", f"no alert has a label {name!r}", mend)
        if not _within(grant, self.matchers):
            raise ApiError(
                403,
                "forbidden",
                "the silence reaches beyond this token's shops",
                "match one of them as `shop`",
            )


def _within(grant: Grant, matchers: dict[str, str]) -> bool:
    return grant.covers_all or grant.covers(matchers.get("shop", ""))


class SilenceRequest(PreviewRequest):
    """What to mute, and until when: `for` a duration, until `ends`, or `until_resolved`."""

    duration: str = Field(default="", alias="for", max_length=20)
    ends: str = Field(default="", max_length=40)
    until_resolved: bool = False
    comment: str = Field(default="", max_length=500)

    def ends_ms(self, now_ms: int) -> int:
        """When it ends; 0 is until resolved.

        Raises:
            ApiError: Not exactly one end is given, or it is none.
        """
        given = [bool(self.duration), bool(self.ends), self.until_resolved]
        if sum(given) != 1:
            raise ApiError(
                422, "invalid", "a silence needs one end", "give `for`, `ends` or `until_resolved`"
            )
        if self.until_resolved:
            return 0
        length_ms = parse_duration_ms(self.duration) if self.duration else None
        ends_ms = parse_time(self.ends) if self.ends else (now_ms + length_ms if length_ms else None)
        if ends_ms is None or ends_ms <= now_ms:
            raise ApiError(
                422,
                "invalid",
                "the end is none, or past",
                "give `for` as 2h or `ends` as RFC 3339 with an offset",
            )
        return ends_ms


def silence_routes(view: ViewPort, desk: DeskPort, access: Access, clock_ms: Callable[[], int]) -> APIRouter:
    """The routes that silence."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    def matched(grant: Grant, body: PreviewRequest) -> list[AlertView]:
        body.check(grant)
        keys = set(desk.matching(body.matchers))
        return [alert for alert in scoped_alerts(view, grant) if alert.id in keys]

    @routes.get("/silences", summary="Silences in force")
    async def get_silences(request: Request) -> Response:
        grant = access.require(request, "viewer")
        return as_json({"silences": [s for s in desk.silences_in_force() if _within(grant, s.matchers)]})

    @routes.post("/silences/preview", summary="What a silence would mute now; it mutes nothing")
    async def post_preview(request: Request, body: PreviewRequest) -> Response:
        return as_json({"alerts": matched(access.require(request, "viewer"), body)})

    @routes.post("/silences", status_code=201, summary="Mute alerts for a while")
    async def post_silence(request: Request, body: SilenceRequest) -> Response:
        grant = access.require(request, "lead")
        alerts = matched(grant, body)
        ends_ms = body.ends_ms(clock_ms())
        if body.until_resolved and not alerts:
            raise ApiError(422, "invalid", "nothing fires that it matches", "give it an end, `for` or `ends`")
        silence_id = await desk.silence(Silence(body.matchers, ends_ms, grant.name, body.comment))
        return as_json({"id": silence_id, "ends_ms": ends_ms, "alerts": [one.id for one in alerts]}, 201)

    @routes.delete("/silences/{silence_id}", summary="End a silence now")
    async def delete_silence(request: Request, silence_id: str) -> Response:
        """What still fires is told at once."""
        grant = access.require(request, "lead")
        known = next((s for s in desk.silences_in_force() if s.id == silence_id), None)
        if known is None or not _within(grant, known.matchers):
            what = f"no silence {silence_id!r} is in force"
            raise ApiError(404, "not_found", what, "GET /api/v1/silences lists them")
        await desk.unsilence(silence_id, grant.name)
        return as_json({"ended": silence_id, "by": grant.name})

    return routes
