"""The route of figures over shops: teams, platforms and agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Query, Request, Response

from monitor.web import API
from monitor.web.api import as_json
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from monitor.web.access import Access


class SumsPort(Protocol):
    """Figures over shops as they were published last."""

    async def sums(self, each: str) -> dict[str, Any]:
        """Every sum of a kind of subject, with ``as_of_ms`` and how many shards are ``missing``.

        Args:
            each: ``team``, ``platform`` or ``agent``.
        """
        ...


def sums_routes(sums: SumsPort, access: Access) -> APIRouter:
    """Sums are of all shops, so a token of some shops has none."""
    routes = APIRouter(prefix=API, tags=["figures and alerts"])

    @routes.get("/sums", summary="Figures of teams, platforms or agents over several shops")
    async def get_sums(
        request: Request, each: Annotated[Literal["team", "platform", "agent"], Query()] = "team"
    ) -> Response:
        """What rules on sums look at.

        At most a few seconds old, of the second `as_of_ms`. `dark` shops (a source is blind) are not in
        the figures; `missing` shards were not heard of for 30 s.
        """
        if not access.require(request, "viewer").covers_all:
            raise ApiError(403, "forbidden", "sums are of all shops", "use a token that is not of some shops")
        return as_json(await sums.sums(each))

    return routes
