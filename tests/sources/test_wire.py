"""The wire format: the good comes in, the bad is refused by index and reason, nothing else is lost."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.engine import fields
from monitor.engine.events import Event
from monitor.engine.fields import content_of, fields_of
from monitor.limits import BATCH_EVENTS, LINE_BYTES
from monitor.sources.found import Rejected
from monitor.sources.wire import BodyError, decode_body, decode_line, decode_lines, pack_events, unpack_events

NOW_MS = 1_794_363_630_123  # 2026-11-11T10:20:30.123+08:00
LINES = "application/x-ndjson"


def event(event_id="m1", **fields):
    base = {
        "type": "message", "id": event_id, "at": "2026-11-11T10:20:30.123+08:00", "platform": "pinduoduo",
        "shop_id": "s1", "conversation_id": "c1", "customer_id": "u1", "actor": "customer", "text": "在吗",
    }  # fmt: skip
    return {key: value for key, value in (base | fields).items() if value is not None}


def raw(event_id="m1", **fields):
    return json.dumps(event(event_id, **fields), ensure_ascii=False).encode()


GOOD = raw("good-1"), raw("good-2")

BAD = {
    "not_json": b'{"type": "message", "id": "x", ',
    "not_utf8": raw().replace("在吗".encode(), b"\xff\xfe"),
    "nul": raw(text="a\0b"),
    "too_deep": raw()[:-1] + b', "extra": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "too_long": raw(text="x" * 10_000_000),
    "not_an_object": b"[1, 2]",
    "bad_time": raw(at="yesterday"),
    "before_2000": raw(at="1970-01-01T00:00:00Z"),
    "ahead": raw(at="2027-11-11T10:20:30+08:00"),
    "no_shop": raw(shop_id=None),
    "no_actor": raw(actor=None),
    "missing_field": raw(conversation_id=None),
    "bad_action": raw(type="order", order_id="o1", action="eaten"),
    "bad_field": raw(actor="robot"),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_line_is_refused_by_index_and_reason_and_the_others_are_taken(code):
    decoded = decode_body(b"\n".join([GOOD[0], BAD[code], GOOD[1]]), NOW_MS, LINES)
    assert [one.id for one in decoded.events] == ["good-1", "good-2"]
    assert decoded.indexes == [0, 2]
    assert [(1, code, BAD[code])] == [(one.index, one.code, one.raw) for one in decoded.rejected]
    assert "; " in decoded.rejected[0].reason  # what; the mend


@pytest.mark.parametrize(
    "values",
    [
        [GOOD[0], GOOD[1]],
        [GOOD[0], b"", GOOD[1]],
        [GOOD[0] + b"\n" + GOOD[1], b"", GOOD[0]],  # as many events as values, and not one each
        [GOOD[0].replace(b", ", b",\n"), GOOD[1]],
        [GOOD[0], BAD["bad_time"], GOOD[1]],
    ],
)
def test_values_are_decoded_one_by_one_whatever_line_ends_are_in_them(values):
    decoded = decode_lines(values, NOW_MS)
    alone = {n: decode_line(value, NOW_MS) for n, value in enumerate(values) if value}
    assert dict(zip(decoded.indexes, decoded.events, strict=True)) == {
        n: found for n, found in alone.items() if isinstance(found, Event)
    }
    refused = {n: found.code for n, found in alone.items() if isinstance(found, Rejected)}
    assert {one.index: one.code for one in decoded.rejected} == refused


@pytest.mark.parametrize("code", sorted(set(BAD) - {"not_json"}))
def test_a_bad_element_of_an_array_is_refused_by_index_and_reason_and_the_others_are_taken(code):
    decoded = decode_body(b"[" + b",\n".join([GOOD[0], BAD[code], GOOD[1]]) + b"]", NOW_MS)
    assert [one.id for one in decoded.events] == ["good-1", "good-2"]
    assert decoded.indexes == [0, 2]
    assert [(1, code)] == [(one.index, one.code) for one in decoded.rejected]


@pytest.mark.parametrize("code", sorted(set(BAD) - {"not_json", "not_an_object"}))
def test_a_single_bad_object_is_refused_as_element_0(code):
    decoded = decode_body(BAD[code], NOW_MS)
    assert decoded.events == []
    assert [(0, code)] == [(one.index, one.code) for one in decoded.rejected]
    assert isinstance(decode_line(BAD[code], NOW_MS), Rejected)
    assert [code] == [one.code for one in decode_lines([BAD[code]], NOW_MS).rejected]


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b"{", b'{"a": ', b"[", b"[{}", b"[1]]", b'["', b"hello", b"\xff", b"[}]x"]
)
@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_a_body_that_cannot_be_framed_is_refused_whole(body, content_type):
    with pytest.raises(BodyError) as caught:
        decode_body(body, NOW_MS, content_type)
    assert caught.value.code == "unframed"
    assert caught.value.mend


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"id": ""}, "bad_field", "`id`"),
        ({"id": None}, "missing_field", "`id`"),
        ({"id": "店" * 70}, "bad_field", "200 bytes"),
        ({"id": 7}, "bad_field", "`id`"),
        ({"at": None}, "missing_field", "`at`"),
        ({"at": 1_794_363_630}, "before_2000", "seconds"),
        ({"at": 1.5}, "bad_field", "`at`"),
        ({"at": True}, "bad_field", "`at`"),
        ({"at": 10**30}, "bad_field", "`at`"),
        ({"seq": 2**60}, "bad_field", "`seq`"),
        ({"platform": None}, "no_shop", "`platform`"),
        ({"platform": "Pin:duo"}, "bad_field", "`platform`"),
        ({"shop_id": ""}, "no_shop", "`shop_id`"),
        ({"shop_id": "a\nb"}, "bad_field", "`shop_id`"),
        ({"type": "mesage"}, "bad_field", "message"),
        ({"type": None}, "missing_field", "`type`"),
        ({"action": "opened"}, "bad_action", "none"),
        ({"type": "conversation"}, "bad_action", "assigned"),
        ({"type": "order", "action": "paid"}, "missing_field", "`order_id`"),
        ({"type": "refund", "action": "requested"}, "missing_field", "`refund_id`"),
        ({"type": "dispute", "action": "opened"}, "missing_field", "`dispute_id`"),
        ({"type": "complaint", "action": "opened"}, "missing_field", "`complaint_id`"),
        ({"type": "agent", "action": "online"}, "missing_field", "`agent_id`"),
        ({"type": "order", "action": "paid", "order_id": "o", "amount": -1}, "bad_field", "`amount`"),
        ({"type": "order", "action": "paid", "order_id": "o", "amount": 9.9}, "bad_field", "`amount`"),
        ({"type": "rating"}, "missing_field", "`score`"),
        ({"type": "rating", "score": 6}, "bad_field", "`score`"),
        ({"type": "rating", "score": 0}, "bad_field", "`score`"),
        ({"type": "heartbeat", "every": "soon"}, "bad_field", "`every`"),
        ({"type": "heartbeat", "every": 1}, "bad_field", "`every`"),
        ({"tags": ["a"] * 51}, "bad_field", "`tags`"),
        ({"received_at": "x"}, "bad_time", "`received_at`"),
    ],
)
def test_what_is_wrong_is_named(fields, code, names):
    refused = decode_line(raw(**fields), NOW_MS)
    assert isinstance(refused, Rejected)
    assert (code, True) == (refused.code, names in refused.reason), refused.reason


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "conversation", "action": "assigned", "agent_id": "a1", "actor": None},
        {"type": "order", "action": "paid", "order_id": "o1", "amount": 0, "conversation_id": None},
        {"type": "refund", "action": "requested", "order_id": "o1"},
        {"type": "dispute", "action": "opened", "dispute_id": "d1"},
        {"type": "complaint", "action": "withdrawn", "complaint_id": "k1"},
        {"type": "rating", "score": 5},
        {"type": "agent", "action": "away", "agent_id": "a1"},
        {"type": "heartbeat", "platform": None, "shop_id": None, "conversation_id": None},
        {"text": "[微笑][微笑]" * 200 + "{{{{" * 40},
        {"text": "\\u0000 is how JSON writes a NUL"},
        {"seq": -3, "tags": ["a"], "exclude": "spam"},
        {"unknown": {"nested": [{"deep": 1}]}},
        {"at": NOW_MS + 300_000},
        {"id": "店" * 66},
    ],
)
def test_what_is_right_is_taken(fields):
    assert isinstance(decode_line(raw(**fields), NOW_MS), Event), decode_line(raw(**fields), NOW_MS)


def test_one_millisecond_more_than_five_minutes_ahead_is_refused():
    assert isinstance(decode_line(raw(at=NOW_MS + 300_001), NOW_MS), Rejected)


def test_without_an_arrival_a_time_may_lie_in_the_future():
    assert isinstance(decode_line(raw(at="2027-11-11T10:20:30+08:00")), Event)


def test_times_and_promises_are_integers_once_read():
    beat = decode_line(raw(type="heartbeat", every="10s", received_at="2026-11-11T10:20:31+08:00"), NOW_MS)
    assert (beat.at, beat.every, beat.received_at) == (NOW_MS, 10_000, NOW_MS - 123 + 1_000)
    assert decode_line(raw(at=NOW_MS), NOW_MS).at == NOW_MS


def test_the_framing_is_told_from_the_looks():
    pretty = json.dumps(event("pretty"), indent=2).encode()
    for body, ids in [
        (GOOD[0], ["good-1"]),
        (pretty, ["pretty"]),
        (GOOD[0] + b"\n", ["good-1"]),
        (GOOD[0] + b"\r\n" + GOOD[1] + b"\r\n", ["good-1", "good-2"]),
        (b"\n".join([GOOD[0], b"", GOOD[1]]), ["good-1", "good-2"]),
        (b" \n[" + GOOD[0] + b" , " + GOOD[1] + b"]\n", ["good-1", "good-2"]),
        (b"[]", []),
    ]:
        decoded = decode_body(body, NOW_MS, "application/json")
        assert (ids, []) == ([one.id for one in decoded.events], decoded.rejected), body


def test_a_broken_first_line_does_not_hide_that_the_body_is_lines():
    decoded = decode_body(b"\n".join([BAD["not_json"], *GOOD]), NOW_MS)
    assert decoded.indexes == [1, 2]
    assert [(one.index, one.code) for one in decoded.rejected] == [(0, "not_json")]


def test_a_blank_line_keeps_its_index():
    decoded = decode_body(b"\n".join([GOOD[0], b"", b"{}", GOOD[1]]), NOW_MS, LINES)
    assert (decoded.indexes, [one.index for one in decoded.rejected]) == ([0, 3], [2])


@pytest.mark.parametrize("frame", [b"\n".join, lambda lines: b"[" + b",".join(lines) + b"]"])
def test_more_events_than_a_batch_holds_are_refused_whole(frame):
    assert len(decode_body(frame([GOOD[0]] * BATCH_EVENTS), NOW_MS).events) == BATCH_EVENTS
    with pytest.raises(BodyError) as caught:
        decode_body(frame([GOOD[0]] * (BATCH_EVENTS + 1)), NOW_MS)
    assert caught.value.code == "too_many_events"


def test_a_line_a_byte_too_long_is_refused_wherever_its_fields_stand():
    pad = LINE_BYTES - len(raw(text=""))
    for extra, taken in ((0, 1), (1, 0)):
        long = event(text="x" * (pad + extra))
        for order in (long, dict(reversed(long.items()))):
            body = json.dumps(order).encode()
            assert LINE_BYTES + extra == len(body)
            assert 2 + taken == len(decode_body(b"\n".join([GOOD[0], body, GOOD[1]]), NOW_MS).events)
            assert 2 + taken == len(
                decode_body(b"[" + b",".join([GOOD[0], body, GOOD[1]]) + b"]", NOW_MS).events
            )


def test_a_text_rests_nowhere():
    taken = decode_line(raw(text="秘密", received_at=NOW_MS), NOW_MS)
    assert "秘密" not in repr(taken)
    assert "秘密".encode() not in pack_events([taken])


def test_packed_events_come_back():
    events = decode_body(
        b"\n".join([*GOOD, raw("o", type="order", order_id="o", action="paid", amount=1)]), NOW_MS
    ).events
    assert events == unpack_events(pack_events(events))


def test_another_text_is_another_content():
    """The text itself is gone, but the same id with another text is noticed as reused."""
    one, other = decode_line(raw(text="在吗"), NOW_MS), decode_line(raw(text="在么"), NOW_MS)
    assert content_of(fields_of(one)) != content_of(fields_of(other))
    assert 1 <= one.text_check <= 65_536
    assert not one.text


def test_the_same_event_in_another_notation_has_the_same_content():
    one = decode_line(raw(), NOW_MS)
    again = decode_line(
        json.dumps(
            dict(reversed(event(at=NOW_MS, seq=0, source="erp", received_at=NOW_MS).items()))
        ).encode(),
        NOW_MS,
    )
    assert content_of(fields_of(one)) == content_of(fields_of(again))
    assert content_of(fields_of(one)) != content_of(fields_of(decode_line(raw(actor="agent"), NOW_MS)))
    assert again.source == "erp"  # untouched


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_a_body_error(body):
    for content_type in ("", LINES):
        try:
            decoded = decode_body(body, NOW_MS, content_type)
        except BodyError:
            continue
        assert decoded.events == []
    assert isinstance(decode_line(body, NOW_MS), Rejected)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_at_all_is_refused_or_taken_alike_alone_in_lines_and_in_an_array(value):
    line = json.dumps(value).encode()
    alone = decode_line(line, NOW_MS)
    assert isinstance(alone, Rejected)
    lines = decode_body(line + b"\n" + GOOD[0], NOW_MS, LINES)
    array = decode_body(b"[" + line + b"," + GOOD[0] + b"]", NOW_MS)
    assert [alone.code] == [one.code for one in lines.rejected] == [one.code for one in array.rejected]
    assert ["good-1"] == [one.id for one in lines.events] == [one.id for one in array.events]


def test_the_places_of_fields_are_those_of_the_event():
    names = Event.__struct_fields__
    places = {name.lower(): at for name, at in vars(fields).items() if name.isupper() and type(at) is int}
    assert len(places) == 20
    assert {name: names[place] for name, place in places.items()} == {name: name for name in places}
