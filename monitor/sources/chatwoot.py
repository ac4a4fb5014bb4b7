"""Chatwoot webhooks → events. Pure: bytes, headers and the time in; events or a refusal out.

Signature, payloads and the test of a human reply are Chatwoot's own (``lib/webhooks/trigger.rb``,
``Message#webhook_data``, ``valid_first_reply?``). Webhooks come out of job queues, so they repeat and
overtake each other: an event's id is made of what happened and when, never of the delivery, and its time
is when it happened, never when it came. Only where a payload has no time of its own do both come from
the delivery.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.engine.events import Event
from monitor.errors import MonitorError
from monitor.limits import WEBHOOK_SKEW_S
from monitor.sources.checks import check
from monitor.sources.found import Decoded, Rejected
from monitor.sources.framing import has_nul
from monitor.sources.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

_KINDS = {"audio": "voice", "image": "image", "video": "video", "file": "file", "location": "card"}
_NAME_CHARACTERS = 200
_SECONDS = re.compile(r"[0-9]{1,15}")
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)  # updated_at is 1794363629.123


class ForgedError(MonitorError):
    """A webhook whose signature or time does not hold; answered 401."""


@dataclass(frozen=True, slots=True)
class ChatwootSource:
    """One webhook: its secret, its account, its shops' platform, and which inbox is which shop."""

    name: str
    secret: str = field(repr=False)
    platform: str = "chatwoot"
    account: str = ""  # for payloads that do not say theirs: a conversation without a message
    shops: Mapping[str, str] = field(default_factory=dict)  # inbox id → shop_id; default: the inbox id

    def shop_of(self, inbox_id: object) -> str:
        """The shop of an inbox; empty when the payload names none."""
        inbox = _text(inbox_id)
        return self.shops.get(inbox, inbox)


def verify(source: ChatwootSource, body: bytes, headers: Mapping[str, str], now_s: int) -> int:
    """Hold a webhook to be Chatwoot's own, sent just now; its timestamp in seconds.

    The signature is HMAC-SHA256 over ``{timestamp}.{raw body}``, so the time cannot be altered either.

    Args:
        source: Whose secret signs.
        body: The raw bytes, as received.
        headers: With lower-case names.
        now_s: The wall clock, epoch seconds.

    Raises:
        ForgedError: The signature is missing or wrong, or the time is more than 5 minutes off.
    """
    stamp = headers.get("x-chatwoot-timestamp", "")
    signature = headers.get("x-chatwoot-signature", "").removeprefix("sha256=")
    signed = stamp.encode("latin-1", "replace") + b"." + body
    expected = hmac.new(source.secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode("latin-1", "replace")):
        raise ForgedError(
            f"the signature of webhook {source.name} does not hold",
            mend="set its secret to the webhook's in Chatwoot (4.11.2 or later signs)",
            code="forged",
        )
    if _SECONDS.fullmatch(stamp) is None or abs(now_s - int(stamp)) > WEBHOOK_SKEW_S:
        raise ForgedError(
            f"webhook {source.name} is signed for another time than now",
            mend="set the clocks of both machines",
            code="stale",
        )
    return int(stamp)


def map_webhook(
    source: ChatwootSource, body: bytes, *, sent_ms: int, arrival_ms: int, delivery: str = ""
) -> Decoded:
    """Map a webhook's body to events; what does not concern us maps to none.

    Args:
        source: The platform and the shops of its inboxes.
        body: JSON as Chatwoot sends it.
        sent_ms: The webhook's own timestamp, for what has no time of its own.
        arrival_ms: When it arrived.
        delivery: Chatwoot's delivery id, for what has no time of its own.
    """
    if has_nul(body):
        return Decoded([], [], [Rejected(0, "nul", "holds a NUL; send Chatwoot's own JSON", body)])
    try:
        payload = _decoder.decode(body)
        found = _map(source, payload, sent_ms, delivery) if isinstance(payload, dict) else []
        events = [msgspec.convert(one, Event) for one in found]
    except (MonitorError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, MonitorError) else f"{error}; send Chatwoot's own JSON"
        return Decoded([], [], [Rejected(0, "bad_webhook", reason, body)])
    latest_ms = arrival_ms + WEBHOOK_SKEW_S * 1_000
    refusals = [refusal for event in events if (refusal := check(event, latest_ms))]
    rejected = [Rejected(0, *refusal, body) for refusal in refusals]
    kept = [] if rejected else events
    return Decoded(kept, [0] * len(kept), rejected)


