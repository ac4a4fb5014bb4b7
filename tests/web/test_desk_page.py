"""What a desk of a cluster shows of figures: sums over shops, and where to ask for the rest."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from monitor.sinks.dead_letters import DeadLetters
from monitor.sinks.metrics import Metrics
from monitor.web.app import WebOptions, build_desk_app
from monitor.web.ports import Headline, UnknownError
from monitor.web.tokens import Tokens
from tests.servers.browser import MISSING, browser
from tests.waiting import PATIENCE_S
from tests.web.houses import NOW_MS, StandIn, alert, served


def sums(each, subject, **more):
    figures = {"shops": 12, "dark": 0, "partial": False, "asked": 812, "late": 31, "open": 4, "waiting": 6}
    figures |= {"value": "0.9618", "online": 5, "line": "", "measure": "reply_rate_3m", "kind": "reply_rate"}
    title = {"zh": "3分钟人工回复率", "en": "3-minute human reply rate"}
    return {each: subject, "title": title, "period": "day"} | figures | more


def shown(*teams, **others):
    kinds = {"team": teams} | others
    return {each: {"as_of_ms": NOW_MS, "missing": 0, "sums": list(found)} for each, found in kinds.items()}


class Desk(StandIn):
    """A desk: shops are asked for one by one."""

    def headline(self, rule, subject):
        name = next(iter(subject.values()))
        return Headline({"zh": "", "en": ""}, {"zh": name, "en": name})

    async def shop(self, platform, shop_id):
        if shop_id == "far":
            raise UnknownError(
                "9000000 records of partition 1 would have to be read", mend="…", code="too_much"
            )
        return StandIn.shop(self, platform, shop_id)


@pytest.fixture
def desk(tmp_path):
    letters = DeadLetters(tmp_path / "dead.db")
    behind, tokens, metrics = Desk(letters), Tokens(tmp_path / "tokens.json"), Metrics()
    behind.found, behind.tokens = shown(), tokens
    ports, options = behind.ports(tokens, metrics), WebOptions(stream_interval_s=0.05)
    app = build_desk_app(ports, behind, lambda: behind.found, options)
    with served(app) as behind.url, httpx.Client(base_url=behind.url, timeout=PATIENCE_S) as behind.client:
        yield behind
    letters.close()


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_sums_stand_by_kind_the_most_misses_first_and_each_figure_once(desk):
    reds = [sums("team", "红队", late=9), sums("team", "红队", late=9, line="pdd-reply-50")]
    desk.found = shown(*reds, sums("team", "蓝队"), agent=[sums("agent", "li", shops=3, late=2, dark=1)])
    page = text_of(desk.client.get("/").text)
    assert page.count("超时 9 / 812") == 1, "two rules on one figure show it once"
    assert page.index("蓝队") < page.index("超时 31 / 812") < page.index("红队") < page.index("超时 9 / 812")
    for text in ("小组", "客服", "96.18%", "已答 812", "1 家失联，不在合计内", "在线客服 5", "运行中"):
        assert text in page, text
    assert "尚无来源" not in page, "a desk hears no sources, and nothing is wrong with that"


def test_without_rules_on_sums_that_is_said(desk):
    assert "还没有合计：没有规则看小组、平台或客服" in text_of(desk.client.get("/").text)


def test_sums_are_of_all_shops_and_not_for_a_token_of_some(desk):
    desk.found = shown(sums("team", "红队"))
    token = desk.tokens.add("some", role="viewer", shops=["pinduoduo:s1"], now_ms=NOW_MS)
    page = desk.client.get("/", headers={"Authorization": f"Bearer {token}"})
    assert page.status_code == 200
    assert "红队" not in page.text


def test_lists_of_all_shops_are_elsewhere_and_that_is_said(desk):
    for path in ("/shops", "/at-risk"):
        answer = desk.client.get(f"/api/v1{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "elsewhere")
        assert "/sums" in answer.json()["error"]["mend"]
    far = desk.client.get("/api/v1/shops/pinduoduo/far")
    assert (far.status_code, far.json()["error"]["code"]) == (503, "too_much")


@pytest.mark.live
@pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is one")
def test_a_phone_shows_sums_without_scrolling_sideways(desk, tmp_path):
    long = "华东区第三客户服务中心夜班临时支援二组（含外包同学）"
    desk.found = shown(
        sums("team", long),
        sums("team", "红队", late=9, dark=2),
        platform=[sums("platform", "pinduoduo", asked=123456, late=1024, shops=1200, partial=True)],
        agent=[sums("agent", f"pinduoduo:s{n}:客服{n}", late=n) for n in range(3)],
    )
    desk.shown_alerts = [alert(1)]
    with browser(tmp_path) as tab:
        tab.see(360)
        tab.open(desk.url)
        assert tab.run("document.documentElement.scrollWidth") == 360
        assert "96.18%" in tab.text()
        tab.picture(tmp_path / "desk.png")
