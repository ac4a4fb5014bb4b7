"""What people hold in their hands: a card that is acknowledged by a tap, and an SMS of the same alert."""

import asyncio

import httpx
from scenes import TEN_MS, configured, folder, message, post

from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.wecom_app import FakeWecomApp
from alerting.fakes.wecom_taps import KEY, TOKEN, tap
from monitor.app import daemon
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import pass_time

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
            async with (
                daemon(configured(tmp_path), clock) as it,
                httpx.AsyncClient(base_url=it.url) as client,
            ):
                await it.running.settled()
                await post(client, message(1, TEN_MS))
                await pass_time(clock, TEN_MS + 5_000, it.running.settled)
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
