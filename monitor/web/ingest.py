"""Events in over HTTP: answered once what was accepted is durable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from monitor import limits
from monitor.engine.events import Event
from monitor.sources import chatwoot
from monitor.sources.found import Decoded, Rejected
from monitor.sources.wire import BodyError, decode_body, decode_line
from monitor.web import API
from monitor.web.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.sinks.dead_letters import DeadLetter, DeadLetters
    from monitor.sinks.metrics import Metrics
    from monitor.web.access import Access
    from monitor.web.body import Bodies
    from monitor.web.ports import EntrancePort
    from monitor.web.tokens import Grant

_EVENTS_DOC: dict[str, Any] = {
    "requestBody": {
        "description": "The body is one event, an array of events, or one event a line (NDJSON); it may be "
        "gzipped. docs/events.md has their types and fields.",
        "required": True,
        "content": {"application/json": {}, "application/x-ndjson": {}},
    }
}

_WEBHOOK_DOC: dict[str, Any] = {
    "requestBody": {
        "description": "The body is what Chatwoot sends, signed.",
        "required": True,
        "content": {"application/json": {}},
    }
}


class Refusal(msgspec.Struct, frozen=True):
    """One refused event, as it is answered."""

    index: int
    code: str
    reason: str


class Answer(msgspec.Struct, frozen=True):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[Refusal]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Takes decoded events to the entrance and what was refused to the dead letters."""

    entrance: EntrancePort
    metrics: Metrics

    async def take(self, source: str, decoded: Decoded, grant: Grant | None, arrival_ms: int) -> Answer:
        """Hand a batch over and say what became of it, by index in the body.

        Raises:
            EntranceClosedError: All of it is to be sent again; so nothing is kept of what was refused.
        """
        events, indexes, foreign = _within(decoded, grant)
        for event in events:
            # Only the way in says where an event came from and when.
            if event.source or event.received_at != "":
                event.source = event.received_at = ""
        rejected = decoded.rejected + foreign
        accepted = duplicates = 0
        if events:
            receipt = await self.entrance.accept(source, events, arrival_ms)
            accepted, duplicates = receipt.accepted, receipt.duplicates
            rejected += [
                Rejected(indexes[one.place], one.code, one.reason, msgspec.json.encode(events[one.place]))
                for one in receipt.rejected
            ]
        if rejected:
            rejected.sort(key=lambda one: one.index)
            await self.entrance.refuse(source, rejected, arrival_ms)
        self.metrics.took(source, accepted, duplicates, rejected)
        return Answer(accepted, duplicates, [Refusal(one.index, one.code, one.reason) for one in rejected])


def _within(decoded: Decoded, grant: Grant | None) -> tuple[list[Event], list[int], list[Rejected]]:
    """The events of shops the grant covers, their indexes, and refusals of the others."""
    if grant is None or grant.covers_all:
        return decoded.events, decoded.indexes, []
    events: list[Event] = []
    indexes: list[int] = []
    foreign: list[Rejected] = []
    for index, event in zip(decoded.indexes, decoded.events, strict=True):
        shop = f"{event.platform}:{event.shop_id}"
        if event.type == "heartbeat" or grant.covers(shop):
            events.append(event)
            indexes.append(index)
        else:
            reason = f"token {grant.name} is not for shop {shop}; use one that is"
            foreign.append(Rejected(index, "foreign_shop", reason, msgspec.json.encode(event)))
    return events, indexes, foreign


