"""Scenes of escalations, acknowledgements and who is on call; their language is that of desk_plays.py."""

from tests.alerting.desk_plays import HOUSE, made, ms, plays

UP = """
escalations:
  up:
    - {after: 3m, receivers: [duty], unaccepted: 1m}
    - {after: 10m, receivers: [phones], unaccepted: 1m}
route: {routes: [{match: {severity: crit}, escalate: up}]}
"""


def test_while_nobody_takes_it_the_next_are_told_each_in_their_turn():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
          10:03:00 app: escalate crit s1 → xiaoli
          10:10:00 sms: escalate crit s1 → laowang
        10:20:00 s1 ok
          10:20:30 app: resolved crit s1 → xiaoli
          10:20:30 bot: resolved crit s1
          10:20:30 sms: resolved crit s1 → laowang
        """,
        UP,
    )


def test_who_takes_it_stops_the_escalation_and_only_those_told_hear_of_its_end():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
          10:03:00 app: escalate crit s1 → xiaoli
        10:04:00 ack s1 xiaoli
        10:20:00 s1 ok
          10:20:30 app: resolved crit s1 → xiaoli
          10:20:30 bot: resolved crit s1
        """,
        UP,
    )


def test_a_warning_does_not_climb_and_a_rise_begins_the_climb():
    plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
        10:30:00 s1 crit
          10:30:00 bot: rise crit s1
          10:33:00 app: escalate crit s1 → xiaoli
        10:34:00 s1 ok
          10:34:30 app: resolved crit s1 → xiaoli
          10:34:30 bot: resolved crit s1
        """,
        UP,
    )


def test_what_no_channel_took_in_time_goes_to_the_next_early():
    play = plays(
        """
        10:00:00 down bot
        10:00:00 s1 crit
          10:01:00 app: escalate crit s1 → xiaoli
          10:10:00 sms: escalate crit s1 → laowang
        """,
        UP,
    )
    assert ("bot", "fire") in {(i.account, i.kind) for i in play.desk.intents.values()}


def test_what_is_accepted_late_still_gives_its_readers_their_time():
    """Told at 10:00:40, the bot's readers have until 10:03 like any other day."""
    plays(
        """
        10:00:00 down bot
        10:00:00 s1 crit
        10:00:40 up bot
          10:00:40 bot: fire crit s1
          10:03:00 app: escalate crit s1 → xiaoli
        """,
        UP,
    )


def test_what_failed_for_good_goes_to_the_next_at_once():
    play = plays(
        """
        10:00:00 refuse bot
        10:00:00 refuse app
        10:00:05 s1 crit
          10:00:05 sms: escalate crit s1 → laowang
        """,
        UP,
    )
    assert [t.reason for t in play.desk.traces if t.verdict == "sooner"] == [
        "duty 60 s early: nobody before was reached",
        "phones 60 s early: nobody before was reached",
    ]


PHONES_FIRST = """
escalations: {up: [{after: 3m, receivers: [phones]}, {after: 10m, receivers: [leads]}]}
route: {escalate: up}
"""


def test_a_receipt_that_says_nobody_has_it_calls_the_next_at_once():
    play = plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
          10:03:00 sms: escalate crit s1 → laowang
        10:03:20 receipt sms failed
          10:03:20 lead: escalate crit s1
        10:05:00 s1 ok
          10:05:30 bot: resolved crit s1
          10:05:30 lead: resolved crit s1
        """,
        PHONES_FIRST,
    )
    assert ("receipt", "failed", "phones: by the carrier") in [
        (t.step, t.verdict, t.reason) for t in play.desk.traces
    ]


def test_a_receipt_that_says_delivered_changes_nothing():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
          10:03:00 sms: escalate crit s1 → laowang
        10:03:20 receipt sms delivered
          10:10:00 lead: escalate crit s1
        """,
        PHONES_FIRST,
    )


def test_a_rise_voids_the_acknowledgement_and_climbs_anew():
    plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
        10:01:00 ack s1 li
        10:09:00 s1 crit
          10:09:00 bot: rise crit s1
          10:12:00 app: escalate crit s1 → xiaoli
        """,
        UP,
    )


HOLDS = UP + "acknowledge: {holds: 30m, remind: 10m}\n"


def test_an_acknowledgement_is_reminded_of_and_ends_and_the_climb_begins_anew():
    play = plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 ack s1 xiaoli
          10:21:00 bot: remind crit s1
          10:31:00 bot: lapsed crit s1
          10:34:00 app: escalate crit s1 → xiaoli
        """,
        HOLDS,
    )
    assert not play.desk.desk().books.alerts["drift|shop=pinduoduo:s1"].acked_by


