"""Chatwoot's webhooks, as its code sends them, become the events they tell of; forged ones nothing."""

import hashlib
import hmac
import json

import pytest

from monitor.engine.fields import content_of, fields_of
from monitor.sources.chatwoot import ChatwootSource, ForgedError, map_webhook, verify

NOW_S = 1_794_363_630
NOW_MS = NOW_S * 1_000
SOURCE = ChatwootSource("front", "s3cret", shops={"7": "flagship"})


def signed(body, secret="s3cret", at_s=NOW_S):
    mark = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {"x-chatwoot-timestamp": str(at_s), "x-chatwoot-signature": f"sha256={mark}"}


def conversation(**fields):
    return {
        "additional_attributes": {"referer": "https://shop.example/item/1"}, "can_reply": True,
        "channel": "Channel::WebWidget", "id": 42, "inbox_id": 7, "messages": [{"id": 1, "account_id": 3}],
        "labels": [], "meta": {"sender": {"id": 9}, "assignee": None}, "status": "open", "unread_count": 1,
        "created_at": NOW_S - 60, "updated_at": NOW_S - 1 + 0.123, "timestamp": NOW_S,
    } | fields  # fmt: skip


def message(**fields):
    return {
        "event": "message_created", "id": 1001, "content": "在吗", "content_type": "text",
        "content_attributes": {}, "additional_attributes": {}, "created_at": "2026-11-11T02:20:30.000Z",
        "message_type": "incoming",
        "private": False, "source_id": None, "sender": {"id": 9, "name": "张三", "type": "contact"},
        "inbox": {"id": 7, "name": "web"}, "account": {"id": 3, "name": "Acme"},
        "conversation": conversation(),
    } | fields  # fmt: skip


def mapped(payload, **about):
    about = {"sent_ms": NOW_MS, "arrival_ms": NOW_MS, "delivery": "d-1"} | about
    return map_webhook(SOURCE, json.dumps(payload).encode(), **about)


def only(payload, **about):
    decoded = mapped(payload, **about)
    assert decoded.rejected == []
    (event,) = decoded.events
    return event


def test_a_signed_webhook_is_accepted_for_five_minutes_either_way():
    body = b'{"event":"message_created"}'
    for off_s in (0, 300, -300):
        assert verify(SOURCE, body, signed(body, at_s=NOW_S + off_s), NOW_S) == NOW_S + off_s
    for stamp in (NOW_S + 301, NOW_S - 301, "", "now", "9" * 5_000):
        with pytest.raises(ForgedError, match="another time"):
            verify(SOURCE, body, signed(body, at_s=stamp), NOW_S)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-chatwoot-timestamp": str(NOW_S)},
        signed(b"{}", secret="other"),
        signed(b"{} "),
        signed(b"{}") | {"x-chatwoot-timestamp": str(NOW_S - 1)},
        signed(b"{}") | {"x-chatwoot-signature": "sha256=é"},
        {
            "x-chatwoot-timestamp": str(NOW_S),
            "x-chatwoot-signature": "sha256=" + hmac.new(b"s3cret", b"{}", hashlib.sha256).hexdigest(),
        },
    ],
)
def test_a_forged_webhook_is_refused_and_the_secret_is_not_told(headers):
    with pytest.raises(ForgedError) as caught:
        verify(SOURCE, b"{}", headers, NOW_S)
    assert "s3cret" not in str(caught.value) + repr(SOURCE)


def test_a_customer_message_is_one():
    event = only(message())
    assert (event.type, event.actor, event.id, event.at) == ("message", "customer", "message:1001", NOW_MS)
    assert (event.platform, event.shop_id, event.conversation_id) == ("chatwoot", "flagship", "3-42")
    assert (event.customer_id, event.agent_id, event.kind) == ("9", "", "text")
    assert "在吗" not in repr(event)


@pytest.mark.parametrize(
    ("fields", "actor"),
    [
        ({"sender": {"id": 5, "type": "user"}}, "agent"),
        ({"sender": {"id": 5, "type": "agent_bot"}}, "bot"),
        ({"sender": {"id": 5, "type": "user"}, "content_attributes": {"automation_rule_id": 2}}, "system"),
        ({"sender": {"id": 5, "type": "user"}, "additional_attributes": {"campaign_id": 2}}, "system"),
        ({"sender": None}, "system"),
        ({"message_type": "template", "sender": None}, "system"),
        ({"message_type": "activity", "sender": None}, "system"),
    ],
)
def test_only_a_person_who_writes_to_the_customer_is_an_agent(fields, actor):
    event = only(message(**({"message_type": "outgoing"} | fields)))
    assert event.actor == actor
    assert event.agent_id == ("5" if actor in ("agent", "bot") else "")
    assert event.customer_id == "9"


def test_a_private_note_is_no_message():
    assert (
        mapped(message(private=True, message_type="outgoing", sender={"id": 5, "type": "user"})).events == []
    )


