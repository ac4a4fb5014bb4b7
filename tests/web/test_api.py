"""Figures, alerts, probes, documents: what is answered, and in which shape when it goes wrong."""

import json
import re
from dataclasses import replace

import pytest

from monitor.web.desk_port import Silence
from rules.pack import Text
from tests.waiting import eventually
from tests.web.houses import NOW_MS, WELL, alert, shop, waiting


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/static/../app.py", 404, "not_found"),
        ("GET", "/api/v1/events", 405, "method_not_allowed"),
        ("DELETE", "/", 405, "method_not_allowed"),
        ("GET", "/api/v1/shops?limit=x", 422, "invalid"),
        ("GET", "/api/v1/shops/pinduoduo/never", 404, "not_found"),
        ("POST", "/api/v1/silences", 422, "invalid"),
        ("POST", "/api/v1/alerts/none/ack", 404, "not_found"),
        ("POST", "/api/v1/events?source=A%20B", 422, "invalid"),
    ],
)
def test_every_error_has_one_shape(client, method, path, status, code):
    answer = client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (set(error), error["code"]) == ({"code", "what", "mend"}, code)
    assert error["what"]
    assert error["mend"]


def test_what_nobody_expected_is_answered_in_that_shape_and_tells_no_secret(house, client):
    house.behind.failure = RuntimeError("password=hunter2")
    event = {"type": "heartbeat", "id": "h", "at": NOW_MS}
    answer = client.post("/api/v1/events", json=event)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/healthz").status_code == 200


def test_every_answer_has_the_security_headers(client):
    for path in ("/", "/api/v1/shops", "/static/page.js", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "same-origin")
        assert headers["cache-control"]


def test_shops_at_risk_and_alerts_are_given_as_the_view_orders_them(house, client):
    house.behind.shown_shops = [shop(2, "crit", left=-1), shop(1)]
    house.behind.shown_waiting = [waiting(1, 20_000), waiting(2, 90_000)]
    house.behind.shown_alerts = [alert(2)]
    told = client.get("/api/v1/shops?limit=1").json()
    assert (told["total"], [one["shop_id"] for one in told["shops"]]) == (2, ["s2"])
    assert told["shops"][0]["lines"][0]["budget_left"] == -1
    assert client.get("/api/v1/shops/pinduoduo/s1").json()["name"] == "第1旗舰店"
    at_risk = client.get("/api/v1/at-risk?limit=1").json()
    assert (at_risk["now_ms"], at_risk["at_risk"][0]["deadline_ms"]) == (NOW_MS, NOW_MS + 20_000)
    assert (len(at_risk["at_risk"]), at_risk["total"]) == (1, 2)
    assert client.get("/api/v1/alerts").json()["alerts"][0]["id"] == alert(2).id


@pytest.mark.parametrize("path", ["/docs", "/metrics", "/readyz", "/api/v1/shops", "/static/page.js"])
def test_a_slash_at_the_end_is_the_same_address(client, path):
    assert client.get(path + "/", follow_redirects=False).status_code == client.get(path).status_code == 200


def test_a_slash_that_belongs_to_a_name_is_none_of_the_address(house, client):
    house.behind.shown_shops = [shop(1), replace(shop(1), shop_id="s1/", name="another")]
    assert client.get("/api/v1/shops/pinduoduo/s1/").json()["name"] == "第1旗舰店"
    assert client.get("/api/v1/shops/pinduoduo/s1%2F").json()["name"] == "another"


def test_an_alert_is_acknowledged_with_who_and_why(house, client):
    house.behind.shown_alerts = [alert(1)]
    answer = client.post(f"/api/v1/alerts/{alert(1).id}/ack", json={"comment": "on it"})
    assert answer.json() == {"acknowledged": alert(1).id, "by": "local"}
    assert house.behind.acknowledged == [(alert(1).id, "local", "on it")]


@pytest.mark.parametrize(
    ("asked", "holds_ms"), [({}, 0), ({"for": "30m"}, 1_800_000), ({"for": "7d"}, 604_800_000)]
)
def test_an_acknowledgement_holds_as_long_as_was_asked_for(house, client, asked, holds_ms):
    house.behind.shown_alerts = [alert(1)]
    assert client.post(f"/api/v1/alerts/{alert(1).id}/ack", json=asked).status_code == 200
    assert house.behind.holds_ms == holds_ms


