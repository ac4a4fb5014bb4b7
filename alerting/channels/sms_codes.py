"""Codes of SMS providers are words; of one we do not know, the longest beginning that we do know decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting import limits
from alerting.channels.base import DeliveryResult, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping


def judge_sms(code: str, codes: Mapping[str, tuple[Kind, str]], provider_id: str = "") -> DeliveryResult:
    """What a code means; the provider's message beside it may hold the phone and is not shown."""
    known = max((name for name in codes if code.startswith(name)), key=len, default="")
    kind, meaning = codes.get(known, ("bad_request", "unknown code"))
    retry_ms = limits.SMS_CLOSED_MS if kind == "rate_limited" else None
    return DeliveryResult(kind, code[:64], provider_id, retry_ms, f"{code[:64]}: {meaning}")
