"""Events over real HTTP: the good are taken, each bad one is told by index and reason, the daemon unmoved."""

import gzip
import hashlib
import hmac
import json
import zlib

import pytest

from monitor.sources.chatwoot import ChatwootSource
from monitor.web.app import WebOptions
from monitor.web.ports import EntranceClosedError
from tests.web.houses import NOW_MS

LINES = {"Content-Type": "application/x-ndjson"}


def raw(event_id, **fields):
    event = {
        "type": "message", "id": event_id, "at": "2026-11-11T10:20:30.123+08:00", "platform": "pinduoduo",
        "shop_id": "s1", "conversation_id": "c1", "actor": "customer", "text": "秘密",
    } | fields  # fmt: skip
    return json.dumps({key: value for key, value in event.items() if value is not None}).encode()


BAD = {
    "not_json": b'{"type": "message", "id": ',
    "too_long": raw("long", text="x" * 10_000_000),
    "too_deep": b'{"type": "message", "x": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "before_2000": raw("old", at="1970-01-01T00:00:00Z"),
    "ahead": raw("next year", at="2027-11-11T10:20:30+08:00"),
    "no_shop": raw("no shop", shop_id=None),
    "reused": raw("good-1", actor="agent"),
    "nul": raw("nul", conversation_id="a\0b"),
    "not_utf8": raw("utf8").replace(b"c1", b"\xff\xfe"),
}


@pytest.mark.parametrize(
    ("code", "frame"),
    [(code, frame) for code in BAD for frame in ("lines", "array") if (code, frame) != ("not_json", "array")],
)
def test_a_bad_event_is_refused_by_index_and_reason_the_others_are_taken(house, client, code, frame):
    events = [raw("good-1"), BAD[code], raw("good-2")]
    body = b"\n".join(events) if frame == "lines" else b"[" + b",".join(events) + b"]"
    answer = client.post("/api/v1/events", content=body, headers=LINES if frame == "lines" else {})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["duplicates"]) == (2, 0)
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(1, code)]
    assert "; " in told["rejected"][0]["reason"]
    assert {"good-1", "good-2"} <= set(house.behind.ids)
    (letter,) = house.letters.list()
    assert (letter.source, letter.place, letter.code) == ("http", 1, code)
    assert "秘密".encode() not in letter.raw
    assert client.get("/healthz").status_code == 200


def test_a_slash_at_the_end_of_the_address_loses_no_event(house, client):
    answer = client.post("/api/v1/events/?source=shop", content=raw("good-1"), follow_redirects=False)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert house.behind.ids == ["good-1"]


def test_everything_bad_at_once_costs_nothing_of_the_good(client):
    events = [raw(f"g{number}") for number in range(20)]
    body = b"\n".join(part for pair in zip(events, [*BAD.values()] * 3, strict=False) for part in pair)
    told = client.post("/api/v1/events", content=body, headers=LINES).json()
    assert told["accepted"] >= 20
    assert [one["index"] for one in told["rejected"]] == sorted(one["index"] for one in told["rejected"])