def _map(source: ChatwootSource, payload: Json, sent_ms: int, delivery: str) -> list[Json]:
    name = payload.get("event")
    if name in ("message_created", "message_updated"):
        conversation = _dict(payload.get("conversation"))
        inbox_id = _dict(payload.get("inbox")).get("id") or conversation.get("inbox_id")
        base = _base(source, payload, inbox_id, conversation)
        if name == "message_created":
            return _message(base, payload)
        return _rating(base, payload, conversation, sent_ms, delivery)
    if name in ("conversation_created", "conversation_status_changed", "conversation_updated"):
        base = _base(source, payload, payload.get("inbox_id"), payload)
        if name == "conversation_created":
            return _opened(base, payload, sent_ms, delivery)
        return _changed(base, payload, sent_ms, delivery)
    return []


def _base(source: ChatwootSource, payload: Json, inbox_id: object, conversation: Json) -> Json:
    """What every event of a conversation says. Its id is unique only within the account."""
    account = _text(_dict(payload.get("account")).get("id")) or _account_of(conversation) or source.account
    if not account:
        raise MonitorError("the payload names no account", mend=f"set `account` of webhook {source.name}")
    conversation_id = _text(conversation.get("id"))
    if not conversation_id:  # else all that lack one would be one conversation
        raise MonitorError("the payload names no conversation", mend="send Chatwoot's own JSON")
    return {
        "platform": source.platform,
        "shop_id": source.shop_of(inbox_id),
        "conversation_id": f"{account}-{conversation_id}",
        "customer_id": _text(_dict(_dict(conversation.get("meta")).get("sender")).get("id")),
    }


def _account_of(conversation: Json) -> str:
    """The account of a conversation's last message."""
    messages = conversation.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return _text(_dict(last).get("account_id"))


def _message(base: Json, message: Json) -> list[Json]:
    """A message; a private note is none, since the customer never sees it."""
    if message.get("private"):
        return []
    message_id = _text(message.get("id"))
    if not message_id:
        raise MonitorError("the message has no id", mend="send Chatwoot's own JSON")
    actor = _actor(message)
    sender_id = _text(_dict(message.get("sender")).get("id"))
    about: Json = {"agent_id": sender_id} if actor in ("agent", "bot") else {}
    if actor == "customer" and sender_id:
        about["customer_id"] = sender_id
    attachments = message.get("attachments")
    first = _dict(attachments[0]) if isinstance(attachments, list) and attachments else {}
    page = _dict(_dict(message.get("conversation")).get("additional_attributes")).get("referer")
    return [
        base
        | about
        | {
            "type": "message",
            "id": f"message:{message_id}",
            "at": _time_ms(message.get("created_at")) or 0,
            "actor": actor,
            "kind": _KINDS.get(_text(first.get("file_type")), _text(message.get("content_type")) or "text"),
            "via": _text(page)[:_NAME_CHARACTERS],
        }
    ]


def _actor(message: Json) -> str:
    """Who wrote, as Chatwoot's own test of a first reply has it."""
    kind = message.get("message_type")
    if kind in ("incoming", 0):
        return "customer"
    if kind not in ("outgoing", 1):
        return "system"  # template, activity
    sent_by = _text(_dict(message.get("sender")).get("type")).lower()
    if sent_by in ("agent_bot", "agentbot", "captain_assistant"):
        return "bot"
    by_rule = _dict(message.get("content_attributes")).get("automation_rule_id")
    by_campaign = _dict(message.get("additional_attributes")).get("campaign_id")
    return "agent" if sent_by == "user" and not by_rule and not by_campaign else "system"