def test_who_takes_it_again_has_it_for_as_long_again():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 ack s1 xiaoli
          10:21:00 bot: remind crit s1
        10:22:00 ack s1 xiaoli 2h
          12:12:00 bot: remind crit s1
          12:22:00 bot: lapsed crit s1
        """,
        HOLDS,
    )


def test_what_is_over_while_somebody_has_it_is_told_once():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 ack s1 xiaoli
        10:05:00 s1 ok
          10:05:30 bot: resolved crit s1
        """,
        HOLDS,
    )


def test_a_chain_is_kept_as_it_was_when_the_alert_fired():
    play = plays("10:00:00 s1 crit\n  10:00:00 bot: fire crit s1", UP)
    play.desk.policy = made(UP.replace("after: 3m", "after: 30s").replace("after: 10m", "after: 40s"))
    play.pass_to(ms("10:30"))
    assert play.seen[1:] == [
        "10:03:00 app: escalate crit s1 → xiaoli",
        "10:10:00 sms: escalate crit s1 → laowang",
    ]


def test_a_silence_stops_the_climb_and_at_its_end_it_begins_anew():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 silence q shop=*:s1 20m
          10:21:00 bot: still crit s1
          10:24:00 app: escalate crit s1 → xiaoli
          10:31:00 sms: escalate crit s1 → laowang
        """,
        UP,
    )


def test_a_silence_that_is_ended_early_begins_the_climb_there():
    plays(
        """
        10:00:00 silence q shop=*:s1 1h
        10:00:10 s1 crit
        10:20:00 unsilence q
          10:20:00 bot: fire crit s1
          10:23:00 app: escalate crit s1 → xiaoli
        """,
        UP,
    )


def test_a_blind_source_stops_the_climb_until_it_is_heard():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 source erp crit
          10:01:00 bot: fire crit source erp
        10:30:00 ack none li
        10:40:00 source erp ok
          10:40:30 bot: resolved crit source erp
          10:43:00 app: escalate crit s1 → xiaoli
        """,
        UP.replace("{severity: crit}", "{severity: crit, each: shop}"),
    )


def test_an_alert_that_eases_and_returns_does_not_begin_its_climb_anew():
    """Else one that flaps would never reach the last step."""
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 s1 holding
        10:02:00 s1 crit
        10:02:30 s1 holding
        10:05:00 s1 crit
          10:05:00 app: escalate crit s1 → xiaoli
          10:10:00 sms: escalate crit s1 → laowang
        """,
        UP,
    )


def test_the_one_whose_turn_it_is_when_the_message_leaves_is_told():
    """The hand-over is at 09:00."""
    plays(
        """
        d2 08:58:00 s1 crit
          d2 08:58:00 bot: fire crit s1
          d2 09:01:00 app: escalate crit s1 → laowang
        """,
        UP,
    )


def test_who_is_told_at_several_steps_hears_of_a_rise_and_of_the_end_once():
    plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
          10:01:30 bot: escalate warn s1
        10:05:00 s1 crit
          10:05:00 bot: rise crit s1
          10:06:00 bot: escalate crit s1
        10:09:00 s1 ok
          10:09:30 bot: resolved crit s1
        """,
        "escalations: {again: [{after: 1m, receivers: [managers]}]}\nroute: {escalate: again}",
    )


def test_why_says_who_will_be_told_next_and_when():
    play = plays("10:00:00 s1 crit\n  10:00:00 bot: fire crit s1", UP)
    assert f"intent queued: escalate for duty on app (xiaoli), not before {ms('10:03')}" in play.why("s1")
    assert "escalate would: as a critical alert: up: duty after 180 s" in play.why("s2")


def test_an_account_whose_template_has_no_word_for_an_end_is_not_told_of_one():
    """Else the SMS of an alert that is over would say once more "handle it at once"."""
    changes = UP + HOUSE.partition("receivers:")[0].replace("params: [shop, severity]", "params: [shop]")
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
          10:03:00 app: escalate crit s1 → xiaoli
          10:10:00 sms: escalate crit s1 → laowang
        10:20:00 s1 ok
          10:20:30 app: resolved crit s1 → xiaoli
          10:20:30 bot: resolved crit s1
        """,
        changes,
    )


def test_a_receipt_of_a_former_message_says_nothing_of_a_later_one():
    """The carrier's no to the first SMS comes when the second is already there."""
    play = plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
          10:03:30 sms: escalate warn s1 → laowang
        """,
        PHONES_FIRST,
    )
    former = play.last["sms"]
    play.do("s1", "crit")
    play.send()
    assert play.seen[-1].endswith("sms: rise crit s1 → laowang")
    play.last["sms"] = former
    play.do("receipt", "sms", "failed")
    (way,) = [w for w in play.desk.desk().books.alerts["drift|shop=pinduoduo:s1"].ways if w.account == "sms"]
    assert (bool(way.told_ms), way.failed_ms) == (True, 0)
