"""SMS: words that a carrier lets through, each phone's budget, and what a repeat finds out first."""

import pytest
from pydantic import SecretStr

from alerting.channels import aliyun_sms, tencent_sms
from alerting.channels.aliyun_sms import AliyunSms
from alerting.channels.base import Message
from alerting.channels.sms import PhoneBudget, Terms, masked
from alerting.channels.sms_codes import judge_sms
from alerting.channels.sms_words import fitted, words_of
from alerting.channels.tencent_sms import TencentSms
from alerting.fakes.aliyun_sms import FakeAliyunSms
from alerting.fakes.http import Fault
from alerting.fakes.tencent_sms import FakeTencentSms
from tests.alerting.sides import PHONES, SECRET, Clock, talk

DAY_MS = 86_400_000
ALERTS = ({"name": "晨光家纺旗舰店", "title": "即将超时", "figure": "还可漏 3 个", "severity": "crit"},)


def terms_of(url, phones, options):
    to = [SecretStr(phone) for phone in phones]
    return Terms(url, "LTAI5t", SecretStr(SECRET), to, **({"sign_name": "晨光", "total": None} | options))


class Aliyun:
    fake_of = FakeAliyunSms
    delivered = "DELIVERED"

    def channel(self, client, url, clock, phones, budget=None, **options):
        terms = terms_of(url, phones, {"template": "SMS_1", "daily": 50, "chars": aliyun_sms.CHARS} | options)
        params = {"shop": "shop", "n": "count", "figure": "figure"}
        return AliyunSms(client, clock, terms, budget or PhoneBudget(), params)


class Tencent:
    fake_of = FakeTencentSms
    delivered = "DELIVRD"

    def channel(self, client, url, clock, phones, budget=None, **options):
        terms = terms_of(
            url, phones, {"template": "449739", "daily": 2, "chars": tencent_sms.CHARS} | options
        )
        params = ("shop", "count", "figure")
        return TencentSms(client, clock, terms, budget or PhoneBudget(), params, app_id="1400006666")


both = pytest.mark.parametrize("vendor", [Aliyun(), Tencent()], ids=["aliyun", "tencent"])


def tell(vendor, scene, phones=PHONES, fake=None, **options):
    return talk(
        lambda client, url, clock: vendor.channel(client, url, clock, phones, **options),
        lambda now_ms: vendor.fake_of(now_ms, "LTAI5t", SECRET, PHONES, **(fake or {})),
        scene,
    )


def send(channel, key="k1", alerts=ALERTS, **fields):
    return channel.deliver(channel.payload(Message(key, "…", alerts=alerts, **fields)))


def named(name):
    return ({**ALERTS[0], "name": name},)


@both
def test_what_a_manager_reads(vendor):
    async def scene(channel, fake, clock):
        return await send(channel), fake.inbox

    result, inbox = tell(vendor, scene)
    assert result.kind == "ok"
    assert {seen.key.removeprefix("+86") for seen in inbox} == set(PHONES)
    assert {seen.text for seen in inbox} == {"【晨光】店铺晨光家纺旗舰店超时会话1个，还可漏 3 个，请立即处理"}
    assert len(inbox[0].text) <= 70  # one SMS


@both
def test_one_of_two_phones_unknown_is_partial_and_shown_masked(vendor):
    async def scene(channel, fake, clock):
        fake.phones.remove(PHONES[1])
        return await send(channel)

    result = tell(vendor, scene)
    assert result.kind == "partial"
    assert result.detail.startswith("1 of 2 phones; +86138******02 ")
    assert PHONES[1] not in result.detail


@both
def test_each_phone_has_its_budget_of_the_day_whoever_asks(vendor):
    """Two accounts share what a phone may get; a third phone is not held up by it."""
    budget = PhoneBudget()

    async def scene(channel, fake, clock):
        one = vendor.channel(channel._client, channel._base, clock, PHONES[:1], daily=2, budget=budget)
        other = vendor.channel(channel._client, channel._base, clock, PHONES, daily=2, budget=budget)
        kinds = [(await send(one, "k1", named("a"))).kind, (await send(other, "k2", named("b"))).kind]
        third = await send(one, "k3", named("c"))
        fourth = await send(other, "k4", named("d"))
        clock.ms += third.retry_after_ms
        fifth = await send(one, "k5", named("e"))
        return [*kinds, third.kind, fourth.kind, fifth.kind], third, len(fake.inbox)

    kinds, third, seen = tell(vendor, scene, fake={"daily": 10})
    assert kinds == ["ok", "ok", "rate_limited", "partial", "ok"]
    assert (third.retry_after_ms, third.detail) == (DAY_MS, "the phone has had its 2 messages of the day")
    assert seen == 1 + 2 + 0 + 1 + 1


