"""Each channel with the honest fake behind it, as the contract suite and `notify-test` meet them.

A channel is opened from its account in ``alerting.yaml``, so that what is tested is what is configured.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.dingtalk import FakeDingtalk
from alerting.fakes.feishu import FakeFeishu
from alerting.fakes.http import Answer
from alerting.fakes.provider import Provider, Quota
from alerting.fakes.tencent_sms import FakeTencentSms
from alerting.fakes.wecom import FakeWecom
from alerting.fakes.wecom_app import FakeWecomApp
from alerting.fakes.wecom_smart import FakeSmartBot
from tests.alerting.worlds import opened

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"
SECRET = "SECd2f3shared0secret"
PHONES = ["13800138001", "13800138002"]


class Clock:
    """A clock that stands until it is told; no channel waits by it."""

    def __init__(self, ms=1_795_399_200_123):
        self.ms = ms

    def now_ms(self):
        return self.ms

    async def wait(self, event, until_ms):
        raise AssertionError("no channel waits")


def talk(channel_of, fake_of, scene):
    """Run ``scene(channel, fake, clock)`` over real HTTP.

    Args:
        channel_of: Makes the channel of a client, the provider's address and a clock.
        fake_of: Makes the provider of the time.
        scene: Awaited.
    """

    async def main():
        clock = Clock()
        fake = fake_of(clock.now_ms)
        async with httpx.AsyncClient(trust_env=False) as client:
            channel = channel_of(client, await fake.start(), clock)
            try:
                return await scene(channel, fake, clock)
            finally:
                await fake.close()

    return asyncio.run(main())


class FakeHook(Provider):
    """A receiver of webhooks, which checks the signature as documented."""

    def __init__(self, now_ms):
        super().__init__(now_ms)
        self.secret, self.status, self.requests = SECRET.encode(), 200, []
        self.quota = Quota(60, 60_000)

    def handle(self, request):
        signed = request.headers["x-slawatch-timestamp"].encode() + b"." + request.body
        mac = hmac.new(self.secret, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(request.headers["x-slawatch-signature"], f"sha256={mac}"):
            return Answer(b"forged", 401)
        if self.quota.full("", self.now_ms()):
            return Answer(b"too many", 429)
        self.quota.take("", self.now_ms())
        if len(request.body) > 60_000:
            return Answer(b"too large", 413)
        self.requests.append(request)
        self.receive("", "json", json.loads(request.body)["text"])
        return Answer(b"taken", self.status)


class FakeJson(Provider):
    """Somebody's service that takes JSON, as Apprise's ``json://`` posts it."""

    def __init__(self, now_ms):
        super().__init__(now_ms)
        self.keys, self.quota = {KEY}, Quota(60, 60_000)

    def handle(self, request):
        if request.path.strip("/") not in self.keys:
            return Answer(b"who?", 401)
        if self.quota.full("", self.now_ms()):
            return Answer(b"too many", 429)
        self.quota.take("", self.now_ms())
        if len(request.body) > 20_000:
            return Answer(b"too large", 413)
        body = json.loads(request.body)
        self.receive(body["title"], "json", body["message"])
        return Answer(b"taken")


@dataclass
class Side:
    """A channel and its provider.

    Attributes:
        account: As in ``alerting.yaml``, without the address.
        fake: Makes the provider, fed by a clock.
        spoil: Makes the provider refuse our credential.
        after: What a fault leaves known, where it is not what most channels know.
        empty: Makes the provider know none of the receivers; None: it has no receivers of its own.
        lose: Makes the provider know some of the receivers only.
        tells_repeats: Whether a message that was sent twice is known as the same.
        limited: How many messages it takes at one moment, the next is too many; None: it does not say so.
        too_long: How many bytes it refuses.
        exact: Whether the text arrives as it was written.
        copies: How many people get each message.
        scheme: Makes the account's address of the provider's.
    """

    name: str
    account: dict[str, Any]
    fake: Callable[[Callable[[], int]], Any]
    spoil: Callable[[Any], object]
    limited: int | None
    too_long: int = 25_000
    address: str = "base_url"
    path: str = ""
    secrets: tuple[str, ...] = (KEY, SECRET)
    after: dict[str, str] = field(default_factory=dict)
    empty: Callable[[Any], object] | None = None
    lose: Callable[[Any], object] | None = None
    tells_repeats: bool = False
    exact: bool = True
    copies: int = 1
    scheme: Callable[[str], str] = str

    def configured(self, url):
        return {**self.account, self.address: self.scheme(url) + self.path}

    async def open(self, client, clock):
        """The provider, listening, and the channel to it."""
        fake = self.fake(clock.now_ms)
        account = self.configured(await fake.start())
        return fake, opened(account, client, clock)


