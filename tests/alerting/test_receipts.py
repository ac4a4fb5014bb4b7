"""Whether an SMS arrived: asked for while it is young, pushed late, twice and in any order."""

import asyncio

import httpx
import pytest
from pydantic import SecretStr
from test_sms import ALERTS, Aliyun, Tencent, both

from alerting import limits
from alerting.channels.base import Message
from alerting.channels.sms_push import AliyunReceipts, ForgedReceipt, TencentReceipts
from alerting.fakes.http import Answer
from alerting.fakes.provider import Provider
from alerting.line import Line
from alerting.policy.records import Report, Unreported
from alerting.receipts import Receipts
from tests.alerting.sides import PHONES, SECRET, Clock

READERS = {Aliyun: AliyunReceipts, Tencent: TencentReceipts}


class Store:
    """What the class asks of the store; what the tables do is in tests/store."""

    def __init__(self):
        self.waiting, self.reports = [], []

    def unreported(self, account, since_ms, limit):
        return [one for one in self.waiting if one.sent_ms >= since_ms][:limit]

    def report(self, account, reports, now_ms, since_ms):
        self.reports += [(account, one.delivered, one.code) for one in reports]
        return len(reports)


def play(vendor, scene):
    async def main():
        clock, store, woken = Clock(), Store(), []
        fake = vendor.fake_of(clock.now_ms, "LTAI5t", SECRET, PHONES, reports="")
        url = await fake.start()
        async with httpx.AsyncClient(trust_env=False) as client:
            channel = vendor.channel(client, url, clock, PHONES[:1])
            line = Line("sms", channel, asyncio.Event())
            line.lease(True)
            reader = READERS[type(vendor)](SecretStr("hush"))
            receipts = Receipts({"sms": reader}, {"sms": line}, store, clock, None, lambda: woken.append(1))
            payload = channel.payload(Message("k1", "…", alerts=ALERTS))
            ids = tuple((await channel.deliver(payload)).provider_id.split(","))
            store.waiting.append(Unreported(1, clock.ms, payload, ids))
            try:
                return await scene(receipts, fake, store, clock, line), woken
            finally:
                await fake.close()

    return asyncio.run(main())


@both
def test_a_young_message_is_asked_about_often_an_older_one_seldom_and_one_of_yesterday_never(vendor):
    async def scene(receipts, fake, store, clock, line):
        pauses = [await receipts.pull()]
        clock.ms += limits.RECEIPT_YOUNG_MS
        pauses.append(await receipts.pull())
        fake.report(vendor.delivered)
        await receipts.pull()
        clock.ms += limits.RECEIPT_LIFE_MS
        before = len(store.reports)
        await receipts.pull()
        return pauses, store.reports, before == len(store.reports)

    (pauses, reports, no_more), woken = play(vendor, scene)
    assert pauses == [limits.RECEIPT_PULL_MS, limits.RECEIPT_SELDOM_MS]
    assert reports == [("sms", True, reports[0][2])]
    assert (no_more, woken) == (True, [1])


@both
def test_who_does_not_hold_the_account_asks_nothing(vendor):
    async def scene(receipts, fake, store, clock, line):
        line.lease(False)
        fake.report(vendor.delivered)
        await receipts.pull()
        return store.reports

    assert play(vendor, scene)[0] == []


@both
def test_what_the_provider_pushes_is_understood_and_answered_as_it_wants(vendor):
    """Its own bytes, to a real server, as often as it likes."""

    class Door(Provider):
        def handle(self, request):
            found = reader.read(request.path.removeprefix("/"), request.body)
            taken.extend(found)
            return Answer(reader.reply, 200, "application/json")

    taken, reader = [], READERS[type(vendor)](SecretStr("hush"))

    async def scene(receipts, fake, store, clock, line):
        door = Door(clock.now_ms)
        url = await door.start()
        fake.report("MBBLOCK")
        async with httpx.AsyncClient(trust_env=False) as client:
            first = await fake.push(client, f"{url}/hush", *fake.sent)
            fake.sent[0].report = vendor.delivered
            again = [await fake.push(client, f"{url}/hush", *fake.sent) for _ in range(2)]
        await door.close()
        return first, again, fake.sent[0].serial

    (first, again, serial), _ = play(vendor, scene)
    assert (first, again) == (True, [True, True])
    assert taken == [
        Report(serial, delivered=False, code="MBBLOCK"),
        *[Report(serial, delivered=True, code=vendor.delivered)] * 2,
    ]


@pytest.mark.parametrize("reader", [AliyunReceipts, TencentReceipts])
def test_what_is_forged_or_no_receipts_is_refused(reader):
    made = reader(SecretStr("hush"))
    too_many = b"[" + b",".join([b'{"biz_id":"1","success":true,"sid":"1","report_status":"S"}'] * 501) + b"]"
    for key, body in (
        ("", b"[]"), ("hus", b"[]"), ("é", b"[]"), ("hush", b"{}"), ("hush", b"[1]"), ("hush", b"\xff"),
        ("hush", b'[{"x":1}]'), ("hush", too_many),
    ):  # fmt: skip
        with pytest.raises(ForgedReceipt):
            made.read(key, body)
    assert made.read("hush", b"[]") == []
