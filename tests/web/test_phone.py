"""The page behind a link in a message: one alert on a phone, for who has the link and nobody else."""

import re
from dataclasses import replace
from html import unescape

import pytest

from alerting.links import Link, Links
from alerting.policy.acts import Act
from monitor.web.app import WebOptions
from tests.servers.browser import MISSING, browser
from tests.waiting import eventually
from tests.web.houses import NOW_MS, alert, waiting

LINKS = Links(b"k" * 32, "https://sla.example")
ONE = alert(1, advice={"zh": "请组长加人", "en": "Add people"})
FIRING = f"{ONE.id}@{ONE.since_ms}"


@pytest.fixture
def options():
    return WebOptions(links=LINKS)


@pytest.fixture
def open_one(house):
    house.behind.shown_alerts = [ONE]
    return house.behind


def link(since_ms=ONE.since_ms, expires_ms=NOW_MS + 3_600_000, receiver="managers"):
    made = Link(ONE.rule, ONE.subject, f"@{since_ms}", receiver, expires_ms // 1_000)
    return f"/a/{LINKS.token(made)}"


def text_of(answer):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def buttons(answer):
    return re.findall(r'name="do" value="(\w+)"', answer.text)


def did(behind):
    return [(act.what, act.who) for act in behind.done]


def test_it_shows_who_and_what_and_what_can_be_done(client, open_one):
    others = [replace(waiting(n, n), shop_id="s2") for n in range(1_000)]
    open_one.shown_waiting = [*others, replace(waiting(1, 12_000), customer_id="customer-1042")]
    answer = client.get(link())
    shown = text_of(answer)
    assert answer.status_code == 200
    for part in (
        "严重", "告警中 · 5 分 00 秒", "店铺 pinduoduo:s1", "3分钟回复率逼近红线", "余量 3，约 18 分钟后触线",
        "请组长加人", "c***42 · 12 秒 · 客服小王",
    ):  # fmt: skip
        assert part in shown, part
    assert "customer-1042" not in answer.text
    assert buttons(answer) == ["acknowledge", "silence", "false_alarm", "resolve"]


def test_looking_changes_nothing_however_often_a_chat_program_looks(client, open_one):
    for method in ("GET", "GET", "HEAD", "OPTIONS"):
        client.request(method, link())
    client.get(link(), params={"do": "acknowledge"})
    assert open_one.done == []


def test_acknowledging_names_who_did_it_and_the_page_says_so(client, open_one):
    done = client.post(link(), data={"do": "acknowledge", "name": " 小李\n"})
    assert (done.status_code, done.headers["location"]) == (303, link())
    assert did(open_one) == [("acknowledge", "link:managers 小李")]
    after = client.get(link())
    assert "✓ 已确认：小李（managers）" in text_of(after)
    assert buttons(after) == ["silence", "false_alarm", "useful", "resolve"]
    assert 'value="小李"' in after.text  # remembered for the next time


def test_it_can_be_taken_for_a_while(client, open_one):
    page = client.get(link())
    assert re.findall(r'<option value="(\w*)">([^<]+)<', page.text) == [
        ("", "默认时长"), ("30m", "30 分钟"), ("2h", "2 小时"), ("8h", "8 小时")
    ]  # fmt: skip
    client.post(link(), data={"do": "acknowledge", "for": "2h"})
    assert open_one.holds_ms == 7_200_000
    open_one.shown_alerts = [replace(ONE, acknowledged_by="boss", acknowledged_until_ms=NOW_MS + 7_200_000)]
    assert "✓ 已确认：boss，至 12:20" in text_of(client.get(link()))
    forged = client.post(link(), data={"do": "acknowledge", "for": "99d"})
    assert forged.status_code == 303  # it is taken already
    assert len(open_one.done) == 1


def test_a_length_that_no_option_offers_is_refused(client, open_one):
    assert client.post(link(), data={"do": "acknowledge", "for": "99d"}).status_code == 422
    assert open_one.done == []


def test_it_is_open_as_long_as_its_firing_is_though_it_fired_again_before_its_end_was_told(client, open_one):
    """Then the firing stays the same while the time since when it fires is another."""
    open_one.shown_alerts = [replace(ONE, since_ms=ONE.since_ms + 60_000)]
    assert "acknowledge" in buttons(client.get(link()))


def test_a_second_tap_changes_nothing(client, open_one):
    for what in ("acknowledge", "acknowledge", "false_alarm", "false_alarm"):
        client.post(link(), data={"do": what})
    assert did(open_one) == [("acknowledge", "link:managers"), ("false_alarm", "link:managers")]


def test_a_rise_after_the_acknowledgement_asks_again(client, open_one):
    client.post(link(), data={"do": "acknowledge"})
    open_one.shown_alerts = [replace(ONE, reason_ms=NOW_MS + 1_000)]
    assert "acknowledge" in buttons(client.get(link()))


def test_silence_for_an_hour(client, open_one):
    client.post(link(), data={"do": "silence"})
    assert did(open_one) == [("silence", "link:managers")]
    open_one.shown_alerts = [replace(ONE, silenced_until_ms=NOW_MS + 3_600_000)]
    after = client.get(link())
    assert "静默至 11:20" in text_of(after)
    assert "silence" not in buttons(after)
    client.post(link(), data={"do": "silence"})
    assert len(open_one.done) == 1


def test_closing_takes_a_second_tap_and_is_done_once(client, open_one):
    """What it does is said before it is done; the desk may not have folded it when the page comes back."""
    page = client.get(link())
    folded = re.search(r"<details>(.*?)</details>", page.text, re.DOTALL)[1]
    assert "再次触发或升级时会重新通知" in folded
    assert 'value="resolve"' in folded
    for _ in range(2):
        client.post(link(), data={"do": "resolve", "name": "小李"})
    assert did(open_one) == [("resolve", "link:managers 小李")]
    after = client.get(link())
    assert "已结束" in text_of(after)
    assert "小李（managers） · 关闭" in text_of(after)
    assert buttons(after) == ["false_alarm", "useful"]


def test_what_rose_after_it_was_closed_is_open_again(client, open_one):
    client.post(link(), data={"do": "resolve"})
    open_one.shown_alerts = [replace(ONE, reason_ms=NOW_MS + 1_000)]
    assert "acknowledge" in buttons(client.get(link()))


def test_a_used_link_says_what_happened_when_all_is_over(client, open_one):
    client.post(link(), data={"do": "acknowledge", "name": "小李"})
    open_one.shown_alerts = []
    after = client.get(link())
    shown = text_of(after)
    assert "已结束" in shown
    assert "处理记录 10:20 小李（managers） · 确认" in shown
    assert buttons(after) == ["false_alarm", "useful"]
    client.post(link(), data={"do": "useful"})
    client.post(link(), data={"do": "acknowledge"})
    assert did(open_one)[1:] == [("useful", "link:managers")]
    assert "本规则近 30 天： 有用 1 · 误报 0" in text_of(client.get(link()))


def test_a_link_of_a_former_firing_acts_on_no_later_one(client, open_one):
    former = link(since_ms=ONE.since_ms - 1)
    assert "已结束" in text_of(client.get(former))
    for what in ("acknowledge", "silence", "resolve"):
        client.post(former, data={"do": what})
    assert open_one.done == []


def test_an_expired_link_shows_and_does_nothing(client, open_one):
    old = link(expires_ms=NOW_MS - 1_000)
    assert "链接已过期" in text_of(client.get(old))
    answer = client.post(old, data={"do": "acknowledge"})
    assert "链接已过期" in text_of(answer)
    assert (buttons(answer), open_one.done) == ([], [])


@pytest.mark.parametrize("token", ["nonsense", link()[3:-1], link()[3:] + "A", "x.y"])
def test_what_is_no_link_of_ours_opens_nothing(client, open_one, token):
    for answer in (client.get(f"/a/{token}"), client.post(f"/a/{token}", data={"do": "acknowledge"})):
        assert (answer.status_code, "链接无效" in text_of(answer)) == (404, True)
        assert "店铺" not in text_of(answer)
    assert open_one.done == []


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site", "origin": "null"}]
)
def test_another_sites_page_cannot_make_anybody_act(client, open_one, headers):
    assert client.post(link(), data={"do": "acknowledge"}, headers=headers).status_code == 403
    assert open_one.done == []


