"""Where SMS providers push receipts; the address ends in the account's own key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from alerting.errors import AlertingError
from monitor import limits
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from alerting.receipts import Receipts
    from monitor.web.body import Bodies


def receipt_routes(receipts: Receipts, bodies: Bodies) -> APIRouter:
    """The address of each SMS account that has a ``receipt_key``, by its name."""
    routes = APIRouter(prefix="/api/v1/callbacks/sms", tags=["callbacks"])

    @routes.post("/{account}/{key}", summary="Hear whether SMS arrived")
    async def post_receipts(request: Request, account: str, key: str) -> Response:
        """401 when the key is not the account's; the provider's own yes once all is written down."""
        if account not in receipts.readers:
            mend = "give the account a `receipt_key` in alerting.yaml"
            raise ApiError(404, "not_found", f"no account {account!r} takes receipts", mend)
        reader = receipts.readers[account]
        body = await bodies.read(request, limits.WEBHOOK_BYTES)
        try:
            reports = reader.read(key, body)
        except AlertingError as error:
            raise ApiError(401, "forged", str(error), "compare the address with the account's key") from error
        await receipts.take(account, reports)
        return Response(reader.reply, media_type="application/json")

    return routes
