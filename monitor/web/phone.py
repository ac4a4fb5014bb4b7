"""The page behind a link in a message: one alert on a phone, acknowledged without signing in.

The link is the credential, so nothing that a browser sends of its own accord counts, and a page that does
not know the link cannot make anybody act. Chat programs fetch links for a preview: looking changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from alerting.links import BadLink
from alerting.messages.trimmed import mask
from alerting.policy.acts import closed_since, taken_by
from monitor.web.api import holds_ms
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alerting.links import Link, Links
    from alerting.policy.acts import Act, Standing
    from monitor.web.body import Bodies
    from monitor.web.desk_port import DeskPort
    from monitor.web.pages import Pages
    from monitor.web.ports import AlertView, ViewPort

NAME_COOKIE = "slawatch_name"
NAME_CHARS = 40
WAITING_SHOWN = 3
FOLDED_MS = 10_000  # by then the desk has folded what was done, or let go of it again
_YEAR_S = 365 * 86_400
# No search engine keeps what a link opens; the shell's headers keep it out of caches and referrers.
_HEADERS = {"X-Robots-Tag": "noindex, nofollow"}


@dataclass(frozen=True, slots=True)
class Case:
    """A link, and what became of its alert."""

    link: Link
    alert: AlertView | None  # None: that firing is over
    acts: list[Act]
    taken: Act | None
    expired: bool


class Phone:
    """Looks at a link's alert, and does what its holder asks for."""

    def __init__(self, links: Links, view: ViewPort, desk: DeskPort, clock_ms: Callable[[], int]) -> None:
        self._links, self._view, self._desk, self.now_ms = links, view, desk, clock_ms

    async def case(self, token: str) -> Case:
        """What a link is about.

        Raises:
            ApiError: 404 when it is none of ours, 503 while it is not known what is open.
        """
        try:
            link = self._links.read(token)
        except BadLink as error:
            raise ApiError(404, "not_found", str(error), "open it from the message, whole") from error
        if not self._desk.ready:
            raise ApiError(503, "starting", "the alerts are not read yet", "try again in a moment")
        alert = next((one for one in self._view.alerts() if one.id == link.alert), None)
        if alert and link.incident != alert.incident:
            alert = None
        acts = await self._desk.acts(link.incident)
        # Until the desk has folded it, what was just done is known from the audit alone.
        just_now_ms = self.now_ms() - FOLDED_MS
        if alert and closed_since(acts, max(alert.reason_ms, just_now_ms)):
            alert = None
        taken = taken_by(
            acts, max(alert.reason_ms, just_now_ms) if alert and not alert.acknowledged_by else 0
        )
        return Case(link, alert, acts, taken, link.expired(self.now_ms()))

    async def act(self, case: Case, what: str, name: str, duration: str = "") -> None:
        """Do what was asked for, once: a second tap changes nothing.

        Args:
            case: The link's.
            what: Of the buttons' values.
            name: Of who asks.
            duration: For how long they take it; empty: as the configuration says.

        Raises:
            ApiError: 410 when the link has expired, 422 for what no button asks for.
        """
        if case.expired:
            raise ApiError(410, "expired", "this link has expired", "sign in, or open a newer message")
        link = case.link
        by = f"link:{link.receiver} {name}".rstrip()
        if what == "acknowledge":
            if not case.taken:
                await self._desk.acknowledge(link.alert, by, "", link.incident, holds_ms(duration))
        elif what == "silence":
            if case.alert and case.alert.silenced_until_ms <= self.now_ms():
                await self._desk.mute(link.alert, by, link.incident)
        elif what == "resolve":
            if case.alert:
                await self._desk.resolve(link.alert, by, "", link.incident)
        elif what in ("false_alarm", "useful"):
            said = [act.what for act in case.acts if act.who == by and act.what in ("false_alarm", "useful")]
            if said[-1:] != [what]:
                await self._desk.judge(link.alert, what, by, "", link.incident)  # type: ignore[arg-type]
        else:
            raise ApiError(422, "invalid", f"nothing is done by {what[:40]!r}", "use the page's buttons")

    async def standing(self, rule: str) -> Standing | None:
        """What people thought of the rule's alerts of late."""
        return next((one for one in await self._desk.standings() if one.rule == rule), None)

    def waiting(self, case: Case) -> list[tuple[str, int, str]]:
        """The conversations of the shop that run out next: customer, masked, milliseconds left, agent."""
        shop, now_ms = case.link.subject.get("shop", ""), self.now_ms()
        found, _ = self._view.at_risk(WAITING_SHOWN, lambda key: key == shop)
        return [
            (mask(w.customer_id or w.conversation_id), w.deadline_ms - now_ms, w.agent_name or w.agent_id)
            for w in found
        ]


def phone_routes(pages: Pages, phone: Phone, view: ViewPort, bodies: Bodies) -> APIRouter:
    """The address of links."""
    routes = APIRouter(include_in_schema=False)

    async def page(request: Request, token: str) -> Response:
        language = pages.language(request)
        try:
            case = await phone.case(token)
        except ApiError as error:
            shown = {"name": "", "problem": error.code}
            return HTMLResponse(pages.render("phone.html", language, **shown), error.status, _HEADERS)
        values = {
            "case": case,
            "headline": view.headline(case.link.rule, case.link.subject),
            "waiting": phone.waiting(case) if case.alert else [],
            "standing": await phone.standing(case.link.rule),
            "name": unquote(request.cookies.get(NAME_COOKIE, "")),
            "now_ms": phone.now_ms(),
            "problem": "",
        }
        return HTMLResponse(pages.render("phone.html", language, **values), headers=_HEADERS)

    @routes.get("/a/{token}")
    async def get_alert(request: Request, token: str) -> Response:
        return await page(request, token)

    @routes.post("/a/{token}")
    async def post_alert(request: Request, token: str) -> Response:
        require_no_foreign_page(request)
        form = await bodies.form(request)
        name = _name(form.get("name", ""))
        try:
            await phone.act(await phone.case(token), form.get("do", ""), name, form.get("for", ""))
        except ApiError as error:
            if error.status == 422:
                raise
            return await page(request, token)
        answer = RedirectResponse(request.url.path, 303)
        answer.set_cookie(
            NAME_COOKIE, quote(name), max_age=_YEAR_S, path="/a/", samesite="lax", httponly=True
        )
        return answer

    return routes


def require_no_foreign_page(request: Request) -> None:
    """Refuse what another site's page asks for, should it ever learn a link.

    The browsers in chat programs often name no origin, or ``null``: then the link itself is what tells.
    """
    origin = request.headers.get("origin", "null")
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign or (origin != "null" and urlsplit(origin).netloc != request.headers.get("host")):
        raise ApiError(403, "foreign_page", "a page of another site asked for this", "open the link itself")


def _name(given: str) -> str:
    """A name as it may stand in an audit: printable, on one line, short."""
    return " ".join("".join(char if char.isprintable() else " " for char in given).split())[:NAME_CHARS]
