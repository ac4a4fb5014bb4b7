"""Who may do what, and how those are answered who may not."""

import json
import stat
import threading

import httpx
import pytest

from monitor.web.access import RateLimit
from monitor.web.app import WebOptions
from monitor.web.tokens import TokenError, Tokens
from tests.waiting import PATIENCE_S
from tests.web.houses import NOW_MS, alert, served, shop, waiting

EVENT = {
    "type": "message", "id": "m1", "at": NOW_MS, "platform": "pinduoduo", "shop_id": "s1",
    "conversation_id": "c1", "actor": "customer",
}  # fmt: skip


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def post(client, *, headers=None, **fields):
    return client.post("/api/v1/events", json=EVENT | fields, headers=headers)


def test_at_this_machine_everything_is_open_until_there_is_a_token(house, client):
    assert (post(client).status_code, client.get("/api/v1/shops").status_code) == (202, 200)
    token = house.tokens.add("erp", role="source", now_ms=0)
    assert (post(client).status_code, client.get("/api/v1/shops").status_code) == (401, 401)
    assert post(client, headers=bearer(token)).status_code == 202
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    house.tokens.revoke("erp")
    assert post(client).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},  # a foreign name that was made to point at this machine
        {"X-Forwarded-For": "1.2.3.4"},  # a proxy on this machine speaks for somebody else
        {"Forwarded": "for=1.2.3.4"},
    ],
)
def test_who_only_seems_to_sit_at_this_machine_needs_a_token(client, headers):
    answer = post(client, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["mend"]
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("path", ["/api/v1/events", "/ack", "/login", "/logout", "/api/v1/silences"])
def test_a_page_of_another_site_changes_nothing(house, client, headers, path):
    house.behind.shown_alerts = [alert(1)]
    body = {"matchers": {"rule": "x"}, "until_resolved": True}
    answer = client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_page")
    assert house.behind.batches == house.behind.acknowledged == house.behind.silences == []


def test_each_role_reaches_as_far_as_it_says(house, client):
    house.behind.shown_alerts = [alert(1)]
    tokens = {
        role: house.tokens.add(role, role=role, now_ms=0) for role in ("source", "viewer", "lead", "admin")
    }
    ack = f"/api/v1/alerts/{house.behind.shown_alerts[0].id}/ack"
    reached = {
        role: [
            post(client, headers=bearer(token)).status_code,
            client.get("/api/v1/shops", headers=bearer(token)).status_code,
            client.post(ack, headers=bearer(token)).status_code,
            client.post(f"{ack.removesuffix('ack')}resolve", headers=bearer(token)).status_code,
            client.get("/api/v1/dead-letters", headers=bearer(token)).status_code,
        ]
        for role, token in tokens.items()
    }
    assert reached == {
        "source": [202, 403, 403, 403, 403],
        "viewer": [403, 200, 403, 403, 403],
        "lead": [403, 200, 200, 200, 403],
        "admin": [202, 200, 200, 200, 200],
    }


def test_who_a_figure_is_made_of_is_shown_in_clear_to_leads_of_the_shop_only(house, client):
    tokens = {role: house.tokens.add(role, role=role, now_ms=0) for role in ("viewer", "lead")}
    tokens["other"] = house.tokens.add("other", role="lead", shops=["pinduoduo:s2"], now_ms=0)

    def ask(name, **query):
        path = "/api/v1/shops/pinduoduo/s1/explain"
        return client.get(
            path, params={"measure": "reply", **query}, headers=bearer(tokens[name])
        ).status_code

    assert (ask("viewer"), ask("viewer", clear="true")) == (200, 403)
    assert (ask("lead"), ask("lead", clear="true")) == (200, 200)
    assert (ask("other"), ask("other", clear="true")) == (404, 404)


def test_a_token_is_held_to_its_source_and_shops(house, client):
    token = house.tokens.add("erp", role="source", source="erp-1", shops=["pinduoduo:*"], now_ms=0)
    lines = "\n".join(
        json.dumps(EVENT | {"id": platform, "platform": platform}) for platform in ("taobao", "pinduoduo")
    )
    told = client.post("/api/v1/events?source=other", content=lines, headers=bearer(token)).json()
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(0, "foreign_shop")]
    assert (told["accepted"], house.behind.batches[0][0], house.behind.ids) == (1, "erp-1", ["pinduoduo"])


def test_a_viewer_sees_only_its_shops(house, client):
    house.behind.shown_shops = [shop(1), shop(2)]
    house.behind.shown_waiting = [waiting(1, 60_000)]
    house.behind.shown_alerts = [alert(1), alert(2)]
    headers = bearer(house.tokens.add("lead-2", role="lead", shops=["pinduoduo:s2"], now_ms=0))

    def get(path):
        return client.get(f"/api/v1{path}", headers=headers)

    assert [one["shop_id"] for one in get("/shops").json()["shops"]] == ["s2"]
    assert (get("/shops/pinduoduo/s2").status_code, get("/shops/pinduoduo/s1").status_code) == (200, 404)
    assert get("/at-risk").json()["at_risk"] == []
    assert [one["subject"]["shop"] for one in get("/alerts").json()["alerts"]] == ["pinduoduo:s2"]
    assert client.post(f"/api/v1/alerts/{alert(1).id}/ack", headers=headers).status_code == 404
    wide = {"matchers": {"rule": "x"}, "for": "1h"}
    assert client.post("/api/v1/silences", json=wide, headers=headers).status_code == 403
    page = client.get("/", headers=headers).text
    assert "第2旗舰店" in page
    assert "第1旗舰店" not in page


