"""The route that has the rules read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from fastapi import APIRouter, Request, Response

from alerting.errors import AlertingError, StoreError
from monitor.errors import MonitorError
from monitor.web import API
from monitor.web.api import as_json
from monitor.web.problems import ApiError
from rules.problems import RulesError

if TYPE_CHECKING:
    from monitor.web.access import Access


class Applied(NamedTuple):
    """What came of it."""

    plan: str  # the name of the plan in force now
    changed: bool  # whether it was another one before
    rules: int  # how many are in force


class RulesPort(Protocol):
    """Where rules are put in force."""

    async def apply(self) -> Applied:
        """Read the files again; all of them count, or nothing is changed.

        Raises:
            RulesError, MonitorError, AlertingError: With every mistake.
        """
        ...


def rules_routes(rules: RulesPort, access: Access) -> APIRouter:
    """The route that puts rules in force."""
    routes = APIRouter(prefix=API, tags=["the daemon"])

    @routes.post("/rules/apply", summary="Read rules, packs and shops again and put them in force")
    async def post_apply(request: Request) -> Response:
        """All files of the daemon's configuration, or nothing: one mistake changes nothing and is named.

        Shards take them within seconds, each at one record of its log, and by that record ever after.
        """
        access.require(request, "admin")
        try:
            applied = await rules.apply()
        except StoreError as error:
            raise ApiError(503, "store", str(error), "apply again once the store takes it") from error
        except (RulesError, MonitorError, AlertingError) as error:
            raise ApiError(
                422, "rules", str(error), "mend them and apply again; those in force stay"
            ) from error
        return as_json(applied._asdict())

    return routes
