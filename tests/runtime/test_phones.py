"""What people hold in their hands: a card that is acknowledged by a tap, and an SMS of the same alert."""

import asyncio
import re

from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.wecom_app import FakeWecomApp
from alerting.fakes.wecom_taps import KEY, TOKEN, tap
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time
from tests.runtime.scenes import TEN_MS, a_miss, folder, living, message, post, running

ALERTING = """
receivers:
  managers: {{accounts: [app, sms], group_wait: 0s}}
default: managers
accounts:
  app:
    type: wecom_app
    corp_id: ww1
    agent_id: 7
    secret: app-secret
    users: [xiaoli]
    format: card
    card_url: https://sla.example/alerts
    callback_token: {token}
    callback_key: {key}
    base_url: {wecom}
  sms:
    type: aliyun_sms
    access_id: LTAI5t
    secret: sms-secret
    phones: ["13800138001"]
    sign_name: 晨光
    template: SMS_1
    params: {{shop: shop, n: count, figure: figure}}
    base_url: {sms}
"""


def test_an_alert_reaches_card_and_phone_and_a_tap_acknowledges_it(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        wecom = FakeWecomApp(clock.now_ms, "ww1", "app-secret", 7, ["xiaoli"])
        sms = FakeAliyunSms(clock.now_ms, "LTAI5t", "sms-secret", ["13800138001"])
        urls = {"wecom": await wecom.start(), "sms": await sms.start()}
        folder(tmp_path, urls["wecom"])
        (tmp_path / "alerting.yaml").write_text(ALERTING.format(token=TOKEN, key=KEY, **urls), "utf-8")
        try:
            async with running(tmp_path, clock) as (it, client):
                await a_miss(it, client, clock)
                (card,), texts = wecom.cards, sms.texts()
                query, body = tap(wecom, "xiaoli", card)
                answer = await client.post("/api/v1/callbacks/wecom/app", params=query, content=body)
                await it.running.settled()
                (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
        finally:
            await wecom.close()
            await sms.close()
        return card, texts, answer, alert

    card, texts, answer, alert = asyncio.run(scene())
    assert "有超时" in card["main_title"]["title"]
    (text,) = texts
    assert text.startswith("【晨光】店铺mall:s1超时会话1个，")
    assert len(text) <= 70  # one SMS
    assert answer.status_code == 200
    assert alert["acknowledged_by"] == "wecom:xiaoli"


def test_a_link_in_a_message_opens_a_page_that_acknowledges_and_says_so_ever_after(tmp_path):
    """From the group's message to the end of the alert."""

    async def scene():
        clock, seen = ManualClock(TEN_MS), []
        async with living(tmp_path, clock, "public_url: https://sla.example") as (it, client, wecom):
            await a_miss(it, client, clock)
            (path,) = re.findall(r"https://sla\.example(/a/[^)\s]+)", wecom.texts()[0])

            async def look():
                await it.running.settled()
                return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (await client.get(path)).text))

            seen.append(await look())
            done = await client.post(path, data={"do": "acknowledge", "name": "小李"})
            assert done.status_code == 303
            seen.append(await look())
            (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
            await post(client, message(1, TEN_MS + 1_000, "agent"))  # in time after all, it only came late
            await pass_time(clock, clock.now_ms() + 60_000, it.running.settled)
            assert (await client.get("/api/v1/alerts")).json()["alerts"] == []
            await client.post(path, data={"do": "false_alarm", "name": "小李"})
            seen.append(await look())
            feedback = (await client.get("/api/v1/feedback")).json()["rules"]
            audit = (await client.get("/api/v1/audit")).json()["acts"]
        return seen, alert, feedback, audit

    (first, taken, over), alert, feedback, audit = asyncio.run(scene())
    assert "确认，我来处理" in first
    assert "已确认：小李（managers）" in taken
    assert alert["acknowledged_by"] == "link:managers 小李"
    assert "已结束" in over
    assert "小李（managers） · 确认" in over
    assert "小李（managers） · 标为误报" in over
    assert feedback == [{"rule": alert["rule"], "false_alarms": 1, "useful": 0}]
    assert [act["what"] for act in audit] == ["false_alarm", "acknowledge"]
