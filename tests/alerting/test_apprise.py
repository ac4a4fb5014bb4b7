"""Apprise: what it says of a service, and the four services it must not be asked about."""

import asyncio
import sys

import httpx
import pytest
from apprise import AppriseResultStatus as Status
from pydantic import SecretStr

from alerting.channels.apprise_url import AppriseUrl, judge
from alerting.channels.base import Message
from alerting.channels.dingtalk import DingtalkBot
from alerting.channels.feishu import FeishuBot
from alerting.channels.wecom_bot import WecomBot
from alerting.config.accounts import AppriseAccount
from alerting.errors import ConfigError
from alerting.ways import Ways
from tests.alerting.sides import KEY, Clock


def opened(url):
    """The channel that an account of type apprise becomes."""
    ways = Ways(httpx.AsyncClient(), Clock(), lambda kind, name: url, print)
    return ways.open({"it": AppriseAccount(type="apprise", url_env="URL")})["it"]


def said(status, *lines):
    from apprise.logger import NotifyLogEntry
    from apprise.result import AppriseResult, NotifyAttempt, NotifyResult

    attempt = NotifyAttempt(status, 0.1, [NotifyLogEntry("WARNING", line) for line in lines])
    return AppriseResult(status, [NotifyResult("X", "x://…", attempts=[attempt])])


@pytest.mark.parametrize(
    ("status", "line", "kind"),
    [
        (Status.SUCCESS, "", "ok"),
        (Status.TIMEOUT, "", "ambiguous"),
        (Status.FAILURE, "Failed to send X notification: Server Error, error=503.", "transient"),
        (Status.FAILURE, "Failed to send X notification: error=504.", "ambiguous"),
        (Status.FAILURE, "Failed to send X notification: Too Many, error=429.", "rate_limited"),
        (Status.FAILURE, "Failed to send X notification: Unauthorized, error=401.", "bad_credential"),
        (Status.FAILURE, "Failed to send X notification: error=413.", "bad_request"),
        (Status.FAILURE, "A Connection error occurred sending X notification.", "ambiguous"),
        (Status.FAILURE, "There are no targets.", "transient"),
    ],
)
def test_what_it_says_is_read_per_service(status, line, kind):
    assert judge(said(status, line)).kind == kind


def test_nothing_to_send_is_no_success():
    from apprise.result import AppriseResult

    assert judge(AppriseResult(Status.NOMATCH)).kind == "bad_request"


@pytest.mark.parametrize(
    ("url", "kind", "address"),
    [
        (f"wecombot://{KEY}", WecomBot, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"),
        (
            f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}",
            WecomBot,
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
        ),
        (f"dingtalk://{'d' * 32}/13800138001", DingtalkBot, "https://oapi.dingtalk.com/robot/send"),
        (f"DingTalk://SEC2f3@{'d' * 32}", DingtalkBot, "https://oapi.dingtalk.com/robot/send"),
        (f"feishu://{KEY}", FeishuBot, "https://open.feishu.cn/open-apis/bot/v2/hook/"),
        (f"lark://{KEY}", FeishuBot, "https://open.larksuite.com/open-apis/bot/v2/hook/"),
        (
            f"https://open.larksuite.com/open-apis/bot/v2/hook/{KEY}",
            FeishuBot,
            "https://open.larksuite.com/open-apis/bot/v2/hook/",
        ),
    ],
)
def test_services_that_call_every_200_a_success_are_ours(url, kind, address):
    """Whichever way the address is written, with its key as it was."""
    channel = opened(url)
    assert (type(channel), channel._url) == (kind, address)
    assert channel._key.get_secret_value() in (KEY, "d" * 32)
    assert channel.markup == "markdown"


def test_a_mapped_address_keeps_secret_mobiles_and_format():
    channel = opened(f"dingtalk://SEC2f3@{'d' * 32}/13800138001?format=text")
    assert channel._secret.get_secret_value() == "SEC2f3"
    assert (channel._mobiles, channel.markup) == (("13800138001",), "text")


@pytest.mark.parametrize("url", ["nonsense://hush", "mailto://hush", "slack://hush", "", "hush hush"])
def test_an_address_nobody_knows_is_named_and_shown_nowhere(url, capsys, caplog):
    with pytest.raises(ConfigError) as caught:
        opened(url)
    (problem,) = caught.value.problems
    assert problem.startswith("accounts.it: `url`")
    shown = capsys.readouterr()
    assert "hush" not in problem + caplog.text + shown.out + shown.err


def test_without_the_extra_the_mend_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "alerting.channels.apprise_url")
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"accounts\.it: needs Apprise: pip install 'slawatch\[apprise\]'"):
        opened("json://sla.example/x")
    assert isinstance(opened(f"wecombot://{KEY}"), WecomBot)  # which needs no extra


def test_a_private_address_is_refused():
    channel = opened("json://127.0.0.1:9/x")
    result = asyncio.run(channel.deliver(channel.payload(Message("k", "x"))))
    assert result.kind == "bad_credential"
    assert "allow_private" in result.detail


def test_a_message_has_its_first_line_as_title():
    channel = AppriseUrl(SecretStr("json://sla.example/x"))
    assert channel.payload(Message("k", "严重 旗舰店A\n还可漏 3 个")) == (
        '{"title":"严重 旗舰店A","body":"还可漏 3 个"}'.encode()
    )
    assert channel.payload(Message("k", "一行")) == '{"title":"slawatch","body":"一行"}'.encode()