@pytest.mark.parametrize("wrong", ["8d", "0s", "soon", "-5m", "30"])
def test_what_an_acknowledgement_cannot_hold_for_is_refused(house, client, wrong):
    house.behind.shown_alerts = [alert(1)]
    answer = client.post(f"/api/v1/alerts/{alert(1).id}/ack", json={"for": wrong})
    assert (answer.status_code, answer.json()["error"]["mend"]) == (422, "give 1s to 7d, as 30m")
    assert house.behind.acknowledged == []


def test_an_alert_is_closed_by_hand_with_who_and_why(house, client):
    house.behind.shown_alerts = [alert(1)]
    path = f"/api/v1/alerts/{alert(1).id}/resolve"
    assert client.post(path, json={"comment": "a test shop"}).json() == {
        "resolved": alert(1).id,
        "by": "local",
    }
    assert [(act.what, act.who, act.comment) for act in house.behind.done] == [
        ("resolve", "local", "a test shop")
    ]
    house.behind.shown_alerts = []
    assert client.post(path).status_code == 404


@pytest.mark.parametrize(
    ("end", "ends_ms"),
    [
        ({"for": "2h"}, NOW_MS + 7_200_000),
        ({"ends": "2026-11-11T12:00:00+08:00"}, 1_794_369_600_000),
        ({"until_resolved": True}, 0),
    ],
)
def test_a_silence_has_one_end_and_says_what_it_mutes(house, client, end, ends_ms):
    house.behind.shown_alerts = [alert(1), alert(2)]
    answer = client.post("/api/v1/silences", json={"matchers": {"shop": "pinduoduo:s1"}} | end)
    assert (answer.status_code, answer.json()) == (
        201,
        {"id": "s1", "ends_ms": ends_ms, "alerts": [alert(1).id]},
    )
    assert house.behind.silences[0].ends_ms == ends_ms


@pytest.mark.parametrize(
    "end",
    [
        {},
        {"for": "2h", "until_resolved": True},
        {"for": "soon"},
        {"ends": "2020-01-01T00:00:00Z"},
        {"for": "0s"},
    ],
)
def test_a_silence_without_one_end_is_refused(house, client, end):
    answer = client.post("/api/v1/silences", json={"matchers": {"shop": "x:y"}} | end)
    assert (answer.status_code, house.behind.silences) == (422, [])


def test_a_silence_can_be_tried_before_it_mutes_anything(house, client):
    house.behind.shown_alerts = [alert(1), alert(2)]
    answer = client.post("/api/v1/silences/preview", json={"matchers": {"shop": "pinduoduo:s2"}})
    assert [one["id"] for one in answer.json()["alerts"]] == [alert(2).id]
    assert house.behind.silences == []


def test_silences_in_force_are_listed_and_ended(house, client):
    house.behind.silences = [Silence({"shop": "pinduoduo:s1"}, 0, "li", "repair", "7", NOW_MS)]
    (listed,) = client.get("/api/v1/silences").json()["silences"]
    assert (listed["id"], listed["matchers"], listed["by"]) == ("7", {"shop": "pinduoduo:s1"}, "li")
    assert client.delete("/api/v1/silences/7").json() == {"ended": "7", "by": "local"}
    assert client.delete("/api/v1/silences/7").status_code == 404


@pytest.mark.parametrize(
    ("body", "what", "mend"),
    [
        ({"matchers": {"tire": "A"}, "for": "1h"}, "no alert has a label 'tire'", "did you mean tier?"),
        (
            {"matchers": {"tier": "A"}, "until_resolved": True},
            "nothing fires that it matches",
            "give it an end, `for` or `ends`",
        ),
    ],
)
def test_a_silence_that_could_mute_nothing_is_refused(house, client, body, what, mend):
    error = client.post("/api/v1/silences", json=body).json()["error"]
    assert (error["what"], error["mend"], house.behind.silences) == (what, mend, [])


