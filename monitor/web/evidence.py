"""The route that says what a figure is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request, Response

from monitor.plan import day_number
from monitor.web import API
from monitor.web.api import as_json
from monitor.web.ports import UnknownError
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from monitor.web.access import Access


class EvidencePort(Protocol):
    """What a figure is made of."""

    async def explain(
        self, platform: str, shop_id: str, measure: str, day: int | None, *, clear: bool
    ) -> dict[str, Any]:
        """The units behind a figure of a service day, those left out, each with the reason.

        Args:
            platform: Of the shop.
            shop_id: Of the shop.
            measure: Of the shop's pack.
            day: Days since 1970; None: the day that runs.
            clear: Whether customers and conversations are shown as they are, and not masked.

        Raises:
            UnknownError: There is no such measure or nothing of that shop (``not_found``), too much of it
                (``too_much``), or no time now (``busy``, ``starting``).
        """
        ...


def evidence_routes(evidence: EvidencePort, access: Access) -> APIRouter:
    """To be asked before the route of a shop, whose id may hold slashes."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/shops/{platform}/{shop_id:path}/explain", summary="What a figure of a shop is made of")
    async def get_explain(
        request: Request,
        platform: str,
        shop_id: str,
        measure: Annotated[str, Query(min_length=1, max_length=200)],
        day: Annotated[str, Query(max_length=10)] = "",
        clear: bool = False,
    ) -> Response:
        """Units that add up to the figure of a service day, and what was left out, each with the reason.

        `day` as 2026-11-11; without it the one that runs. Customers and conversations are masked unless
        `clear=true`, which takes a lead's token.
        """
        grant = access.require(request, "lead" if clear else "viewer")
        shop = f"{platform}:{shop_id}"
        if not grant.covers(shop):
            raise ApiError(404, "not_found", f"shop {shop} is not within this token", "use one it is in")
        try:
            number = day_number(day) if day else None
        except ValueError:
            raise ApiError(422, "invalid", f"{day!r} is no date", "give `day` as 2026-11-11") from None
        try:
            return as_json(await evidence.explain(platform, shop_id, measure, number, clear=clear))
        except UnknownError as error:
            status = {"not_found": 404, "too_much": 422}.get(error.code, 503)
            raise ApiError(status, error.code, error.what, error.mend) from error

    return routes