@both
def test_who_has_had_their_messages_holds_up_nobody_else_on_call(vendor):
    """One of a schedule has had theirs: known at once, so that the next is told; the account goes on."""

    async def scene(channel, fake, clock):
        told = [(await send(channel, f"k{n}", named(f"s{n}"), to=(PHONES[0],))) for n in range(3)]
        other = await send(channel, "k3", named("d"), to=(PHONES[1],))
        return [one.kind for one in told], told[-1].detail, other.kind, channel.allowance.messages

    kinds, detail, other, most = tell(vendor, scene, fake={"daily": 10}, daily=2, total=40)
    assert kinds == ["ok", "ok", "no_recipient"]
    assert detail == "the phone has had its 2 messages of the day"
    assert (other, most) == ("ok", 40)


@both
def test_a_phone_that_had_too_many_elsewhere_is_left_alone_for_a_while(vendor):
    async def scene(channel, fake, clock):
        await send(channel, "k1", named("a"))
        return await send(channel, "k2", named("b"))

    result = tell(vendor, scene, phones=PHONES[:1], fake={"daily": 1}, daily=9)
    assert (result.kind, result.retry_after_ms) == ("rate_limited", 600_000)


@both
def test_after_a_lost_answer_the_providers_records_decide(vendor):
    async def scene(channel, fake, clock):
        fake.suffer(Fault("lost"))
        first = await send(channel)
        return first.kind, (await send(channel, again=True)).kind, len(fake.inbox)

    assert tell(vendor, scene, phones=PHONES[:1]) == ("ok", "duplicate", 1)


def test_tencent_knows_nothing_before_the_carrier_reports_and_a_repeat_asks_again():
    async def scene(channel, fake, clock):
        fake.suffer(Fault("lost"))
        first = await send(channel)
        clock.ms += 60_000
        fake.report("DELIVRD")
        return first.kind, (await send(channel, again=True)).kind, len(fake.inbox)

    assert tell(Tencent(), scene, phones=PHONES[:1], fake={"reports": ""}) == ("ambiguous", "duplicate", 1)


@both
def test_a_repeat_of_what_never_arrived_is_sent(vendor):
    async def scene(channel, fake, clock):
        fake.suffer(Fault("reset"))
        first = await send(channel)
        return first.kind, (await send(channel, again=True)).kind, len(fake.inbox)

    assert tell(vendor, scene, phones=PHONES[:1]) == ("ambiguous", "ok", 1)


@both
def test_a_repeat_of_what_the_carrier_failed_to_deliver_is_sent(vendor):
    async def scene(channel, fake, clock):
        await send(channel)
        fake.report("UNDELIV")
        clock.ms += 31_000
        return (await send(channel, again=True)).kind, len(fake.inbox)

    assert tell(vendor, scene, phones=PHONES[:1], fake={"reports": ""}) == ("ok", 2)


def test_a_message_sent_before_midnight_of_china_is_found_after_it():
    async def scene(channel, fake, clock):
        clock.ms = 1_795_449_540_000  # 2026-11-23T23:59:00+08:00
        await send(channel)
        clock.ms += 120_000
        return (await send(channel, again=True)).kind

    assert tell(Aliyun(), scene) == "duplicate"


@both
def test_receipts_are_pulled(vendor):
    async def scene(channel, fake, clock):
        payload = channel.payload(Message("k1", "…", alerts=ALERTS))
        ids = (await channel.deliver(payload)).provider_id.split(",")
        early = await channel.reports(payload, ids)
        fake.sent[0].report = vendor.delivered
        fake.sent[1].report = "MBBLOCK"
        others = await channel.reports(channel.payload(Message("k2", "…", alerts=ALERTS)), ids)
        return ids, early, await channel.reports(payload, ids), others

    ids, early, late, others = tell(vendor, scene, fake={"reports": ""})
    assert (early, others) == ([], [])
    assert sorted((report.delivered, report.id) for report in late) == [(False, ids[1]), (True, ids[0])]


