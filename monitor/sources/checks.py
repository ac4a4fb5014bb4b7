"""What must hold of an event beyond its types, and its times made integers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from xxhash import xxh32_intdigest

from monitor.engine.events import ACTIONS, Event
from monitor.engine.fields import (
    ACTION,
    ACTOR,
    AT,
    ID,
    PLATFORM,
    RECEIVED_AT,
    SHOP_ID,
    TEXT,
    TYPE,
    fields_of,
)
from monitor.engine.limits import AHEAD_MS, EARLIEST_MS
from monitor.limits import ID_BYTES, LATEST_MS
from monitor.sources.times import NO_TIME, format_time, parse_duration_ms, parse_time, read_time

if TYPE_CHECKING:
    from collections.abc import Callable

Refusal = tuple[str, str]
"""A stable code, and a sentence for people that ends with the mend."""


class _Needs:
    """What an event of a type must have: any one of some fields, and one of the type's actions."""

    __slots__ = ("actions", "fields", "places")

    def __init__(self, kind: str, *fields: str) -> None:
        self.fields = fields
        self.places = [Event.__struct_fields__.index(field) for field in fields]
        self.actions = ACTIONS.get(kind) or frozenset({""})


# The types whose events must name more than their shop.
_NEEDS: Final[dict[str, _Needs]] = {
    "message": _Needs("message", "conversation_id"),
    "conversation": _Needs("conversation", "conversation_id"),
    "order": _Needs("order", "order_id"),
    "refund": _Needs("refund", "order_id", "refund_id"),
    "dispute": _Needs("dispute", "order_id", "dispute_id"),
    "complaint": _Needs("complaint", "complaint_id"),
    "rating": _Needs("rating", "conversation_id"),
    "agent": _Needs("agent", "agent_id"),
}
_LONGEST_PROMISE_MS: Final = 86_400_000
_PLATFORM: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_known_platforms: Final[set[str]] = set()
_KNOWN_PLATFORMS_MAX: Final = 1_000
TEXT_CHECKS: Final = 1 << 16  # 16 bits of a text's hash are kept (decision 14)
_hash_of: Final[Callable[[bytes], int]] = xxh32_intdigest


def check(event: Event, latest_ms: int) -> Refusal | None:
    """Make the times of ``event`` integers in place and say why it must be refused, if it must.

    Args:
        event: As decoded.
        latest_ms: Its ``at`` may not be later.
    """
    fields = fields_of(event)
    at: object = fields[AT]
    if isinstance(at, str):
        at_ms = read_time(at)
        if at_ms == NO_TIME:
            return _bad_time("at", at)
        event.at = at_ms
    else:
        assert isinstance(at, int)
        at_ms = at
    if at_ms < EARLIEST_MS or at_ms > latest_ms:
        return _out_of_bounds(at_ms, latest_ms)
    text: str = fields[TEXT]
    if text:
        event.text_check = 1 + _hash_of(text.encode()) % TEXT_CHECKS
        event.text = ""
    if fields[RECEIVED_AT] != "" and (refusal := _read_received_at(event)):
        return refusal
    event_id: str = fields[ID]
    if len(event_id) > ID_BYTES // 4 and len(event_id.encode()) > ID_BYTES:
        return "bad_field", f"`id` is longer than {ID_BYTES} bytes; send a shorter one"
    kind: str = fields[TYPE]
    if kind == "heartbeat":
        return _check_heartbeat(event)
    if kind == "message" and fields[ACTOR] is None:
        return "no_actor", "`actor` is missing; say who wrote: customer, agent, assist, bot or system"
    if refusal := _check_parts(kind, fields):
        return refusal
    if kind == "rating" and event.score is None and event.solved is None:
        return "missing_field", "`score` is missing; a rating needs it (1 to 5), or `solved`"
    shop_id: str = fields[SHOP_ID]
    if not shop_id:
        return "no_shop", "`shop_id` is missing; every event but a heartbeat names its platform and shop"
    if not shop_id.isprintable() and _CONTROL.search(shop_id):  # it stands in addresses, which end there
        return "bad_field", f"`shop_id` is {shop_id[:40]!r}; send it without control characters"
    if fields[PLATFORM] not in _known_platforms:
        return _check_platform(fields[PLATFORM])
    return None


def _bad_time(field: str, found: object) -> Refusal:
    return "bad_time", (
        f"`{field}` is {str(found)[:40]!r}, not a time; "
        "send RFC 3339 with an offset (2026-11-11T10:20:30.123+08:00) or epoch milliseconds"
    )


def _out_of_bounds(at_ms: int, latest_ms: int) -> Refusal:
    if at_ms > latest_ms:
        return "ahead", (
            f"`at` is {format_time(at_ms)}, more than {AHEAD_MS // 60_000} minutes after it arrived; "
            "set the clock and the time zone of the source"
        )
    seconds = EARLIEST_MS // 1_000 <= at_ms <= LATEST_MS // 1_000
    mend = "it looks like seconds, send milliseconds" if seconds else "set the clock of the source"
    return "before_2000", f"`at` is {format_time(at_ms)}, before 2000; {mend}"


def _read_received_at(event: Event) -> Refusal | None:
    found = event.received_at
    received_ms = parse_time(found) if isinstance(found, str) else found
    if received_ms is None or not EARLIEST_MS <= received_ms <= LATEST_MS:
        return _bad_time("received_at", found)
    event.received_at = received_ms
    return None


def _check_heartbeat(event: Event) -> Refusal | None:
    promised = event.every
    if promised == "":
        return None
    every_ms = parse_duration_ms(promised) if isinstance(promised, str) else promised
    if every_ms is None or not 1_000 <= every_ms <= _LONGEST_PROMISE_MS:
        return (
            "bad_field",
            f"`every` is {promised!r}; send a duration from 1s to 1d, as 10s or in milliseconds",
        )
    event.every = every_ms
    return None


def _check_parts(kind: str, fields: tuple[Any, ...]) -> Refusal | None:
    """What an event of its type must name, and that its action is one of its type's."""
    needs = _NEEDS[kind]
    for place in needs.places:
        if fields[place]:
            break
    else:
        names = " or ".join(f"`{field}`" for field in needs.fields)
        return "missing_field", f"{names} is missing; an event of type {kind} needs it"
    action: str = fields[ACTION]
    if action not in needs.actions:
        found = repr(action) if action else "missing"
        wanted = "one of " + ", ".join(sorted(needs.actions)) if kind in ACTIONS else "none"
        return "bad_action", f"`action` is {found}; an event of type {kind} takes {wanted}"
    return None


def _check_platform(platform: str) -> Refusal | None:
    if not platform:
        return "no_shop", "`platform` is missing; every event but a heartbeat names its platform and shop"
    if _PLATFORM.fullmatch(platform) is None:
        return "bad_field", (
            f"`platform` is {platform[:40]!r}; use small letters, digits, `_`, `.` and `-`, as in pinduoduo"
        )
    if len(_known_platforms) < _KNOWN_PLATFORMS_MAX:
        _known_platforms.add(platform)
    return None
