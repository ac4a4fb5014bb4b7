"""The access token of a WeCom app: fetched once however many ask, kept until it dies.

``GET {base}/cgi-bin/gettoken?corpid=…&corpsecret=…`` gives one for two hours (vendor document 91039). It may
die earlier, and too many fetches are refused, so whoever finds it dead says which one, and only the first
of them fetches another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult
from alerting.channels.codes import Codes, judge_code, read
from alerting.channels.http import get, judge_status

if TYPE_CHECKING:
    import httpx
    from pydantic import SecretStr

    from alerting.ports import Clock

CODES: Codes = {
    0: ("ok", "ok"),
    -1: ("transient", "the provider is busy"),
    40001: ("bad_credential", "wrong secret"),
    40013: ("bad_credential", "unknown corp id"),
    40091: ("bad_credential", "wrong secret"),
    45009: ("rate_limited", "too many calls"),
    45033: ("rate_limited", "too many calls at once"),
    60020: ("bad_credential", "this address may not call; it must be among the app's trusted ones"),
}


class _Answer(msgspec.Struct):
    errcode: int
    access_token: str = ""
    expires_in: int = 0


class Token:
    """One app's token."""

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, corp_id: str, secret: SecretStr, clock: Clock
    ) -> None:
        self._client, self._clock, self._corp_id, self._secret = client, clock, corp_id, secret
        self._url = f"{base_url.rstrip('/')}/cgi-bin/gettoken"
        self._token, self._until_ms = "", 0
        self._lock = asyncio.Lock()

    async def get(self, dead: str = "") -> str | DeliveryResult:
        """A token other than ``dead``, or why there is none; nothing has been sent then."""
        async with self._lock:
            if self._token in ("", dead) or self._clock.now_ms() >= self._until_ms:
                refused = await self._fetch()
                if refused:
                    return refused
            return self._token

    async def _fetch(self) -> DeliveryResult | None:
        query = urlencode({"corpid": self._corp_id, "corpsecret": self._secret.get_secret_value()})
        response = await get(self._client, f"{self._url}?{query}")
        if isinstance(response, DeliveryResult):  # whatever became of it, no message left
            return DeliveryResult("transient", detail=response.detail)
        answer = read(response.content, _Answer) if response.status_code < 500 else None
        if answer is None:
            refused = judge_status(response) or DeliveryResult("transient")
            return DeliveryResult(refused.kind, refused.provider_code, detail="no token: not WeCom's answer")
        if answer.errcode or not answer.access_token:
            return judge_code(answer.errcode or -1, CODES, "gettoken")
        self._token = answer.access_token
        self._until_ms = self._clock.now_ms() + answer.expires_in * 1_000 - limits.TOKEN_EARLY_MS
        return None