def bomb(size):
    """Gzip that unpacks to ``size`` bytes without ever having been that large here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(size >> 20)), packer.flush()])


def test_a_gzip_bomb_is_refused_whole(house, client):
    answer = client.post("/api/v1/events", content=bomb(1 << 30), headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert house.behind.batches == []


def test_gzip_is_unpacked_also_in_several_members(house, client):
    body = gzip.compress(raw("a") + b"\n") + gzip.compress(raw("b"))
    answer = client.post("/api/v1/events", content=body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["accepted"], house.behind.ids) == (202, 2, ["a", "b"])


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "unframed"),
        (b"[{}", {}, 400, "unframed"),
        (gzip.compress(raw("a"))[:-9], {"Content-Encoding": "gzip"}, 400, "unframed"),
        (b"plain", {"Content-Encoding": "gzip"}, 400, "unframed"),
        (gzip.compress(b"") * 200, {"Content-Encoding": "gzip"}, 400, "unframed"),
        (b"x", {"Content-Encoding": "br"}, 415, "encoding"),
        (b"\n".join([b"{}"] * 10_001), LINES, 413, "too_many_events"),
        (b" " * (33 << 20), {}, 413, "too_large"),
    ],
)
def test_what_cannot_be_read_at_all_is_refused_whole(house, client, body, headers, status, code):
    answer = client.post("/api/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["mend"]
    assert house.behind.batches == []


@pytest.mark.parametrize(
    ("body", "headers", "what"),
    [
        (b"", LINES, "the body is empty"),
        (gzip.compress(raw("a")), {}, "the body is gzip and no header says so"),
        (gzip.compress(raw("a")), LINES, "the body is gzip and no header says so"),
    ],
)
def test_a_forgotten_header_is_told_and_not_taken_for_lines(house, client, body, headers, what):
    """Bytes of gzip have line ends: each piece was refused by itself, under a 202."""
    answer = client.post("/api/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["what"]) == (400, what)
    assert house.letters.list() == []


def test_duplicates_are_counted_and_times_arrive_as_integers(house, client):
    told = client.post("/api/v1/events", content=b"\n".join([raw("a")] * 3)).json()
    assert told == {"accepted": 1, "duplicates": 2, "rejected": []}
    ((source, events, arrival_ms),) = house.behind.batches
    assert (source, events[0].at, arrival_ms) == ("http", NOW_MS, NOW_MS)


@pytest.mark.parametrize("frame", [b"%s", b"[%s]", b"%s\n"])
def test_a_byte_order_mark_is_passed_over_as_in_files(house, client, frame):
    """Windows programs write one before UTF-8."""
    answer = client.post("/api/v1/events", content=b"\xef\xbb\xbf" + frame % raw("marked"))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert house.behind.ids == ["marked"]


def test_only_the_way_in_says_source_and_arrival(house, client):
    client.post("/api/v1/events?source=erp", content=raw("a", source="forged", received_at=NOW_MS))
    ((source, (event,), _),) = house.behind.batches
    assert (source, event.source, event.received_at) == ("erp", "", "")


@pytest.mark.parametrize(("code", "status"), [("closed", 503), ("busy", 429)])
def test_a_closed_entrance_is_told_with_when_to_come_again(house, client, code, status):
    house.behind.failure = EntranceClosedError(
        "the disk is nearly full", mend="free some space", retry_after_s=7
    )
    house.behind.failure.code = code
    answer = client.post("/api/v1/events", content=raw("a") + b"\n{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    error = {"code": code, "what": "the disk is nearly full", "mend": "free some space"}
    assert answer.json() == {"error": error}
    assert house.letters.kept == 0  # it comes again as a whole


def test_metrics_tell_what_came_in(client):
    client.post("/api/v1/events", content=b"\n".join([raw("a"), raw("a"), b"{}"]), headers=LINES)
    told = client.get("/metrics").text
    for line in (
        'slawatch_events_total{result="accepted",source="http"} 1.0',
        'slawatch_events_total{result="duplicate",source="http"} 1.0',
        'slawatch_rejected_total{code="missing_field"} 1.0',
        'slawatch_http_requests_total{route="/api/v1/events",status="202"} 1.0',
        "slawatch_http_bodies_bytes 0.0",
        "slawatch_dead_letters 1.0",
        'slawatch_source_blind{source="erp"} 0.0',
    ):
        assert line in told


def test_refused_events_can_be_sent_again_once_their_fault_is_mended(house, client):
    house.behind.seen["a"] = "agent"
    client.post("/api/v1/events", content=b"\n".join([raw("a"), b"{broken"]), headers=LINES)
    listed = client.get("/api/v1/dead-letters").json()
    assert [(one["index"], one["replayable"]) for one in listed["letters"]] == [(1, False), (0, True)]
    assert client.post("/api/v1/dead-letters/replay").json() == {"replayed": 0, "kept": 2}
    house.behind.seen.clear()
    assert client.post("/api/v1/dead-letters/replay").json() == {"replayed": 1, "kept": 1}
    assert house.behind.batches[-1][0] == "http"


class TestChatwoot:
    @pytest.fixture
    def webhooks(self):
        return {"front": ChatwootSource("front", "s3cret")}

    @pytest.fixture
    def options(self, webhooks):
        return WebOptions(webhooks=webhooks)

    BODY = json.dumps(
        {
            "event": "message_created", "id": 1, "created_at": "2026-11-11T02:20:30Z",
            "message_type": "incoming",
            "sender": {"id": 9, "type": "contact"}, "inbox": {"id": 7}, "account": {"id": 3},
            "conversation": {"id": 42}, "content": "秘密",
        }
    ).encode()  # fmt: skip

    def post(self, client, *, secret=b"s3cret", at_s=NOW_MS // 1000, body=BODY, name="front", delivery="d1"):
        mark = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "X-Chatwoot-Delivery": delivery, "X-Chatwoot-Timestamp": str(at_s),
            "X-Chatwoot-Signature": f"sha256={mark}", "Content-Type": "application/json",
        }  # fmt: skip
        return client.post(f"/api/v1/sources/chatwoot/{name}", content=body, headers=headers)

    def test_a_signed_webhook_is_taken_and_a_repeated_one_changes_nothing(self, house, client):
        for _ in range(2):
            assert self.post(client).status_code == 200
        (event, again) = [events[0] for _, events, _ in house.behind.batches]
        assert event == again
        assert (event.id, event.shop_id, house.behind.batches[0][0]) == ("message:1", "7", "front")

    def test_a_forged_or_stale_one_is_refused(self, house, client):
        for answer in (self.post(client, secret=b"guess"), self.post(client, at_s=NOW_MS // 1000 - 301)):
            assert answer.status_code == 401
            assert answer.json()["error"]["mend"]
        assert self.post(client, name="other").status_code == 404
        assert house.behind.batches == []

    def test_what_does_not_concern_us_is_answered_200(self, house, client):
        assert self.post(client, body=b'{"event": "contact_created"}').json()["accepted"] == 0
        assert house.behind.batches == []

    def test_a_refused_one_keeps_nothing_that_was_written(self, house, client):
        """In the file as in the listing: no text, wherever in the payload it stood."""
        said = json.loads(self.BODY) | {
            "created_at": "1999-01-01T00:00:00Z",
            "processed_message_content": "秘密",
            "content_attributes": {"email": {"text_content": {"full": "秘密"}, "subject": "秘密"}},
        }
        said["conversation"]["messages"] = [{"id": 1, "content": "秘密", "processed_message_content": "秘密"}]
        body = json.dumps(said, ensure_ascii=False).encode()
        assert self.post(client, body=body).json()["rejected"][0]["code"] == "before_2000"
        (letter,) = client.get("/api/v1/dead-letters").json()["letters"]
        assert "秘密" not in letter["raw"]
        assert json.loads(letter["raw"])["conversation"]["messages"] == [
            {"id": 1, "content": "", "processed_message_content": ""}
        ]
        assert "秘密".encode() not in b"".join(one.raw for one in house.letters.list())

    def test_a_refused_one_can_be_sent_again_once_its_fault_is_mended(self, house, client, webhooks):
        """As a webhook, which is no event of ours; one that tells of two goes when both are taken."""
        opened = {
            "event": "conversation_created", "id": 42, "inbox_id": 7, "created_at": NOW_MS // 1000,
            "meta": {"sender": {"id": 9}, "assignee": {"id": 5}},
        }  # fmt: skip
        answer = self.post(client, body=json.dumps(opened).encode()).json()
        assert "set `account` of webhook front" in answer["rejected"][0]["reason"]
        assert client.post("/api/v1/dead-letters/replay").json() == {"replayed": 0, "kept": 1}
        assert house.behind.batches == []
        webhooks["front"] = ChatwootSource("front", "s3cret", account="3")
        assert client.post("/api/v1/dead-letters/replay").json() == {"replayed": 1, "kept": 0}
        source, events, _ = house.behind.batches[-1]
        assert source == "front"
        assert [(event.action, event.conversation_id) for event in events] == [
            ("opened", "3-42"), ("assigned", "3-42"),
        ]  # fmt: skip

    def test_a_refused_one_keeps_nobodys_name_or_address(self, house, client):
        said = json.loads(self.BODY) | {"created_at": "1999-01-01T00:00:00Z"}
        said["sender"] |= {"name": "张三", "email": "zhang@example.com", "phone_number": "+8613800000000"}
        self.post(client, body=json.dumps(said, ensure_ascii=False).encode())
        (letter,) = house.letters.list()
        for known in ("张三", "zhang@example.com", "13800000000"):
            assert known.encode() not in letter.raw