def ingest_routes(
    ingest: Ingest,
    access: Access,
    bodies: Bodies,
    *,
    clock_ms: Callable[[], int],
    body_bytes: int,
    webhooks: Mapping[str, chatwoot.ChatwootSource],
) -> APIRouter:
    """The routes by which events come in."""
    routes = APIRouter(prefix=API, tags=["events"])

    @routes.post("/events", status_code=202, summary="Send events", openapi_extra=_EVENTS_DOC)
    async def post_events(
        request: Request, source: Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")] = "http"
    ) -> Response:
        """Answer 202 once what was accepted is durable; what was refused is listed by index.

        A token of a source decides the source; else `source` names it.
        """
        grant = access.require(request, "source")
        body = await bodies.read(request, body_bytes)
        if not body:
            mend = "send one object, an array, or one object a line, and how long it is"
            raise ApiError(400, "unframed", "the body is empty", mend)
        arrival_ms = clock_ms()
        content_type = request.headers.get("content-type", "").lower()
        try:
            if len(body) > limits.INLINE_DECODE_BYTES:
                decoded = await asyncio.to_thread(decode_body, body, arrival_ms, content_type)
            else:
                decoded = decode_body(body, arrival_ms, content_type)
        except BodyError as error:
            status = 413 if error.code == "too_many_events" else 400
            raise ApiError(status, error.code, error.what, error.mend) from error
        answer = await ingest.take(grant.source or source, decoded, grant, arrival_ms)
        return _json(answer, 202)

    @routes.post("/sources/chatwoot/{name}", summary="Receive a Chatwoot webhook", openapi_extra=_WEBHOOK_DOC)
    async def post_chatwoot(request: Request, name: str) -> Response:
        """Answer 200 whether the webhook is new or repeated; 401 when it is forged or stale."""
        webhook = webhooks.get(name)
        if webhook is None:
            raise ApiError(
                404, "not_found", f"there is no webhook {name!r}", "add it to `sources` in slawatch.yaml"
            )
        body = await bodies.read(request, limits.WEBHOOK_BYTES)
        arrival_ms = clock_ms()
        try:
            sent_s = chatwoot.verify(webhook, body, request.headers, arrival_ms // 1_000)
        except chatwoot.ForgedError as error:
            raise ApiError(401, error.code, error.what, error.mend) from error
        delivery = request.headers.get("x-chatwoot-delivery", "")[:100]
        decoded = chatwoot.map_webhook(
            webhook, body, sent_ms=sent_s * 1_000, arrival_ms=arrival_ms, delivery=delivery
        )
        return _json(await ingest.take(name, decoded, None, arrival_ms), 200)

    return routes


def dead_letter_routes(
    ingest: Ingest,
    access: Access,
    letters: DeadLetters,
    webhooks: Mapping[str, chatwoot.ChatwootSource],
    clock_ms: Callable[[], int],
) -> APIRouter:
    """What was refused: listing it, and sending it again."""
    routes = APIRouter(prefix=API, tags=["dead letters"])

    @routes.get("/dead-letters", summary="What was refused, the newest first")
    async def get_dead_letters(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        before: Annotated[int | None, Query(ge=0)] = None,
        source: str = "",
        code: str = "",
    ) -> Response:
        access.require(request, "admin")
        found = await asyncio.to_thread(letters.list, limit, before=before, source=source, code=code)
        return _json({"kept": letters.kept, "letters": [_shown(one) for one in found]}, 200)

    @routes.post("/dead-letters/replay", summary="Send refused events again")
    async def replay(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
        source: str = "",
        code: str = "",
    ) -> Response:
        """Letters that are taken now, or were taken meanwhile, are removed; the others stay."""
        access.require(request, "admin")
        found = await asyncio.to_thread(letters.list, limit, source=source, code=code)
        arrival_ms = clock_ms()
        by_source: dict[str, list[tuple[int, Event]]] = {}
        for letter in reversed(found):
            told = _told(letter, webhooks.get(letter.source), arrival_ms) if letter.parsed else []
            if told:
                by_source.setdefault(letter.source, []).extend((letter.id, event) for event in told)
        taken: set[int] = set()
        for name, pairs in by_source.items():
            receipt = await ingest.entrance.accept(name, [event for _, event in pairs], arrival_ms)
            # A webhook may tell of two events: its letter goes once neither is refused.
            refused = {pairs[one.place][0] for one in receipt.rejected}
            taken |= {letter_id for letter_id, _ in pairs} - refused
        await asyncio.to_thread(letters.remove, sorted(taken))
        return _json({"replayed": len(taken), "kept": letters.kept}, 200)

    return routes


def _told(letter: DeadLetter, webhook: chatwoot.ChatwootSource | None, arrival_ms: int) -> list[Event]:
    """The events a letter tells of as things are now: an event of ours, or a webhook as it came."""
    event = decode_line(letter.raw, arrival_ms)
    if isinstance(event, Event):
        event.source = event.received_at = ""
        return [event]
    if webhook is None:
        return []
    mark = f"letter-{letter.id}"  # its delivery id is not kept
    return chatwoot.map_webhook(
        webhook, letter.raw, sent_ms=letter.arrival_ms, arrival_ms=arrival_ms, delivery=mark
    ).events


def _shown(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "arrival_ms": letter.arrival_ms,
        "source": letter.source,
        "index": letter.place,
        "code": letter.code,
        "reason": letter.reason,
        "replayable": letter.parsed,
        "raw": letter.raw.decode("utf-8", "replace"),
    }


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
