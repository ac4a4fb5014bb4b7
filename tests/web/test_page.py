"""The first page: what it shows, that nothing blind looks healthy, and how it looks in a real browser."""

import asyncio
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape

import pytest
from fastapi import Request, Response
from test_api import read_stream

from monitor import limits
from monitor.web.ports import LineView, SourceStatus
from monitor.web.words import WORDS, duration
from rules.pack import Text
from tests.waiting import PATIENCE_S
from tests.web.houses import NOW_MS, WELL, alert, served, shop, waiting

BLIND = replace(WELL, sources=(SourceStatus("erp", blind=False), SourceStatus("front", blind=True)))


def text_of(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


@pytest.fixture
def busy(house):
    behind = house.behind
    behind.shown_shops = [
        shop(1, "crit", left=-2, tonight=-5), shop(2, "ok", blind=True),
        shop(3, "warn", left=4, breach_in_s=1080), shop(4, name="<script>alert(1)</script>"),
        shop(5, "partial", lines=(), name="一个名字特别特别长的店铺旗舰店超级长的名字官方授权专营店华东分店"),
    ]  # fmt: skip
    behind.shown_waiting = [
        waiting(1, -4_000), waiting(2, 12_000, agent_id=""), waiting(3, 95_000, costs_budget=False),
        waiting("4f1c0a9e-7b6d-4c2f-8a1e-4f1c0a9e7b6d4c2f8a1e", 1_000_000, url="javascript:alert(1)"),
    ]  # fmt: skip
    behind.shown_alerts = [
        alert(1, advice={"zh": "请组长加人", "en": "Add people"}), alert(3, "warn", acknowledged_by="王经理"),
    ]  # fmt: skip
    behind.shown_status = BLIND
    return house


def test_the_page_shows_budgets_countdowns_and_alerts(busy, client):
    page = text_of(client.get("/").text)
    for shown in (
        "第1旗舰店", "3分钟人工回复率 ≥ 50% 今日",
        "余量 -2", "今晚预计 -5", "已越线", "触线 18 分 00 秒", "12 秒", "1 分 35 秒", "已超时",
        "无人接待", "该客户今日已失分", "3分钟回复率逼近红线", "请组长加人",
        "第1旗舰店 · 告警中 · 5 分 00 秒", "10:19 余量 3，约 18 分钟后触线",
        "已确认：王经理", "1 个来源失联：front",
    ):  # fmt: skip
        assert shown in page, shown


def test_the_page_speaks_english_when_asked_and_remembers_it(busy, client):
    page = text_of(client.get("/?lang=en").text)
    for shown in (
        "Budget left -2",
        "Line in 18 min 00 s",
        "Reply rate near its line",
        "sources blind (1): front",
    ):
        assert shown in page, shown
    assert "About to time out" in client.get("/").text


def test_what_comes_from_outside_is_escaped(busy, client):
    page = client.get("/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "javascript:" not in page


def test_a_blind_shop_shows_no_figure_and_never_looks_healthy(house, client):
    house.behind.shown_shops = [shop(1, "ok", blind=True, left=20)]
    house.behind.shown_status = BLIND
    page = client.get("/").text
    row = page[page.index('<li class="row shop') :].partition("</li>")[0]
    assert 'class="row shop unknown blind"' in row
    assert text_of(row).count("?") == 2
    assert "失联，数据未知" in row
    assert "正常" not in row
    assert not re.search(r"[<\s]b>\d", row)


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (BLIND, "看不见会话：来源失联"),
        (replace(WELL, ready=False), "未就绪"),
        (replace(WELL, sources=()), "尚无来源"),
        (replace(WELL, problems=(Text("磁盘将满", "the disk fills"),)), "磁盘将满"),
        (replace(WELL, lag_ms=61_000), "处理滞后 1 分 01 秒"),
        (
            replace(WELL, problems=(Text("x"),), sources=(SourceStatus("erp", blind=False, late_dropped=3),)),
            "3 条事件来得太晚，未计入：erp",
        ),
    ],
)
def test_an_empty_page_is_not_calm_unless_all_is_seen(house, client, status, shown):
    house.behind.shown_status = status
    page = client.get("/").text
    assert shown in text_of(page)
    if status.lag_ms == 0:
        assert 'class="pill ok"' not in page


