"""Alerts closed by hand, alerts that fire again before their end was told, and what is folded late."""

import pytest

from alerting.messages.by_ids import ByIds
from alerting.messages.render import render
from alerting.messages.style import Style
from alerting.policy.compose import Draft, Ready
from alerting.policy.match import literal, matches
from alerting.policy.records import Ack, Resolve, Result, Silence
from tests.alerting.desk_plays import Play, ms, plays
from tests.alerting.worlds import T0, Memory, Shard, policy

TIERS = """
    route:
      routes:
        - {match: {severity: crit}, receivers: [leads], escalate: up}
        - {match: {}, receivers: [managers]}
    escalations:
      up: [{after: 3m, receivers: [phones]}]
"""


def test_who_was_told_hears_that_it_was_closed_and_nothing_more_until_it_rises():
    plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
        10:05:00 close s1 laowang
          10:05:30 bot: resolved warn s1
        10:10:00 s1 warn
        10:20:00 s1 crit
          10:20:00 bot: fire crit s1
        10:21:00 s1 ok
          10:21:30 bot: resolved crit s1
        """
    )


def test_what_was_closed_fires_anew_once_its_rule_has_ended_it():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:05:00 close s1 laowang
          10:05:30 bot: resolved crit s1
        10:06:00 s1 holding
        10:07:00 s1 ok
        10:08:00 s1 warn
          10:08:30 bot: fire warn s1
        """
    )


def test_what_was_closed_falls_silently_and_rises_aloud():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:05:00 close s1 laowang
          10:05:30 bot: resolved crit s1
        10:06:00 s1 warn
        10:07:00 s1 crit
          10:07:00 bot: fire crit s1
        """
    )


def test_closing_ends_the_escalation_and_tells_those_it_reached():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 lead: fire crit s1
        10:02:00 close s1 laowang
          10:02:30 lead: resolved crit s1
        11:00:00 b1 crit
          11:00:00 lead: fire crit b1
          11:03:00 sms: escalate crit b1 → laowang
        11:04:00 close b1 laowang
          11:04:30 lead: resolved crit b1
          11:04:30 sms: resolved crit b1 → laowang
        13:00:00 tick
        """,
        TIERS,
    )


def test_a_closed_source_alert_still_explains_its_shops():
    """Closed by hand does not mean heard again: two hundred shops must not fire for it."""
    plays(
        """
        10:00:00 source erp crit
          10:00:00 bot: fire crit source erp
        10:01:00 s1 crit
        10:05:00 close s1 nobody
        10:06:00 tick
        """
    )
    play = Play()
    play.run("10:00:00 source erp crit")
    play.desk.hear(Resolve(play.now + 1_000, "source-silent|source=erp", "laowang"))
    play.run("10:01:00 s1 crit\n10:30:00 tick")
    assert [line for line in play.seen if "s1" in line] == []


def test_nothing_can_be_closed_that_does_not_fire():
    play = Play()
    play.run("10:00:00 close s1 laowang")
    assert [t.reason for t in play.desk.traces] == ["it does not fire"]
    assert play.desk.rows == {}


def test_who_was_told_of_a_critical_alert_hears_of_its_end_though_it_fires_again_as_a_warning():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 lead: fire crit s1
          10:03:00 sms: escalate crit s1 → laowang
        10:04:00 s1 ok
        10:04:10 s1 warn
          10:04:40 bot: fire warn s1
        10:10:00 s1 ok
          10:10:30 bot: resolved warn s1
          10:10:30 lead: resolved warn s1
          10:10:30 sms: resolved warn s1 → laowang
        """,
        TIERS,
    )


def test_an_end_is_told_once_to_each_though_it_fired_again_meanwhile():
    """The lead's account was down, so that its end was still queued; the phone knew of it already."""
    plays(
        """
        10:00:00 s1 crit
          10:00:00 lead: fire crit s1
          10:03:00 sms: escalate crit s1 → laowang
        10:03:30 down lead
        10:04:00 s1 ok
          10:04:30 sms: resolved crit s1 → laowang
        10:05:00 s1 warn
        10:05:10 up lead
          10:05:30 bot: fire warn s1
        10:10:00 s1 ok
          10:10:30 bot: resolved warn s1
          10:10:30 lead: resolved warn s1
        """,
        TIERS,
    )


def test_a_day_that_ended_is_named_in_its_digest_though_the_next_day_fires_before():
    plays(
        """
        23:00:00 s1 crit
          23:00:00 bot: fire crit s1
        d2 00:00:00 s1 ended
        d2 08:30:00 s1 crit
          d2 08:30:00 bot: fire crit s1
          d2 09:00:00 bot: ended crit s1
        d2 09:30:00 s1 ok
          d2 09:30:30 bot: resolved crit s1
        """
    )


