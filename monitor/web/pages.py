"""The first page: shops by how near they are to a line, conversations about to time out, open alerts.

Rendered here whole; afterwards its parts come rendered over the stream, so that there is one template
for each and the script only puts them in place and counts down.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from monitor import limits
from monitor.web import API
from monitor.web.access import COOKIE, Access, require_own_page
from monitor.web.api import acknowledge, as_json, scoped_alerts, scoped_shops, scoped_waiting
from monitor.web.described import operations
from monitor.web.problems import ApiError
from monitor.web.words import Language, duration, moment, person, word, zone_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from monitor.web.body import Bodies
    from monitor.web.desk_port import DeskPort
    from monitor.web.ports import LineView, ViewPort
    from monitor.web.stream import Streams
    from monitor.web.tokens import Grant

_HERE = Path(__file__).parent
_LANGUAGE_COOKIE = "slawatch_language"
_YEAR_S = 365 * 86_400


def consumed_percent(line: LineView) -> int | None:
    """How much of a line's budget is used up, 0 to 100; None where it cannot be told."""
    if line.budget_left is None:
        return None
    if line.budget_left < 0:
        return 100
    whole = line.late + line.budget_left
    return 100 * line.late // whole if whole else 0


class Pages:
    """Renders pages and their parts."""

    page = "page.html"
    names: tuple[str, ...] = ("status", "waiting", "shops", "alerts")

    def __init__(self, view: ViewPort, clock_ms: Callable[[], int], default: Language, zone: str) -> None:
        self._view = view
        self._clock_ms = clock_ms
        self._default: Language = default
        self._zone = zone
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Streams of the same people ask in the same second: they are rendered for once.
        self._rendered: dict[tuple[str, Language], tuple[int, dict[str, str]]] = {}

    def language(self, request: Request) -> Language:
        """The language asked for in the address, else as chosen before, else the default."""
        asked = request.query_params.get("lang") or request.cookies.get(_LANGUAGE_COOKIE)
        return "en" if asked == "en" else "zh" if asked == "zh" else self._default

    def render(self, template: str, language: Language, **values: Any) -> str:
        """A template with the words of a language."""
        words = partial(word, language)
        shared: dict[str, Any] = {"lang": language, "w": words, "duration": partial(duration, language)}
        shared |= {"zone": self._zone, "zone_name": zone_name(language, self._zone)}
        shared["person"] = person
        shared["moment"] = partial(moment, language, self._zone)
        return self._environment.get_template(template).render(**shared, **values)

    def parts(self, grant: Grant, language: Language) -> dict[str, str]:
        """The parts of the first page, rendered for a grant."""
        now_ms = self._clock_ms()
        key = (grant.name, language)
        at_ms, parts = self._rendered.get(key, (0, {}))
        if not parts or not 0 <= now_ms - at_ms < 500:
            parts = self._render_parts(grant, language)
            if len(self._rendered) > limits.STREAMS:
                self._rendered.clear()
            self._rendered[key] = (now_ms, parts)
        return parts

    def _render_parts(self, grant: Grant, language: Language) -> dict[str, str]:
        values = self.values(grant)
        parts = {name: self.render(f"{name}.html", language, **values) for name in self.names}
        # A shard that is still being read has no clock yet.
        parts["clock"] = str(values["now_ms"])
        return parts

    def values(self, grant: Grant) -> dict[str, Any]:
        """What the parts show, to who has a grant."""
        status = self._view.status()
        shops = scoped_shops(self._view, grant)
        shown = shops[: limits.SHOPS_ON_PAGE]
        alerts = scoped_alerts(self._view, grant)
        waiting, waits = scoped_waiting(self._view, grant, limits.AT_RISK_ON_PAGE)
        return {
            "status": status,
            "hears": True,  # sources, so that none is nothing to be calm about
            "now_ms": status.now_ms or self._clock_ms(),
            "blind": [source.name for source in status.sources if source.blind],
            "late": [source for source in status.sources if source.late_dropped],
            "shops": shown,
            "more": len(shops) - len(shown),
            "waiting": waiting,
            "more_waiting": waits - len(waiting),
            "alerts": alerts[: limits.ALERTS_ON_PAGE],
            "more_alerts": max(0, len(alerts) - limits.ALERTS_ON_PAGE),
            "may_act": grant.may("lead"),
            "consumed": consumed_percent,
        }