def test_a_daemon_that_still_reads_its_state_claims_nothing(house, client):
    house.behind.shown_status = replace(WELL, ready=False, now_ms=0, lag_ms=NOW_MS, sources=())
    page = client.get("/").text
    assert f'data-clock="{NOW_MS}"' in page
    assert not any(
        claim in page for claim in ("处理滞后", "没有会话在等待", "没有未解除的告警", 'class="pill ok"')
    )


def test_an_empty_page_is_calm_when_all_is_seen(client):
    page = client.get("/").text
    assert 'class="pill ok"' in page
    assert "没有会话在等待" in page


def row_of(page, kind):
    return page[page.index(f'<li class="row {kind}') :].partition("</li>")[0]


def test_a_shop_past_a_line_says_so_whatever_its_alerts_say(house, client):
    """It is red, and says 已越线 beside what its alert says."""
    house.behind.shown_shops = [shop(1, "warn", left=-3, tonight=4)]
    row = row_of(client.get("/").text, "shop")
    assert 'class="row shop crit"' in row
    assert text_of(row).startswith(" 第1旗舰店 pinduoduo 已越线 警告 ")
    house.behind.shown_shops = [shop(1, "ok", left=-3)]
    row = row_of(client.get("/?lang=en").text, "shop")
    assert "Line crossed" in row
    assert ">OK<" not in row


def test_an_order_rate_counts_orders_and_an_unfinished_period_says_since_when(house, client):
    line = LineView(
        "pdd-intervention", "intervention_rate", "30d", "≤ 0.3%", {}, budget_left=1, asked=700, late=1,
        title={"zh": "平台介入率"}, kind="order_rate", since_ms=NOW_MS - 3 * 86_400_000, partial=True,
    )  # fmt: skip
    house.behind.shown_shops = [
        shop(1, lines=(line,), platform_name={"zh": "拼多多"}, timezone="Asia/Shanghai")
    ]
    row = text_of(row_of(client.get("/").text, "shop"))
    assert "平台介入率 ≤ 0.3% 30天" in row
    assert "出事订单 1 / 700" in row
    assert "数据自 11-08 10:20 起" in row
    assert "拼多多" in row
    assert "pinduoduo" not in row


def test_who_has_no_name_goes_by_the_id_once(house, client):
    house.behind.shown_shops = [shop(1, name="pinduoduo:s1")]
    house.behind.shown_waiting = [
        waiting(1, 9_000, agent_name="小王", agent_id="a-7"),
        waiting(2, 9_000, agent_id="a-8"),
    ]
    house.behind.shown_alerts = [alert(1, name={})]
    page = client.get("/").text
    assert text_of(row_of(page, "shop")).startswith(" s1 pinduoduo ")
    assert "小王" in text_of(page)
    assert "a-7" not in text_of(page)
    assert "a-8" in text_of(page)
    assert "pinduoduo:s1 · 告警中" in text_of(page)


def test_conversations_that_are_not_listed_are_counted(house, client):
    house.behind.shown_waiting = [waiting(n, 9_000 + n) for n in range(107)]
    page = client.get("/?lang=en").text
    assert page.count("data-deadline=") == 100
    assert "7 more are not listed; they have longer" in text_of(page)


def test_times_are_those_of_the_shops_and_say_so(house, client):
    """The page's clock is the packs'; a shop elsewhere says its zone; another day says its date."""
    house.behind.shown_alerts = [
        alert(1), alert(2, reason_ms=NOW_MS - 86_400_000), alert(3, timezone="Asia/Tokyo"),
        alert(4, silenced_until_ms=NOW_MS + 86_400_000),
    ]  # fmt: skip
    page = client.get("/").text
    assert re.search(r'<time id="clock" [^>]*data-zone="Asia/Shanghai">10:20:30</time>', page)
    for shown in (
        "10:20:30 北京时间",
        " 10:19 余量",
        " 11-10 10:20 余量",
        " 11:19 Asia/Tokyo 余量",
        "静默至 11-12 10:20",
    ):
        assert shown in text_of(page), shown
    assert "10:20:30 Beijing time" in text_of(client.get("/?lang=en").text)


def test_the_parts_come_rendered_over_the_stream(busy, client):
    seen = read_stream(client, "/live?lang=en", lambda seen: seen[-1][0] == "clock")
    assert {name for name, _ in seen} == {"status", "waiting", "shops", "alerts", "clock"}
    assert any("Budget left" in data for name, data in seen if name == "shops")


def test_every_word_is_there_in_both_languages():
    assert [key for key, (zh, en) in WORDS.items() if not zh or not en] == []


