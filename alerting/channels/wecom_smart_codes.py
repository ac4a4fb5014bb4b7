"""What the codes of a WeCom smart bot mean; where the vendor names none, those of its other APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerting.channels.codes import Codes

CODES: Codes = {
    0: ("ok", "ok"),
    -1: ("transient", "the provider is busy"),
    40001: ("bad_credential", "wrong secret"),
    40008: ("bad_request", "invalid message type"),
    40013: ("bad_credential", "no such bot"),
    40058: ("bad_request", "too long or malformed"),
    42014: ("duplicate", "this card was sent before"),
    44004: ("bad_request", "empty content"),
    45002: ("bad_request", "too long"),
    45009: ("rate_limited", "too many messages to this conversation"),
    45033: ("rate_limited", "too many calls at once"),
    93006: ("no_recipient", "no such conversation, or nobody wrote to the bot in it yet"),
}