def clear(name):
    return lambda fake: getattr(fake, name).clear()


SIDES = [
    Side(
        "wecom_bot", {"type": "wecom_bot", "key": KEY}, lambda now: FakeWecom(now, [KEY]), clear("keys"), 20
    ),
    Side(
        "webhook",
        {"type": "webhook", "secret": SECRET, "allow_private": "true"},
        FakeHook,
        lambda fake: setattr(fake, "secret", b"another"),
        60,
        too_long=70_000,
        address="url",
        path=f"/in?token={KEY}",
        after={"html": "ok"},  # any 2xx is a receiver's yes
    ),
    Side(
        "dingtalk",
        {"type": "dingtalk", "key": KEY, "secret": SECRET, "format": "text"},
        lambda now: FakeDingtalk(now, {KEY: SECRET}),
        lambda fake: fake.bots.update({KEY: "another"}),
        20,
    ),
    Side(
        "feishu",
        {"type": "feishu", "key": KEY, "secret": SECRET, "format": "text"},
        lambda now: FakeFeishu(now, {KEY: SECRET}),
        lambda fake: fake.bots.update({KEY: "another"}),
        5,
    ),
    *(
        Side(
            name,
            {
                "type": "wecom_app",
                "corp_id": "ww1",
                "agent_id": "1000002",
                "secret": SECRET,
                "users": ["xiaoli", "laowang"],
                "format": form,
                "card_url": "https://sla.example/alerts",
            },
            lambda now: FakeWecomApp(now, "ww1", SECRET, 1_000_002, ["xiaoli", "laowang"]),
            lambda fake: setattr(fake, "secret", "another"),
            None,
            too_long=2_049 if form == "markdown" else 0,
            secrets=(SECRET, "token-1"),
            # What may have been delivered is sent again at once, and shown once.
            after=dict.fromkeys(("reset", "html", "lost", "silent"), "ok"),
            empty=clear("members"),
            lose=lambda fake: fake.members.remove("laowang"),
            tells_repeats=form == "card",
            exact=form != "card",
        )
        for name, form in (("wecom_app", "markdown"), ("wecom_card", "card"))
    ),
    Side(
        "wecom_smart_bot",
        {"type": "wecom_smart_bot", "bot_id": "bot1", "secret": SECRET, "chats": ["wrA"]},
        lambda now: FakeSmartBot(now, "bot1", SECRET, ["wrA"]),
        lambda fake: setattr(fake, "secret", "another"),
        30,
        too_long=0,
        exact=False,
        secrets=(SECRET,),
        after={"bad_gateway": "ambiguous"},  # whatever breaks the connection off leaves open what was taken
        empty=clear("chats"),
    ),
    Side(
        "aliyun_sms",
        {
            "type": "aliyun_sms",
            "access_id": "LTAI5t",
            "secret": SECRET,
            "phones": [PHONES[0]],
            "sign_name": "晨光",
            "template": "SMS_1",
            "params": {"shop": "shop", "n": "count", "figure": "figure"},
            "daily_per_phone": 5,
        },
        lambda now: FakeAliyunSms(now, "LTAI5t", SECRET, PHONES, daily=5),
        lambda fake: setattr(fake, "secret", "another"),
        5,
        too_long=0,
        secrets=(SECRET, *PHONES),
        after=dict.fromkeys(("lost", "silent"), "ok"),  # found in the provider's records
        empty=clear("phones"),
        tells_repeats=True,
        exact=False,
    ),
    Side(
        "tencent_sms",
        {
            "type": "tencent_sms",
            "access_id": "AKID",
            "secret": SECRET,
            "app_id": "1400006666",
            "phones": PHONES,
            "sign_name": "晨光",
            "template": "449739",
            "params": ["shop", "count", "figure"],
            "param_chars": 12,
            "daily_per_phone": 5,
        },
        lambda now: FakeTencentSms(now, "AKID", SECRET, PHONES, daily=5),
        lambda fake: setattr(fake, "secret", "another"),
        5,
        too_long=0,
        secrets=(SECRET, *PHONES),
        after=dict.fromkeys(("lost", "silent"), "ok"),
        empty=clear("phones"),
        lose=lambda fake: fake.phones.remove(PHONES[1]),
        tells_repeats=True,
        exact=False,
        copies=2,
    ),
    Side(
        "apprise",
        {"type": "apprise", "allow_private": "true"},
        FakeJson,
        clear("keys"),
        60,
        address="url",
        path=f"/{KEY}?cto=2&rto=0.2",
        scheme=lambda url: url.replace("http://", "json://"),
        # It cannot tell whether a connection was refused or broke later, and any 2xx is a yes.
        after={"html": "ok", "refused": "ambiguous"},
    ),
]