def test_lengths_of_time_are_read_at_a_glance():
    lengths = (0, 59_999, 60_000, 3_599_000, 3_600_000, 86_400_000 + 7_200_000)
    assert [duration("zh", one) for one in lengths] == [
        "0 秒", "59 秒", "1 分 00 秒", "59 分 59 秒", "1 小时 00 分", "1 天 2 小时",
    ]  # fmt: skip
    assert [duration("en", 65_000), duration("en", None)] == ["1 min 05 s", "–"]


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# What the browser makes of the page, told to the server once the stream has spoken in it.
PROBE = """
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => setTimeout(() => {
  const page = frame.contentDocument, root = page.documentElement;
  const seen = {
    width: root.clientWidth,
    overflow: root.scrollWidth - root.clientWidth,
    wide: [...page.querySelectorAll("body *")].filter(
      (one) => one.getBoundingClientRect().right > root.clientWidth + 1).map((one) => one.outerHTML),
    columns: getComputedStyle(page.querySelector("main")).gridTemplateColumns.split(" ").length,
    dom: root.outerHTML,
  };
  fetch("/measured", { method: "POST", body: JSON.stringify(seen) });
}, 1000));
"""


class Framed:
    """The application as it is, but that its own pages may frame it: a window has at least 500 px."""

    def __init__(self, app):
        self.app, self.state = app, app.state

    async def __call__(self, scope, receive, send):
        async def send_framed(message):
            message["headers"] = [
                (name, value.replace(b"frame-ancestors 'none'", b"frame-ancestors 'self'; frame-src 'self'"))
                for name, value in message.get("headers", ())
                if name != b"x-frame-options"
            ]
            await send(message)

        await self.app(scope, receive, send_framed if scope["type"] == "http" else send)


def test_alerts_and_shops_that_are_too_many_for_the_page_are_counted(busy, client, monkeypatch):
    monkeypatch.setattr(limits, "SHOPS_ON_PAGE", 3)
    monkeypatch.setattr(limits, "ALERTS_ON_PAGE", 1)
    page = text_of(client.get("/").text)
    assert "另有 2 家店铺未列出" in page
    assert "另有 1 条告警未列出" in page


@pytest.fixture
def probed(busy):
    """Address of the page in a frame, and the list into which the browser tells what it sees."""
    told = []
    measured = asyncio.Event()

    @busy.app.get("/probe/{width}")
    async def page(width: int):
        # The browser is done with a page once it has loaded, which a slow picture puts off.
        frame = f'<iframe src="/" width="{width}" height="740" frameborder="0"></iframe>'
        html = f'<!doctype html>{frame}<script src="/probe.js"></script><img src="/slow" alt="">'
        return Response(html, media_type="text/html")

    @busy.app.get("/probe.js")
    async def script():
        return Response(PROBE, media_type="text/javascript")

    @busy.app.get("/slow")
    async def slow():
        await measured.wait()
        return Response(status_code=404)

    @busy.app.post("/measured")
    async def measure(request: Request):
        told.append(await request.json())
        measured.set()
        return Response(status_code=204)

    with served(Framed(busy.app)) as address:
        yield address, told


@pytest.mark.live
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
@pytest.mark.parametrize(("width", "columns"), [(360, 1), (1920, 3)])
def test_a_real_browser_shows_all_rows_counts_down_and_nothing_overflows(
    probed, tmp_path, monkeypatch, width, columns
):
    monkeypatch.setattr(limits, "SHOPS_ON_PAGE", 4)  # what is not listed is counted all the same
    address, told = probed
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars", f"--user-data-dir={tmp_path}", "--window-size=2000,900",
            f"--screenshot={tmp_path / 'page.png'}", f"{address}/probe/{width}",
        ],
        capture_output=True, check=True, timeout=PATIENCE_S,
    )  # fmt: skip
    (seen,) = told
    dom = seen.pop("dom")
    assert seen == {"width": width, "overflow": 0, "wide": [], "columns": columns}
    assert [dom.count(f'class="row {kind}') for kind in ("wait", "shop", "alert")] == [4, 4, 2]
    assert 'id="stale" class="banner" role="alert" hidden' in dom
    assert re.search(r'<li class="row wait late"[^>]*>\s*<span class="countdown"[^>]*>已超时 \d', dom)
    assert re.search(r'<li class="row wait soon"[^>]*>\s*<span class="countdown"[^>]*>1[0-2] 秒', dom)
    assert '<b data-rows="shops">5</b>' in dom
