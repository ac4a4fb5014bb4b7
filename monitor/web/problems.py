"""The one error shape of API and pages: ``{"error": {"code", "what", "mend"}}``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from monitor.errors import MonitorError
from monitor.web.ports import EntranceClosedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI


class ApiError(MonitorError):
    """A request that is answered with an error."""

    def __init__(
        self, status: int, code: str, what: str, mend: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Say the status, a stable code, what is wrong and its mend."""
        super().__init__(what, mend=mend, code=code)
        self.status = status
        self.headers = dict(headers or {})


def answer(
    status: int, code: str, what: str, mend: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as a response."""
    body = msgspec.json.encode({"error": {"code": code, "what": what, "mend": mend}})
    return Response(body, status, dict(headers or {}), media_type="application/json")


def add_handlers(app: FastAPI) -> None:
    """Give every error the one shape; what nobody expected is answered in ``monitor.web.shell``."""

    @app.exception_handler(ApiError)
    async def _api(_: Request, error: ApiError) -> Response:
        return answer(error.status, error.code, error.what, error.mend, error.headers)

    @app.exception_handler(EntranceClosedError)
    async def _closed(_: Request, error: EntranceClosedError) -> Response:
        status = 429 if error.code == "busy" else 503
        headers = {"Retry-After": str(error.retry_after_s)}
        return answer(status, error.code, error.what, error.mend or "send it again in a moment", headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10]]
        return answer(422, "invalid", "; ".join(problems), "see /docs for what this takes")

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        what = f"{request.method} {request.url.path}: {status.phrase.lower()}"
        code = status.phrase.lower().replace(" ", "_")
        return answer(status, code, what, "see /docs for what there is", error.headers)
