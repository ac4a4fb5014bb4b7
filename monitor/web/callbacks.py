"""Where WeCom tells of taps on a card's buttons; who taps acknowledges.

WeCom tells the same tap up to four times where our answer is slow, and whoever overheard one could within
five minutes; so each counts once, and a repeat gets the answer that the first one got.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from alerting import limits as of_alerting
from alerting.errors import AlertingError
from monitor import limits
from monitor.web.problems import ApiError
from monitor.web.taps import act_on, done

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.ports import Tapped, TapReader
    from monitor.web.body import Bodies
    from monitor.web.desk_port import DeskPort


def callback_routes(callbacks: Mapping[str, TapReader], desk: DeskPort, bodies: Bodies) -> APIRouter:
    """The address of each WeCom app with buttons, by its account's name."""
    routes = APIRouter(prefix="/api/v1/callbacks/wecom", tags=["callbacks"])

    heard: OrderedDict[tuple[str, str, str, str], str] = OrderedDict()  # a tap → what was answered

    one = asyncio.Lock()

    async def act_once(account: str, tap: Tapped) -> str:
        name = account, tap.user, tap.task_id, tap.key
        async with one:
            if name in heard:
                return heard[name]
            said = await act_on(desk, tap.user, tap.key)
            if done(said):
                heard[name] = said
                if len(heard) > of_alerting.CARDS_REMEMBERED:
                    heard.popitem(last=False)
            return said

    def reader(account: str) -> TapReader:
        if account not in callbacks:
            mend = "give the account `callback_token` and `callback_key` in alerting.yaml"
            raise ApiError(404, "not_found", f"no account {account!r} has a callback", mend)
        return callbacks[account]

    @routes.get("/{account}", summary="Prove the address to WeCom")
    async def get_callback(request: Request, account: str) -> Response:
        try:
            return Response(reader(account).echo(request.query_params), media_type="text/plain")
        except AlertingError as error:
            raise ApiError(401, "forged", str(error), "see the app's page") from error

    @routes.post("/{account}", summary="Hear of a tap on a card")
    async def post_callback(request: Request, account: str) -> Response:
        """Answer with the button's new name; 401 when it is forged or stale."""
        callback = reader(account)
        body = await bodies.read(request, limits.WEBHOOK_BYTES)
        try:
            tap = callback.read(request.query_params, body)
        except AlertingError as error:
            raise ApiError(401, "forged", str(error), "see the app's page") from error
        said = await act_once(account, tap) if tap else ""
        if tap is None or not said:
            return Response(b"")  # something else that WeCom tells, or a card of another making
        return Response(callback.reply(tap.user, said), media_type="text/xml")

    return routes