@both
def test_a_message_may_be_for_one_phone(vendor):
    async def scene(channel, fake, clock):
        await send(channel, to=(PHONES[1],))
        return [seen.key.removeprefix("+86") for seen in fake.inbox]

    assert tell(vendor, scene, phones=PHONES[:1]) == [PHONES[1]]


@both
def test_the_accounts_phones_do_not_rest_in_its_payloads(vendor):
    channel = vendor.channel(None, "http://x", Clock(), PHONES)
    assert b"138" not in channel.payload(Message("k", "…", alerts=ALERTS))


@both
@pytest.mark.parametrize(
    ("options", "fake", "kind", "code"),
    [
        ({"sign_name": "别家"}, {}, "bad_credential", "sign"),
        ({"template": "1"}, {}, "bad_credential", "template"),
        ({}, {"template": "没有变量"}, None, None),
        ({"chars": 36}, {}, "bad_request", "ength"),
    ],
)
def test_what_the_console_does_not_know_is_named(vendor, options, fake, kind, code):
    async def scene(channel, made, clock):
        return await send(channel, alerts=named("长" * 40))

    result = tell(vendor, scene, phones=PHONES[:1], fake=fake, **options)
    if kind is None:  # Aliyun ignores what a template does not use, Tencent refuses it
        kind, code = ("ok", "OK") if isinstance(vendor, Aliyun) else ("bad_request", "ParamSet")
    assert result.kind == kind
    assert code.lower() in result.provider_code.lower()


@pytest.mark.parametrize(
    ("codes", "code", "kind"),
    [
        (aliyun_sms._CODES, "Throttling.User", "rate_limited"),
        (aliyun_sms._CODES, "isv.OUT_OF_SERVICE", "bad_credential"),
        (aliyun_sms._CODES, "isv.DENY_IP_RANGE", "bad_credential"),
        (aliyun_sms._CODES, "isp.SYSTEM_ERROR", "transient"),
        (aliyun_sms._CODES, "isv.SMS_SIGN_ILLEGAL", "bad_credential"),
        (aliyun_sms._CODES, "isv.WHAT_IS_THIS", "bad_request"),
        (tencent_sms._CODES, "LimitExceeded.AppDailyLimit", "rate_limited"),
        (tencent_sms._CODES, "FailedOperation.PhoneNumberInBlacklist", "no_recipient"),
        (tencent_sms._CODES, "FailedOperation.InsufficientBalanceInSmsPackage", "bad_credential"),
        (tencent_sms._CODES, "InternalError.Timeout", "ambiguous"),
        (tencent_sms._CODES, "InternalError.SigVerificationFail", "transient"),
        (tencent_sms._CODES, "AuthFailure.SignatureFailure", "bad_credential"),
    ],
)
def test_codes(codes, code, kind):
    assert judge_sms(code, codes).kind == kind


# Words


@pytest.mark.parametrize(
    ("word", "chars", "shown"),
    [
        ("旗舰店", 35, "旗舰店"),
        ("【旗舰店】A", 35, "(旗舰店)A"),
        ("看 https://a.com/x?y 吧", 35, "看  吧"),
        ("taobao.com 店", 35, "taobao·com 店"),
        ("10.0.0.1 店", 35, "10-0-0-1 店"),
        ("3.5%，还可漏 3 个", 35, "3.5%，还可漏 3 个"),
        ("晨光家纺旗舰店", 5, "晨光家纺…"),
        ("晨光家纺旗舰店等12家", 8, "晨光家纺等12家"),
        ("", 35, "-"),
    ],
)
def test_a_word_is_what_a_carrier_lets_through(word, chars, shown):
    assert fitted(word, chars) == shown
    assert len(fitted(word, chars)) <= chars


def test_several_shops_share_one_sms():
    alerts = (
        {"name": "甲店", "severity": "crit", "figure": "还可漏 3 个"},
        {"name": "乙店"},
        {"name": "甲店"},
    )
    words = words_of(Message("k", "…", alerts=alerts))
    assert words == {
        "shop": "甲店等2家",
        "title": "",
        "figure": "还可漏 3 个",
        "count": "3",
        "severity": "严重",
    }


def test_a_phone_is_shown_masked():
    assert masked("+8613800138001") == "+86138******01"
