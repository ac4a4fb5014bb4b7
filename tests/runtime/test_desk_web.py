"""The web of a cluster's desk: links of its messages open there, and taking an alert reaches the desk."""

import asyncio
import re
import time

import httpx

from alerting.fakes.wecom import FakeWecom
from monitor.app_desk import desk
from monitor.store.sqlite import SqliteStore
from rules.transition import Facts, Transition
from tests.runtime.scenes import configured, folder
from tests.waiting import PATIENCE_S, until


def test_a_link_of_a_desks_message_acknowledges_there(tmp_path):
    async def scene():
        now_ms = time.time_ns() // 1_000_000
        wecom = FakeWecom(lambda: time.time_ns() // 1_000_000)
        folder(tmp_path, await wecom.start(), "public_url: https://sla.example\n")
        try:
            async with desk(configured(tmp_path)) as (url, *_):
                data = next(path for path in tmp_path.rglob("store.db"))
                store = SqliteStore(data)
                epoch = store.take(0).epoch
                t = Transition(
                    now_ms, "a-miss", {"shop": "mall:s1"}, "ok", "firing", "crit", "crit", "rose",
                    since_ms=now_ms, facts=Facts(asked=2, late=1), position=1,
                )  # fmt: skip
                store.commit_step(0, epoch, 1, [t])
                (text,) = await until(lambda: [text for text in wecom.texts() if "/a/" in text])
                path = re.search(r"https://sla\.example(/a/[^)\s]+)", text)[1]
                async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
                    page = await client.get(path)
                    style = await client.get("/static/page.css")
                    done = await client.post(path, data={"do": "acknowledge", "name": "小李"})
                    traces = await until(
                        lambda: [one for one in store.traces("a-miss|shop=mall:s1") if one.verdict == "taken"]
                    )
                    after = await client.get(path)
                store.close()
        finally:
            await wecom.close()
        return page, style, done, traces, after

    page, style, done, traces, after = asyncio.run(scene())
    assert (page.status_code, style.status_code, done.status_code) == (200, 200, 303)
    assert "确认，我来处理" in page.text
    assert page.headers["referrer-policy"] == "same-origin"
    assert traces[0].reason.startswith("by link:managers 小李")
    assert "小李（managers）" in after.text


def test_the_stores_clock_counts_and_what_a_log_dates_ahead_of_it_is_told_at_once(tmp_path, monkeypatch):
    """As where the database's machine is five minutes behind this one and the broker."""

    def behind():
        return time.time_ns() // 1_000_000 - 300_000

    monkeypatch.setattr(SqliteStore, "now_ms", lambda _: behind())

    async def scene():
        wecom = FakeWecom(behind)
        folder(tmp_path, await wecom.start())
        try:
            async with desk(configured(tmp_path)) as (url, *_):
                store = SqliteStore(next(path for path in tmp_path.rglob("store.db")))
                at_ms = behind() + 300_000
                t = Transition(
                    at_ms, "a-miss", {"shop": "mall:s1"}, "ok", "firing", "crit", "crit", "rose",
                    since_ms=at_ms, facts=Facts(asked=2, late=1), position=1,
                )  # fmt: skip
                store.commit_step(0, store.take(0).epoch, 1, [t])
                await until(wecom.texts)
                async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                    await client.post("/api/v1/alerts/a-miss|shop=mall:s1/ack")
                    notices = (await client.get("/readyz")).json()["notices"]
                (act,) = store.audit(10)
                store.close()
        finally:
            await wecom.close()
        return act, notices

    act, notices = asyncio.run(scene())
    assert abs(act.at_ms - behind()) < 60_000
    assert any("300 s ahead of the database's" in str(notice) for notice in notices)