def test_an_inbox_that_is_not_mapped_is_a_shop_by_its_id():
    assert only(message(inbox={"id": 8})).shop_id == "8"


def test_an_attachment_gives_the_kind():
    assert only(message(attachments=[{"file_type": "audio"}])).kind == "voice"


def test_a_repeated_delivery_gives_the_same_event():
    for payload in (message(), conversation(event="conversation_created")):
        first, again = only(payload), only(payload, sent_ms=NOW_MS + 60_000, delivery="d-2")
        assert content_of(fields_of(first)) == content_of(fields_of(again))


def test_a_new_conversation_opens_and_may_be_assigned_at_once():
    assert only(conversation(event="conversation_created")).action == "opened"
    meta = {"sender": {"id": 9}, "assignee": {"id": 5}}
    opened, assigned = mapped(conversation(event="conversation_created", meta=meta)).events
    assert [(one.action, one.agent_id, one.at) for one in (opened, assigned)] == [
        ("opened", "", NOW_MS - 60_000), ("assigned", "5", NOW_MS - 60_000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ("open", "resolved", "closed"),
        ("resolved", "open", "reopened"),
        ("snoozed", "open", "reopened"),
        ("pending", "open", "assigned"),
        ("open", "pending", "handed_back"),
        ("open", "snoozed", None),
    ],
)
def test_a_change_of_status_is_told_once_whichever_webhook_tells_it(before, after, action):
    changed = [{"status": {"previous_value": before, "current_value": after}}]
    told = [
        mapped(conversation(event=name, status=after, changed_attributes=changed)).events
        for name in ("conversation_status_changed", "conversation_updated")
    ]
    assert [[event.action for event in events] for events in told] == [[action] if action else []] * 2
    if action:
        assert content_of(fields_of(told[0][0])) == content_of(fields_of(told[1][0]))
        assert told[0][0].at == NOW_MS - 1_000 + 123


def test_a_status_without_what_it_was_before_is_told_too():
    assert only(conversation(event="conversation_status_changed", status="resolved")).action == "closed"
    assert mapped(conversation(event="conversation_updated", status="resolved")).events == []


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(None, 5, [("assigned", "5")]), (5, 6, [("transferred", "6")]), (5, None, [])],
)
@pytest.mark.parametrize("shape", [list, dict])
def test_a_change_of_assignee(before, after, told, shape):
    change = {"assignee_id": {"previous_value": before, "current_value": after}}
    events = mapped(
        conversation(event="conversation_updated", changed_attributes=[change] if shape is list else change)
    ).events
    assert [(event.action, event.agent_id) for event in events] == told


def test_without_a_time_of_its_own_a_change_is_known_by_its_delivery():
    payload = conversation(event="conversation_status_changed", status="resolved", updated_at=None)
    event = only(payload, sent_ms=NOW_MS - 5_000, delivery="d-9")
    assert (event.at, event.id) == (NOW_MS - 5_000, "conversation:3-42:status:d-9")


def test_a_survey_answer_is_a_rating_and_any_other_update_is_nothing():
    answer = {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "ok"}}}
    rated = message(event="message_updated", content_type="input_csat", content_attributes=answer)
    event = only(rated)
    assert (event.type, event.score, event.at) == ("rating", 4, NOW_MS - 1_000 + 123)
    assert content_of(fields_of(event)) == content_of(
        fields_of(only(rated, sent_ms=NOW_MS + 9, delivery="d-7"))
    )
    assert mapped(message(event="message_updated")).events == []


@pytest.mark.parametrize(
    "payload",
    [
        {"event": "contact_created", "id": 1}, {"event": "conversation_typing_on"},
        {}, [], "x", {"event": ["x"]},
    ],
)  # fmt: skip
def test_what_does_not_concern_us_is_no_event_and_no_error(payload):
    assert mapped(payload).events == mapped(payload).rejected == []


def test_without_an_account_the_configured_one_counts_and_without_that_the_mend_is_told():
    payload = conversation(event="conversation_created", messages=[])
    assert "set `account` of webhook front" in mapped(payload).rejected[0].reason
    source = ChatwootSource("front", "s3cret", account="3")
    decoded = map_webhook(source, json.dumps(payload).encode(), sent_ms=NOW_MS, arrival_ms=NOW_MS)
    assert [event.conversation_id for event in decoded.events] == ["3-42"]


@pytest.mark.parametrize(
    "payload",
    [
        message(created_at="soon"), message(inbox={}, conversation={"id": 42}),
        message(created_at=10**30), {"event": "message_created"},
        message(sender=[1], conversation=[], attachments=["x"], inbox=None),
        message(conversation=None), message(conversation=conversation(id=None)), message(id=None),
        message(id="1\0"), message(content="\0"),
    ],
)  # fmt: skip
def test_a_webhook_that_is_bad_is_refused_with_its_reason(payload):
    decoded = mapped(payload)
    assert decoded.events == []
    assert decoded.rejected[0].reason
