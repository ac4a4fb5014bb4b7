"""What a daemon makes of its files and its environment, and what it refuses to start with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alerting.errors import ConfigError
from alerting.fakes.wecom import FakeWecom
from monitor.app import daemon
from monitor.configuration import ConfigurationError, file_text
from monitor.configured import configure, read_secret
from monitor.errors import MonitorError
from monitor.runtime.clock import ManualClock
from monitor.runtime.passing import refuse_real_channels
from monitor.settings import Settings, load_settings
from tests.runtime.scenes import TEN_MS, a_miss, client_of, configured, folder, living


def test_an_address_in_use_is_told_with_the_mend(tmp_path):
    async def scene():
        async with living(tmp_path, ManualClock(TEN_MS)) as (it, _, _):
            other = tmp_path / "other"
            other.mkdir()
            folder(other, "http://127.0.0.1:1", "")
            settings = load_settings(other / "slawatch.yaml").model_copy(
                update={"listen": it.url.removeprefix("http://")}
            )
            with pytest.raises(MonitorError, match="Address already in use; stop who listens there"):
                async with daemon(configure(settings, other), ManualClock(TEN_MS)):
                    pass

    asyncio.run(scene())


def test_a_told_clock_is_refused_with_channels_that_reach_people(tmp_path):
    refuse_real_channels(configured(folder(tmp_path, "http://127.0.0.1:9")).alerting)
    real = configured(folder(tmp_path, "https://qyapi.weixin.qq.com")).alerting
    with pytest.raises(ConfigurationError, match=r"accounts.group: --clock is for tests"):
        refuse_real_channels(real)


def test_without_alerting_yaml_everything_is_told_on_the_terminal(tmp_path):
    (folder(tmp_path, "http://127.0.0.1:9") / "alerting.yaml").unlink()
    alerting = configured(tmp_path).alerting
    assert [account.type for account in alerting.accounts.values()] == ["console"]
    assert alerting.policy().default == "console"


def test_a_shop_that_does_not_fit_its_pack_is_told_at_its_place(tmp_path):
    folder(tmp_path, "http://127.0.0.1:9")
    shops = tmp_path / "shops.yaml"
    shops.write_text(
        "shops:\n"
        "  mall:s1: {pack: moll}\n"
        "  mall:s2: {lines: {mall-51: {at_least: 60%}}}\n"
        "  mall:s3:\n"
        "    lines:\n"
        "      mall-50: {at_most: 60%}\n"
        "  mall:s4: {lines: {mall-50: {at_least: 160%}}}\n"
        "  mall:s5: {lines: {mall-50: {at_least: 60%, min_count: 5}}}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path)
    told = [problem.removeprefix(f"{shops}:") for problem in caught.value.problems]
    assert told == [
        "2:13: no such pack, found 'moll', allowed mall, did you mean mall?",
        "3:21: its pack has no such line, found 'mall-51', allowed mall-50, did you mean mall-50?",
        "6:17: the wrong side of this line, found 'at_most', allowed at_least, did you mean at_least?",
        "7:31: not a share, found '160%', allowed 0% to 100%",
    ]


def test_the_mark_that_windows_puts_before_a_secret_is_no_part_of_it(tmp_path):
    (tmp_path / "bot.key").write_bytes(b"\xef\xbb\xbf693a-7b\r\n")
    assert read_secret(tmp_path, "file", "bot.key").strip() == "693a-7b"
    assert file_text(tmp_path / "bot.key", "key") == "693a-7b"


def test_listening_to_others_needs_a_token(tmp_path):
    folder(tmp_path, "http://127.0.0.1:9")
    settings = Settings(listen="0.0.0.0:0", packs=Path("packs"))

    async def scene():
        async with daemon(configure(settings, tmp_path), ManualClock(TEN_MS)):
            pass

    with pytest.raises(ConfigurationError, match="there is no token"):
        asyncio.run(scene())


BY_ENVIRONMENT = """
receivers:
  managers: {accounts: [group], group_wait: 0s}
default: managers
accounts:
  group: {type: wecom_bot, key_env: SLAWATCH_SECRET_BOT, base_url: WECOM}
  pager: {type: webhook, url_env: PAGER_URL, secret_env: PAGER_SECRET, allow_private: true}
"""


def test_secrets_of_channels_come_from_the_environment(tmp_path, monkeypatch):
    async def scene():
        clock = ManualClock(TEN_MS)
        wecom = FakeWecom(clock.now_ms)
        folder(tmp_path, await wecom.start())
        (tmp_path / "alerting.yaml").write_text(BY_ENVIRONMENT.replace("WECOM", wecom.server.url))
        with pytest.raises(ConfigError) as caught:
            async with daemon(configured(tmp_path), clock):
                pass
        assert [line.partition(";")[0] for line in caught.value.problems] == [
            "accounts.group: `key_env`: SLAWATCH_SECRET_BOT is not set",
            "accounts.pager: `url_env`: PAGER_URL is not set",
        ]
        monkeypatch.setenv("SLAWATCH_SECRET_BOT", "test-key")
        monkeypatch.setenv("PAGER_URL", "http://127.0.0.1:9/")
        monkeypatch.setenv("PAGER_SECRET", "hush")
        async with (
            daemon(configured(tmp_path), clock) as it,
            client_of(it) as client,
        ):
            await a_miss(it, client, clock)
            assert len(wecom.inbox) == 1
        await wecom.close()

    asyncio.run(scene())


def test_shops_of_a_webhook_are_known_to_the_desk_by_their_source(tmp_path):
    chat = "{secret: x, platform: mall, shops: {'7': s7}}"
    folder(tmp_path, "http://127.0.0.1:9", f"sources:\n  chat: {{chatwoot: {chat}}}\n")
    assert configured(tmp_path).settings.source_of_shops() == {"mall:s7": "chat"}
