"""A provider's own code in a JSON answer: the only thing that tells what became of a message.

Business refusals come as HTTP 200 with most providers and as HTTP 4xx with some, so the code is looked
at first. Messages beside it may change and are never matched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from alerting import limits
from alerting.channels.base import DeliveryResult, Kind
from alerting.channels.http import judge_status

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

Codes = dict[int, tuple[Kind, str]]  # code → what became of the message, and what the code means
Answer = TypeVar("Answer", bound=msgspec.Struct)


class Errcode(msgspec.Struct):
    """What WeCom and DingTalk answer."""

    errcode: int
    errmsg: str = ""


def read(body: bytes, kind: type[Answer]) -> Answer | None:
    """An answer of the provider; None: this is not one."""
    try:
        return msgspec.json.decode(body[: limits.ANSWER_BYTES_MAX], type=kind)
    except msgspec.MsgspecError:
        return None


def judge_code(code: int, codes: Mapping[int, tuple[Kind, str]], name: str = "errcode") -> DeliveryResult:
    """What a code means; one that nobody told us of is taken for a mistake of ours."""
    kind, meaning = codes.get(code, ("bad_request", "unknown code"))
    return DeliveryResult(kind, str(code), detail=f"{name} {code}: {meaning}")


def theirs(
    response: httpx.Response | DeliveryResult, kind: type[Answer], provider: str
) -> Answer | DeliveryResult:
    """The provider's own answer, or what is known of the message without it."""
    if isinstance(response, DeliveryResult):
        return response
    answer = read(response.content, kind) if response.status_code < 500 else None
    return answer or not_theirs(response, provider)


def not_theirs(response: httpx.Response, provider: str) -> DeliveryResult:
    """Judge an answer that is not the provider's own: 2xx leaves open what became of the message."""
    detail = f"HTTP {response.status_code}, but not {provider}'s answer"
    return judge_status(response) or DeliveryResult("ambiguous", detail=detail)


def judge_errcode(response: httpx.Response | DeliveryResult, codes: Codes, provider: str) -> DeliveryResult:
    """Judge an answer by its ``errcode``."""
    answer = theirs(response, Errcode, provider)
    return answer if isinstance(answer, DeliveryResult) else judge_code(answer.errcode, codes)
