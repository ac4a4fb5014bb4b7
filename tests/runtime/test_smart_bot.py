"""A card of a smart bot, tapped, acknowledges in the live daemon; at its end the bot is let go of."""

import asyncio

from alerting.fakes.wecom_smart import FakeSmartBot
from monitor.runtime.clock import ManualClock
from tests.runtime.scenes import TEN_MS, a_miss, folder, running
from tests.waiting import PATIENCE_S

ALERTING = """
receivers:
  managers: {{accounts: [bot], group_wait: 0s}}
default: managers
accounts:
  bot: {{type: wecom_smart_bot, bot_id: bot1, secret: s, chats: [wrA], base_url: "{url}"}}
"""


def test_a_tap_on_a_smart_bots_card_acknowledges_without_any_public_address(tmp_path):
    async def scene():
        clock = ManualClock(TEN_MS)
        bot = FakeSmartBot(clock.now_ms, "bot1", "s", ["wrA"])
        url = await bot.start()
        folder(tmp_path, url)
        (tmp_path / "alerting.yaml").write_text(ALERTING.format(url=url), "utf-8")
        try:
            async with running(tmp_path, clock) as (it, client):
                await a_miss(it, client, clock)
                (task,) = bot.cards
                renewed = await bot.tap("xiaoli", task, within_s=PATIENCE_S)
                await it.running.settled()
                (alert,) = (await client.get("/api/v1/alerts")).json()["alerts"]
                (act,) = (await client.get("/api/v1/audit")).json()["acts"]
            async with asyncio.timeout(PATIENCE_S):
                await bot.left.wait()
        finally:
            await bot.close()
        return bot.cards[task], renewed, alert, act

    card, renewed, alert, act = asyncio.run(scene())
    assert renewed
    assert card["main_title"]["desc"] == "已确认：xiaoli"
    assert (alert["acknowledged_by"], act["who"]) == ("wecom:xiaoli", "wecom:xiaoli")