@pytest.mark.parametrize("silenced", ["silence q rule=* resolved", "source erp crit"])
def test_what_held_the_end_of_a_day_cannot_hold_it_for_ever(silenced):
    """Silenced or explained when its day ended, and it fired anew since: nobody would release it."""
    play = Play()
    play.run(f"""
        10:00:00 s1 crit
        10:00:05 {silenced}
        10:05:00 s1 ended
        10:06:00 s1 crit
    """)
    (ended,) = [intent for intent in play.desk.intents.values() if intent.kind == "ended"]
    assert ended.not_before_ms == ms("19:05:00")


def test_an_acknowledgement_from_before_a_rise_that_nobody_knows_of_does_not_hold():
    """After an outage both are folded at once, transitions first: a critical alert must not be lost in it."""
    desk, shard = Memory(policy()), Shard()
    desk.fold(shard(0))
    desk.told(30)
    desk.fold(shard(60, "firing", "crit", from_state="firing"))
    desk.hear(Ack(T0 + 50_000, "drift|shop=pinduoduo:s1", "李"))
    assert desk.queued() == [("rise", "crit", 60)]
    assert desk.traces[-1].reason == "by 李, before it became crit, of which nobody knows yet"


def test_an_acknowledgement_by_a_clock_that_is_slow_holds_once_the_rise_was_told():
    desk, shard = Memory(policy()), Shard()
    desk.fold(shard(0, severity="crit"))
    desk.told(1)
    desk.hear(Ack(T0 - 5_000, "drift|shop=pinduoduo:s1", "李"))
    assert desk.queued() == []


def test_a_silence_holds_what_is_folded_late():
    """A desk that was down folds at 10:05 what fired at 10:00; the silence of 10:03 is in force."""
    desk, shard = Memory(policy()), Shard()
    at_ms = T0 + 180_000
    desk.hear(Silence(at_ms, "q", {"rule": "drift"}, at_ms + 3_600_000, "李"))
    desk.fold(shard(0, severity="crit"))
    assert desk.queued() == [("fire", "crit", 180 + 3_600)]


def test_a_silence_in_place_of_another_releases_what_only_the_other_held():
    plays(
        """
        10:00:00 silence q shop=*:s1 1h
        10:01:00 s1 crit
        10:02:00 silence q shop=*:b1 1h
          10:02:00 bot: fire crit s1
        """
    )


@pytest.mark.parametrize("name", ["*", "a?c", "!x", r"back\slash", r"\*", "[ab]", "日本"])
def test_a_name_taken_literally_matches_itself_alone(name):
    assert matches({"shop": literal(name)}, {"shop": name})
    assert not matches({"shop": literal(name)}, {"shop": "abc"})


def test_what_a_carrier_says_late_of_a_first_firing_does_not_end_the_second():
    desk, shard = Memory(policy()), Shard()
    desk.fold(shard(0, severity="crit"))
    (first,) = desk.intents.values()
    desk.told(1)
    desk.fold(shard(5, "ok", severity="crit"))
    desk.fold(shard(10, severity="crit"))
    named = [(first.id, first.alert, first.kind)]
    for state in ("failed", "delivered", "failed"):
        desk.hear(Result(T0 + 11_000, state, "bot", "managers", named))
    assert [kind for kind, *_ in desk.queued()] == ["fire"]


@pytest.mark.parametrize(
    ("language", "first", "second"),
    [
        ("zh", "【已关闭】pinduoduo:s1：drift", "老王（测试店）手动关闭；再次触发或升级前不再通知"),
        ("en", "[Closed]", "closed by 老王 (测试店); nothing more until it fires anew or rises"),
    ],
)
def test_the_message_says_who_closed_it(language, first, second):
    desk, shard = Memory(policy()), Shard()
    desk.fold(shard(0))
    desk.told(30)
    desk.hear(Resolve(T0 + 60_000, "drift|shop=pinduoduo:s1", "link:managers 老王: 测试店"))
    (intent,) = desk.intents.values()
    style = Style(language, "text", 4_096, T0 + 60_000)
    text = render(Draft("managers", (Ready(intent),)), ByIds(), style).message.body
    assert first in text.splitlines()[0]
    assert second in text


def test_why_says_who_closed_it():
    play = plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
        10:05:00 close s1 laowang
          10:05:30 bot: resolved warn s1
        """
    )
    assert "resolve closed: by laowang, until it fires anew or rises" in play.why("s1")
    assert not any(step.startswith("acknowledge") for step in play.why("s1"))
