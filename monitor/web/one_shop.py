"""What a desk of a cluster answers about figures: one shop at a time; lists of all shops are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastapi import APIRouter, Request, Response

from monitor.web import API
from monitor.web.api import as_json
from monitor.web.ports import UnknownError
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from monitor.web.access import Access
    from monitor.web.ports import ShopView


class ShopPort(Protocol):
    """One shop of a cluster."""

    async def shop(self, platform: str, shop_id: str) -> ShopView | None:
        """One shop with all its figures; None: nothing of it is stored yet.

        Raises:
            UnknownError: Its log cannot be read now, or there is too much of it.
        """
        ...


def one_shop_routes(shops: ShopPort, access: Access) -> APIRouter:
    """To be asked before the routes of a daemon, which has every shop at hand."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/shops/{platform}/{shop_id:path}", summary="One shop with all its figures")
    async def get_shop(request: Request, platform: str, shop_id: str) -> Response:
        """From its stored state and the log since, so it takes a moment."""
        grant = access.require(request, "viewer")
        try:
            shop = await shops.shop(platform, shop_id) if grant.covers(f"{platform}:{shop_id}") else None
        except UnknownError as error:
            raise ApiError(503, error.code, error.what, error.mend) from error
        if shop is None:
            what = f"nothing of shop {platform}:{shop_id} is stored, or it is not within this token"
            raise ApiError(404, "not_found", what, "state trails by half a minute: ask again then")
        return as_json(shop)

    @routes.get("/shops", summary="Shops")
    @routes.get("/at-risk", summary="Conversations about to time out")
    async def get_elsewhere(request: Request) -> Response:
        access.require(request, "viewer")
        mend = "ask for one, /shops/PLATFORM/SHOP, or for sums, /sums; Grafana has the lists"
        raise ApiError(404, "elsewhere", "a desk does not hold all shops", mend)

    return routes
