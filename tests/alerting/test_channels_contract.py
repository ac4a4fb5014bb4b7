"""One contract for every channel: what it says of a message, against a provider that is as strict as theirs.

Asserted on the inbox too: what people saw, not only what we were told.
"""

import asyncio
from contextlib import nullcontext

import httpx
import pytest

from alerting import limits
from alerting.channels.base import Connected, Message
from alerting.fakes.http import Fault
from tests.alerting.jumping import given_up, run
from tests.alerting.sides import SIDES, Clock
from tests.waiting import PATIENCE_S, until

BODY = "旗舰店A 还可漏 3 个"
ALERT = {
    "kind": "fire",
    "incident": "drift|shop=pinduoduo:s1@1",
    "title": "即将超时",
    "figure": "还可漏 3 个",
    "subject": {"shop": "pinduoduo:s1"},
    "severity": "crit",
}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Nobody rests as long as for a real provider."""
    monkeypatch.setattr(limits, "RECONNECT_S", 0.01)


def answer_within(monkeypatch, seconds):
    """How long a channel waits for an answer."""
    monkeypatch.setattr("alerting.channels.http.TIMEOUT", httpx.Timeout(seconds))
    monkeypatch.setattr(limits, "ANSWER_S", seconds)


every = pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)


def those(chosen):
    found = [side for side in SIDES if chosen(side)]
    return pytest.mark.parametrize("side", found, ids=[side.name for side in found])


def talk(side, scene, **kwargs):
    """Run ``scene(fake, channel)`` against a real server on 127.0.0.1."""

    async def main():
        async with httpx.AsyncClient(trust_env=False) as client:
            fake, channel = await side.open(client, Clock())
            try:
                return await scene(fake, channel, **kwargs), fake
            finally:
                if isinstance(channel, Connected):
                    channel.hold(False)
                await fake.close()

    return run(main())


def send(channel, body=BODY, key="k1", **fields):
    return channel.deliver(channel.payload(Message(key, body, alerts=(ALERT | {"name": body},), **fields)))


async def plainly(fake, channel):
    return await send(channel)


@every
def test_ok_is_in_the_inbox(side):
    result, fake = talk(side, plainly)
    assert (result.kind, result.accepted) == ("ok", True)
    assert len(fake.inbox) == side.copies
    assert all(text == BODY if side.exact else "旗舰店A" in text for text in fake.texts())


@those(lambda side: side.limited is None)
def test_rate_limited_when_the_provider_says_so(side):
    async def scene(fake, channel):
        fake.suffer(Fault("busy"))
        return await send(channel)

    result, fake = talk(side, scene)
    assert (result.kind, fake.inbox) == ("rate_limited", [])


@those(lambda side: side.limited)
def test_rate_limited_by_the_providers_own_count(side):
    async def scene(fake, channel):
        return [await send(channel, f"{i} {BODY}", f"k{i}") for i in range(side.limited + 1)]

    results, fake = talk(side, scene)
    assert [result.kind for result in results] == ["ok"] * side.limited + ["rate_limited"]
    assert results[-1].provider_code or results[-1].retry_after_ms  # their count, or ours before it
    assert len(fake.inbox) == side.limited * side.copies


@every
def test_bad_credential(side):
    async def scene(fake, channel):
        side.spoil(fake)
        return await send(channel)

    result, fake = talk(side, scene)
    assert (result.kind, fake.inbox) == ("bad_credential", [])
    assert result.provider_code


@those(lambda side: side.too_long)
def test_bad_request_what_is_too_long(side):
    async def scene(fake, channel):
        return await send(channel, "x" * side.too_long)

    result, fake = talk(side, scene)
    assert (result.kind, fake.inbox) == ("bad_request", [])


@every
def test_the_limit_in_bytes_holds_for_the_longest_message(side):
    """As many bytes as the channel says, in Chinese, in lines, with markup and mentions."""

    async def scene(fake, channel):
        row = '**<font color="warning">旗舰店A</font>** <@xiaoli> "还可漏" 3 个\n'
        body = row * (channel.limit_bytes // len(row.encode()))
        return await send(channel, body + "x" * (channel.limit_bytes - len(body.encode())))

    result, _ = talk(side, scene)
    assert result.kind == "ok", result


@those(lambda side: side.empty)
def test_no_recipient(side):
    async def scene(fake, channel):
        side.empty(fake)
        return await send(channel)

    result, fake = talk(side, scene)
    assert (result.kind, fake.inbox) == ("no_recipient", [])


@those(lambda side: side.lose)
def test_partial_where_some_receivers_are_unknown(side):
    async def scene(fake, channel):
        side.lose(fake)
        return await send(channel)

    result, fake = talk(side, scene)
    assert (result.kind, result.accepted, len(fake.inbox)) == ("partial", True, 1)


@every
@pytest.mark.parametrize(
    ("fault", "kind", "arrived"),
    [
        ("bad_gateway", "transient", 0),
        ("reset", "ambiguous", 0),
        ("html", "ambiguous", 0),
        ("lost", "ambiguous", 1),
        ("silent", "ambiguous", 1),
        ("slow", "ok", 1),
    ],
)
def test_what_is_known_after_a_fault(side, fault, kind, arrived, monkeypatch):
    if side.name == "apprise":  # it waits in a thread, by the machine's time
        answer_within(monkeypatch, 0.6 if fault == "silent" else PATIENCE_S)

    async def scene(fake, channel):
        fake.suffer(Fault(fault, seconds=0.01))
        unanswered = fault == "silent" or (side.name == "wecom_smart_bot" and fault != "slow")
        async with given_up(fake) if unanswered else nullcontext():
            result = await send(channel)
        await until(lambda: not fake.server.faults if side.name == "apprise" else True)
        return result

    result, fake = talk(side, scene)
    assert result.kind == side.after.get(fault, kind)
    seen = len(fake.inbox) / side.copies
    assert seen == arrived or (seen == 1 and result.accepted)  # sent again in the same breath, or found


@those(lambda side: side.name not in ("wecom_smart_bot", "apprise"))
@pytest.mark.parametrize("fault", ["drip", "flood"])
def test_an_answer_without_end_is_given_up_in_time(side, fault):
    """Each byte comes in time, so that no wait for the next one ends: the account would stand for ever."""

    async def scene(fake, channel):
        fake.suffer(Fault(fault, seconds=0.02))
        async with given_up(fake) if fault == "drip" else nullcontext():
            return await asyncio.wait_for(send(channel), PATIENCE_S)

    result, fake = talk(side, scene)
    told_by_status = "ok" if side.name == "webhook" and fault == "flood" else "ambiguous"
    assert result.kind in (told_by_status, side.after.get("silent"))
    assert len(fake.inbox) / side.copies == 1


@every
def test_a_refused_connection_is_transient(side, monkeypatch):
    monkeypatch.setattr(limits, "CONNECT_S", 0.2)  # a smart bot's message waits so long for its connection

    async def scene(fake, channel):
        await fake.close()
        return await send(channel)

    result, fake = talk(side, scene)
    assert (result.kind, fake.inbox) == (side.after.get("refused", "transient"), [])


@those(lambda side: side.tells_repeats)
def test_duplicate_a_repeat_of_what_arrived_is_not_shown_again(side):
    async def scene(fake, channel):
        first = await send(channel)
        return first, await send(channel, f"{BODY} 可能重复", again=True)

    (first, second), fake = talk(side, scene)
    assert (first.kind, second.kind, second.accepted) == ("ok", "duplicate", True)
    assert len(fake.inbox) == side.copies


@every
@pytest.mark.parametrize(
    "fault", ["bad_gateway", "reset", "lost", "silent", "html", "refused", "spoilt", "none"]
)
def test_no_result_log_or_error_ever_carries_a_secret(side, fault, monkeypatch, caplog):
    answer_within(monkeypatch, 0.05)
    caplog.set_level("DEBUG")

    async def scene(fake, channel):
        if fault == "refused":
            monkeypatch.setattr(limits, "CONNECT_S", 0.2)
            await fake.close()
        elif fault == "spoilt":
            side.spoil(fake)
        elif fault != "none":
            fake.suffer(Fault(fault))
        return await send(channel), repr(channel), repr(side.configured("http://127.0.0.1")["type"])

    said, _ = talk(side, scene)
    for secret in side.secrets:
        assert secret not in repr(said) + caplog.text


@every
def test_the_payload_is_the_same_bytes_for_the_same_message(side):
    async def scene(fake, channel):
        message = Message("k1", "x", ("a",), (ALERT,))
        return channel.payload(message), channel.payload(message)

    (first, second), _ = talk(side, scene)
    assert first == second


@every
def test_what_the_allowance_lets_out_the_provider_takes(side):
    """A burst, then one every few seconds, for as long as the allowance counts: nothing is refused."""
    from alerting.policy.throttle import Window

    async def scene(fake, channel):
        clock, window = channel_clock, Window(channel.allowance)
        results = []
        for i in range(min(3 * channel.allowance.messages, 60)):
            clock.ms = max(clock.ms, window.next_ms(clock.ms, urgent=True))
            window.add(clock.ms, urgent=True)
            results.append(await send(channel, f"{i} {BODY}", f"k{i}"))
        return results

    channel_clock = Clock()

    async def main():
        async with httpx.AsyncClient(trust_env=False) as client:
            fake, channel = await side.open(client, channel_clock)
            try:
                return await scene(fake, channel), len(fake.inbox)
            finally:
                if isinstance(channel, Connected):
                    channel.hold(False)
                await fake.close()

    results, seen = asyncio.run(main())
    assert {result.kind for result in results} == {"ok"}
    assert seen == len(results) * side.copies