def page_routes(
    pages: Pages, view: ViewPort, desk: DeskPort, access: Access, streams: Streams, bodies: Bodies
) -> APIRouter:
    """The pages, and the stream that keeps them live."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def get_page(request: Request) -> Response:
        language = pages.language(request)
        try:
            grant = access.require(request, "viewer")
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            failed = COOKIE in request.cookies
            return HTMLResponse(pages.render("login.html", language, failed=failed), error.status)
        parts = pages.parts(grant, language)
        signed_in = COOKIE in request.cookies
        page = HTMLResponse(pages.render(pages.page, language, parts=parts, signed_in=signed_in))
        if request.query_params.get("lang"):
            page.set_cookie(_LANGUAGE_COOKIE, language, max_age=_YEAR_S, samesite="strict", httponly=True)
        return page

    @routes.get("/live")
    async def get_live(request: Request) -> Response:
        grant = access.require(request, "viewer")
        parts = partial(pages.parts, grant, pages.language(request))
        return streams.answer(parts, partial(access.holds, grant))

    @routes.post("/login")
    async def post_login(request: Request) -> Response:
        # The cookie is the token: whether it is a good one is for the page that follows to say.
        require_own_page(request)
        token = (await bodies.form(request)).get("token", "").strip()
        secure = request.url.scheme == "https"
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, max_age=_YEAR_S, samesite="strict", httponly=True, secure=secure)
        return answer

    @routes.post("/logout")
    async def post_logout(request: Request) -> Response:
        require_own_page(request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    @routes.post("/ack")
    async def post_ack(request: Request) -> Response:
        grant = access.require(request, "lead")
        form = await bodies.form(request)
        await acknowledge(view, desk, grant, form.get("alert", ""))
        return RedirectResponse("/", 303)

    return routes


def stream_routes(view: ViewPort, access: Access, streams: Streams) -> APIRouter:
    """The same parts as JSON, for other programs."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/stream", summary="Shops, conversations at risk and alerts as server-sent events")
    async def get_stream(request: Request) -> Response:
        """Events `shops`, `at_risk`, `alerts` and `status` come when they change, `clock` every second."""
        grant = access.require(request, "viewer")

        def parts() -> dict[str, str]:
            status = view.status()
            problems = [problem.en for problem in status.problems]
            return {
                "shops": _text(scoped_shops(view, grant)[: limits.SHOPS_ON_PAGE]),
                "at_risk": _text(scoped_waiting(view, grant, limits.AT_RISK_ON_PAGE)[0]),
                "alerts": _text(scoped_alerts(view, grant)),
                "status": _text({"ready": status.ready, "problems": problems, "sources": status.sources}),
                "clock": str(status.now_ms),
            }

        return streams.answer(parts, partial(access.holds, grant))

    return routes


def add_static(app: FastAPI) -> None:
    """Serve our own files."""
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")


def add_documents(app: FastAPI, pages: Pages) -> None:
    """Serve the API's description as a page that needs no script."""

    @app.get("/openapi.json", include_in_schema=False)
    async def get_openapi() -> Response:
        return as_json(app.openapi())

    @app.get("/docs", include_in_schema=False)
    async def get_docs(request: Request) -> Response:
        shown = {"version": app.version, "operations": operations(app.openapi())}
        return HTMLResponse(pages.render("docs.html", pages.language(request), **shown))


def _text(value: object) -> str:
    return bytes(as_json(value).body).decode()