def test_a_browser_that_names_no_origin_may(client, open_one):
    """As those in chat programs do."""
    client.post(
        link(), data={"do": "acknowledge"}, headers={"origin": "null", "sec-fetch-site": "same-origin"}
    )
    assert did(open_one) == [("acknowledge", "link:managers")]


def test_the_page_is_for_nobody_else(client, open_one):
    headers = client.get(link()).headers
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "noindex" in headers["x-robots-tag"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_no_button_asks_for_anything_else(client, open_one):
    assert client.post(link(), data={"do": "delete"}).status_code == 422
    assert client.post(link(), data={}).status_code == 422
    assert client.post(link(), content=b"do=" + b"x" * 9_000).status_code == 413


def test_it_speaks_english(client, open_one):
    shown = text_of(client.get(f"{link()}?lang=en"))
    for part in ("I take it", "Silence for 1 hour", "False alarm", "Your name", "All alerts"):
        assert part in shown


def test_while_the_alerts_are_not_read_it_says_so_and_does_nothing(client, open_one):
    open_one.ready = False
    assert client.post(link(), data={"do": "acknowledge"}).status_code == 503
    assert "正在启动" in text_of(client.get(link()))
    assert open_one.done == []


# The same over the API


def test_feedback_over_the_api(client, house, open_one):
    answer = client.post(
        f"/api/v1/alerts/{ONE.id}/feedback", json={"opinion": "false_alarm", "comment": "促销"}
    )
    assert answer.json() == {"alert": ONE.id, "opinion": "false_alarm", "by": "local"}
    assert client.get("/api/v1/feedback").json() == {
        "rules": [{"rule": ONE.rule, "false_alarms": 1, "useful": 0}]
    }
    (act,) = client.get("/api/v1/audit").json()["acts"]
    assert (act["who"], act["what"], act["incident"], act["comment"]) == (
        "local",
        "false_alarm",
        FIRING,
        "促销",
    )
    assert client.post("/api/v1/alerts/none/feedback", json={"opinion": "useful"}).status_code == 404
    assert client.post(f"/api/v1/alerts/{ONE.id}/feedback", json={"opinion": "bad"}).status_code == 422


def test_who_may_see_the_audit(client, house, open_one):
    token = house.tokens.add("lead", role="lead", now_ms=NOW_MS)
    assert client.get("/api/v1/audit", headers={"authorization": f"Bearer {token}"}).status_code == 403


@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
def test_in_a_real_browser_on_a_small_phone(client, open_one, tmp_path):
    """Nothing is wider than the screen, a finger hits every button, and a tap acknowledges."""
    address = str(client.base_url).rstrip("/")
    with browser(tmp_path) as tab:
        tab.see(360)
        tab.open(address + link())
        assert tab.run("document.documentElement.scrollWidth") == 360
        heights = tab.run(
            "[...document.querySelectorAll('button, select, summary')]"
            ".filter(b => b.checkVisibility()).map(b => b.offsetHeight).join(' ')"
        )
        assert [int(height) >= 44 for height in heights.split()] == [True] * 5
        assert (
            tab.run("getComputedStyle(document.querySelector('input')).fontSize") == "16px"
        )  # no zooming in
        tab.run("document.querySelector('button.main').click()")
        eventually(lambda: "已确认：managers" in tab.text(), what="the acknowledgement")
        tab.picture(tmp_path / "phone.png")
    assert did(open_one) == [("acknowledge", "link:managers")]


@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
def test_in_a_real_browser_the_first_pages_own_form_is_no_foreign_page(client, open_one, tmp_path):
    with browser(tmp_path) as tab:
        tab.open(str(client.base_url))
        tab.run("document.querySelector('.alert form button').click()")
        eventually(lambda: open_one.acknowledged, what="the acknowledgement")
    assert open_one.acknowledged == [(ONE.id, "local", "")]


@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")
def test_in_a_real_browser_a_heading_is_not_under_the_bar_that_leads_to_it(client, open_one, tmp_path):
    """With 100,000 rounds the bar has two lines at 360 px."""
    with browser(tmp_path) as tab:
        tab.see(360)
        tab.open(str(client.base_url))
        tab.run("window.count = () => 0")
        tab.run("for (const b of document.querySelectorAll('.jump b')) b.textContent = '102887'")
        tab.run("document.body.style.paddingBottom = '2000px'")
        tab.run("document.getElementById('alerts-title').scrollIntoView()")
        below = (
            "document.getElementById('alerts-title').getBoundingClientRect().top"
            " - document.querySelector('.jump').getBoundingClientRect().bottom"
        )
        assert 0 <= tab.run(below) < 40


def test_an_acknowledgement_that_ended_can_be_given_again(client, open_one, house):
    open_one.done.append(Act(NOW_MS - 60_000, "lead", "acknowledge", ONE.id, FIRING))
    open_one.shown_alerts = [replace(ONE, reason_ms=NOW_MS - 120_000)]
    assert "acknowledge" in buttons(client.get(link()))