def test_a_live_page_ends_when_its_token_is_revoked(house, client):
    token = house.tokens.add("wall", role="viewer", now_ms=0)
    with client.stream("GET", "/live", headers=bearer(token)) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        house.tokens.revoke("wall")
        house.tokens.add("other", role="viewer", now_ms=0)
        for _ in lines:
            pass  # ends by itself
    assert client.get("/live", headers=bearer(token)).status_code == 401


class TestRates:
    @pytest.fixture
    def options(self):
        return WebOptions(requests_per_minute=3)

    def test_past_the_rate_of_a_token_it_is_told_when_to_come_again(self, house, client):
        tokens = [house.tokens.add(name, role="source", now_ms=0) for name in ("a", "b")]
        statuses = [post(client, headers=bearer(tokens[0])).status_code for _ in range(4)]
        assert statuses == [202, 202, 202, 429]
        answer = post(client, headers=bearer(tokens[0]))
        assert (answer.headers["retry-after"], answer.json()["error"]["code"]) == ("20", "too_many_requests")
        assert post(client, headers=bearer(tokens[1])).status_code == 202

    def test_guessing_tokens_is_slowed_down(self, house, client):
        house.tokens.add("a", role="source", now_ms=0)
        statuses = [post(client, headers=bearer(f"slw_{number}")).status_code for number in range(61)]
        assert statuses == [401] * 60 + [429]


def test_a_rate_fills_up_evenly_and_names_are_bounded():
    now_s = [0.0]
    limit = RateLimit(60, lambda: now_s[0])
    assert [limit.spend("a") for _ in range(61)] == [0] * 60 + [1]
    now_s[0] = 1.0
    assert [limit.spend("a"), limit.spend("a")] == [0, 1]
    now_s[0] = 1_000.0
    assert sum(limit.spend("a") == 0 for _ in range(100)) == 60
    for number in range(limit.NAMES_MAX + 10):
        limit.spend(str(number))
    assert len(limit._left) == limit.NAMES_MAX


def test_a_token_is_seen_once_hashed_at_rest_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "data" / "tokens.json"
    token = Tokens(path).add("erp", role="source", now_ms=5)
    assert token.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Tokens(path)
    assert (again.find(token).name, again.find(token).source, again.find("slw_x"), len(again)) == (
        "erp",
        "erp",
        None,
        1,
    )


def test_a_token_made_or_revoked_elsewhere_counts_at_once(tmp_path):
    here, there = Tokens(tmp_path / "t"), Tokens(tmp_path / "t")
    token = there.add("erp", role="viewer", now_ms=0)
    assert here.find(token).role == "viewer"
    there.revoke("erp")
    assert here.find(token) is None


def test_a_file_of_tokens_that_vanishes_opens_no_door(tmp_path):
    tokens = Tokens(tmp_path / "t")
    tokens.add("erp", role="viewer", now_ms=0)
    (tmp_path / "t").unlink()
    assert len(tokens) == 1


def test_what_is_wrong_with_a_token_is_told_with_the_mend(tmp_path):
    tokens = Tokens(tmp_path / "t")
    tokens.add("erp", role="source", now_ms=0)
    for fault, what in [
        (lambda: tokens.add("erp", role="source", now_ms=0), "there is a token 'erp'; revoke"),
        (lambda: tokens.add("E R P", role="source", now_ms=0), "not a name; use"),
        (lambda: tokens.add("b", role="source", shops=["s1"], now_ms=0), "no patterns; name"),
        (lambda: tokens.add("b", role="source", shops=[], now_ms=0), "no patterns; name"),
        (lambda: tokens.add("", role="source", now_ms=0), "'' is not a name"),
        (lambda: tokens.revoke("b"), "no token 'b'; "),
    ]:
        with pytest.raises(TokenError, match=what):
            fault()
    (tmp_path / "t").write_text("[{]")
    with pytest.raises(TokenError, match="restore the file"):
        Tokens(tmp_path / "t")


def test_two_writers_at_once_never_leave_half_a_file(tmp_path):
    def write(number):
        for one in range(5):
            Tokens(tmp_path / "t").add(f"t{number}-{one}", role="viewer", now_ms=0)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Tokens(tmp_path / "t")) == 20


def test_a_browser_signs_in_with_a_cookie_that_scripts_and_other_sites_cannot_use(house):
    token = house.tokens.add("boss", role="lead", now_ms=0)
    house.behind.shown_alerts = [alert(1)]
    with served(house.app) as address, httpx.Client(base_url=address, timeout=PATIENCE_S) as browser:
        assert browser.get("/").status_code == 401
        assert "slawatch tokens add" in browser.get("/").text
        answer = browser.post("/login", data={"token": token})
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict"))
        assert (answer.status_code, browser.get("/").status_code) == (303, 200)
        assert browser.post("/ack", data={"alert": alert(1).id}).status_code == 303
        assert house.behind.acknowledged == [(alert(1).id, "boss", "")]
        browser.post("/logout")
        assert browser.get("/").status_code == 401
        browser.post("/login", data={"token": "wrong"})
        assert "令牌无效" in browser.get("/").text