def _rating(base: Json, message: Json, conversation: Json, sent_ms: int, delivery: str) -> list[Json]:
    """A survey's answer; any other update (an edit, a read mark) is nothing that happened."""
    submitted = _dict(_dict(message.get("content_attributes")).get("submitted_values"))
    answer = _dict(submitted.get("csat_survey_response"))
    if message.get("content_type") != "input_csat" or "rating" not in answer:
        return []
    at_ms, mark = _changed_at(conversation, sent_ms, delivery)
    agent_id = _text(_dict(_dict(conversation.get("meta")).get("assignee")).get("id"))
    rating = {"type": "rating", "id": f"rating:{_text(message.get('id'))}:{mark}", "at": at_ms}
    return [base | rating | {"score": answer["rating"], "agent_id": agent_id}]


def _opened(base: Json, conversation: Json, sent_ms: int, delivery: str) -> list[Json]:
    created_ms = _time_ms(conversation.get("created_at"))
    at_ms, mark = (created_ms, "created") if created_ms else _changed_at(conversation, sent_ms, delivery)
    event = base | {"type": "conversation", "at": at_ms}
    opened = event | {"id": _conversation_id(base, "opened", mark), "action": "opened"}
    assignee = _text(_dict(_dict(conversation.get("meta")).get("assignee")).get("id"))
    mine = _conversation_id(base, "assignee", mark)
    assigned = event | {"id": mine, "action": "assigned", "agent_id": assignee, "seq": 1}
    return [opened, assigned] if assignee else [opened]


def _changed(base: Json, conversation: Json, sent_ms: int, delivery: str) -> list[Json]:
    """Changes of status and assignee, whichever webhook tells of them: both give the same ids."""
    at_ms, mark = _changed_at(conversation, sent_ms, delivery)
    changes = _changes(conversation)
    assignee = _text(_dict(_dict(conversation.get("meta")).get("assignee")).get("id"))
    found = []
    if "status" in changes:
        action = _action_of_status(*changes["status"])
        if action:
            agent: Json = {"agent_id": assignee} if action == "assigned" and assignee else {}
            found.append(agent | {"id": _conversation_id(base, "status", mark), "action": action})
    elif conversation.get("event") == "conversation_status_changed":
        action = _action_of_status(None, conversation.get("status"))
        if action:
            found.append({"id": _conversation_id(base, "status", mark), "action": action})
    if "assignee_id" in changes:
        before, after = changes["assignee_id"]
        if after is not None:
            action = "assigned" if before is None else "transferred"
            agent = {"agent_id": _text(after), "seq": 1}
            found.append(agent | {"id": _conversation_id(base, "assignee", mark), "action": action})
    return [base | {"type": "conversation", "at": at_ms} | one for one in found]


def _action_of_status(before: object, after: object) -> str | None:
    """What a change of status is to us: ``pending`` is the robot's stage, ``snoozed`` is nothing."""
    if after == "resolved":
        return "closed"
    if after == "pending":
        return "handed_back"
    if after == "open":
        return "assigned" if before == "pending" else "reopened"
    return None


def _changes(conversation: Json) -> dict[str, tuple[object, object]]:
    """``changed_attributes``: a list of ``{name: {previous_value, current_value}}``, or one such object."""
    listed = conversation.get("changed_attributes")
    changes: dict[str, tuple[object, object]] = {}
    for entry in listed if isinstance(listed, list) else [listed]:
        for name, change in _dict(entry).items():
            if isinstance(change, dict):
                changes[name] = (change.get("previous_value"), change.get("current_value"))
            elif isinstance(change, list) and len(change) == 2:
                changes[name] = (change[0], change[1])
    return changes


def _conversation_id(base: Json, what: str, mark: str) -> str:
    return f"conversation:{base['conversation_id']}:{what}:{mark}"


def _changed_at(conversation: Json, sent_ms: int, delivery: str) -> tuple[int, str]:
    """When a conversation changed, and what marks that change: its time, else the delivery."""
    at_ms = _time_ms(conversation.get("updated_at"))
    return (at_ms, str(at_ms)) if at_ms else (sent_ms, delivery or str(sent_ms))


def _time_ms(value: object) -> int | None:
    """Milliseconds of ISO 8601 text or of epoch seconds, whole or not; None when it is neither."""
    if isinstance(value, str):
        return parse_time(value.replace(" UTC", "Z"))
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 < value < 10**11:
        return int(value * 1_000)
    return None


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