def test_readiness_says_why_not(house, client):
    assert client.get("/readyz").json() == {"status": "ready", "problems": [], "notices": []}
    house.behind.shown_status = replace(WELL, notices=(Text("没有规则包", "no pack"),))
    assert client.get("/readyz").json() == {"status": "ready", "problems": [], "notices": ["no pack"]}
    assert "没有规则包" in client.get("/").text
    assert "no pack" in client.get("/?lang=en").text
    house.behind.shown_status = replace(WELL, ready=False, problems=(Text("磁盘已满", "disk is full"),))
    answer = client.get("/readyz")
    shown = {"status": "not ready", "problems": ["disk is full"], "notices": []}
    assert (answer.status_code, answer.json()) == (503, shown)


def test_the_description_of_the_api_needs_no_other_host(client):
    page = client.get("/docs").text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for shown in (
        "The body is one event, an array of events",
        "limit query, optional integer, 1 to 1000, default 100",
        "matchers body object of texts",
        "opinion body false_alarm | useful",
        "for body, optional string, at most 20 characters",
    ):
        assert shown in words, shown
    assert "`" not in words
    assert "POST /api/v1/events" in page
    assert "http://" not in page
    assert "https://" not in page
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/v1/events", "/api/v1/shops", "/api/v1/stream", "/metrics"} <= set(paths)
    assert all(one.get("summary") for path in paths.values() for one in path.values())


def read_stream(client, path, until, change=lambda seen: None):
    """Parts by name, as they come, until enough were seen."""
    seen = []
    with client.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                seen.append((name, line[6:]))
                change(seen)
                if until(seen):
                    return seen
    raise AssertionError(seen)


def test_the_stream_sends_each_part_when_it_changes_and_the_clock_always(house, client):
    house.behind.shown_shops = [shop(1)]

    def change(seen):
        if len([name for name, _ in seen if name == "clock"]) == 3:
            house.behind.shown_shops = [shop(2)]

    seen = read_stream(
        client, "/api/v1/stream", lambda seen: sum(name == "shops" for name, _ in seen) == 2, change
    )
    assert [json.loads(data)[0]["shop_id"] for name, data in seen if name == "shops"] == ["s1", "s2"]
    assert sum(name == "alerts" for name, _ in seen) == 1
    assert {data for name, data in seen if name == "clock"} == {str(NOW_MS)}


def test_a_closed_stream_is_counted_off(house, client):
    read_stream(client, "/api/v1/stream", lambda seen: len(seen) > 2)
    eventually(lambda: "slawatch_http_streams 0.0" in client.get("/metrics").text)


def test_why_is_of_one_subject_within_the_token(house, client):
    answer = client.get("/api/v1/why", params={"rule": "drift", "shop": "pinduoduo:s1"})
    assert answer.json()["steps"][0]["reason"] == "drift on {'shop': 'pinduoduo:s1'}"
    assert client.get("/api/v1/why", params={"rule": "drift"}).status_code == 422
    assert client.get("/api/v1/why", params={"rule": "drift", "shop": "a", "source": "b"}).status_code == 422
    assert client.get("/api/v1/why", params={"rule": "none", "source": "erp"}).status_code == 404
    token = house.tokens.add("boss", role="viewer", now_ms=0, shops=["pinduoduo:s1"])
    headers = {"Authorization": f"Bearer {token}"}
    for subject, status in [
        ({"shop": "pinduoduo:s1"}, 200),
        ({"shop": "pinduoduo:s2"}, 404),
        ({"source": "x"}, 404),
    ]:
        answer = client.get("/api/v1/why", params={"rule": "drift", **subject}, headers=headers)
        assert answer.status_code == status


def test_what_a_figure_is_made_of_is_told_within_the_grant(client):
    answer = client.get("/api/v1/shops/pinduoduo/s1/explain?measure=reply&day=2026-11-11")
    assert (answer.status_code, answer.json()["asked"]) == (200, ["pinduoduo", "s1", "reply", 20_768, False])
    answer = client.get("/api/v1/shops/pinduoduo/a/b/explain?measure=none")
    assert (answer.status_code, answer.json()["error"]["what"]) == (404, "no measure 'none'")
