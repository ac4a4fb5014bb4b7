"""Scenes of routes, groups, mute times, inhibition and silences; their language is that of desk_plays.py."""

from tests.alerting.desk_plays import ms, parsed, plays

TREE = """
mute_times:
  nights: {when: [{hours: ["22:00-08:00"]}]}
route:
  routes:
    - name: blind
      match: {each: [source, platform]}
      receivers: [leads]
    - match: {tier: A}
      receivers: [leads]
      continue: true
    - match: {severity: warn}
      mute: [nights]
      group_by: [severity]
      group_wait: 10s
      group_interval: 0s
    - match: {severity: crit, labels: {region: north}}
      receivers: [leads, managers]
      repeat_interval: 30m
"""


def test_the_first_route_that_matches_takes_an_alert_and_continue_lets_others_match_too():
    plays(
        """
        10:00:00 b1 crit
          10:00:00 bot: fire crit b1
        10:01:00 a1 crit
          10:01:00 bot: fire crit a1
          10:01:00 lead: fire crit a1
          10:31:00 bot: repeat crit a1
        """,
        TREE,
    )


def test_a_route_groups_in_its_own_way():
    plays(
        """
        10:00:00 b1 warn
        10:00:05 s1 warn
          10:00:10 bot: fire warn b1, fire warn s1
        """,
        TREE,
    )


def test_a_rise_is_led_through_the_tree_again():
    """Who is told only of what is critical hears of it now; who was told before hears that it rose."""
    plays(
        """
        10:00:00 s1 warn
          10:00:30 bot: fire warn s1
        10:05:00 s1 crit
          10:05:00 bot: rise crit s1
          10:05:00 lead: fire crit s1
        10:09:00 s1 ok
          10:09:30 bot: resolved crit s1
          10:09:30 lead: resolved crit s1
        """,
        "route: {routes: [{match: {severity: crit}, receivers: [leads]}]}",
    )


def test_quiet_hours_hold_and_make_one_digest_and_never_drop():
    play = plays(
        """
        21:59:00 s1 warn
          21:59:10 bot: fire warn s1
        22:30:00 s2 warn
        23:30:00 s3 warn
        d2 02:00:00 s3 ok
        d2 03:00:00 b1 warn
          d2 08:00:00 bot: fire warn s2, fire warn b1, repeat warn s1, resolved warn s3 (missed)
        """,
        TREE,
    )
    assert {t.reason for t in play.desk.traces if t.step == "mute"} == {"mute time nights"}


def test_what_is_critical_at_night_is_told_at_night():
    plays(
        """
        23:00:00 s1 warn
        23:10:00 s1 crit
          23:10:00 bot: fire crit s1
        """,
        TREE,
    )


def test_a_silence_that_ends_in_quiet_hours_holds_until_the_morning():
    plays(
        """
        21:00:00 silence q shop=*:s1 90m
        21:30:00 s1 warn
          d2 08:00:00 bot: fire warn s1
        """,
        TREE,
    )


def test_a_blind_source_or_platform_mutes_its_shops():
    plays(
        """
        09:59:55 s3 warn
        10:00:00 source erp crit
          10:00:00 lead: fire crit source erp
        10:01:00 s1 crit
        10:01:00 b1 crit
          10:01:00 bot: fire crit b1
        10:02:00 platform pinduoduo crit
          10:02:00 lead: fire crit platform pinduoduo
        10:03:00 source erp ok
          10:03:30 lead: resolved crit source erp
        10:04:00 s2 crit
        10:05:00 platform pinduoduo ok
          10:05:00 bot: fire crit s1, fire crit s2
          10:05:00 bot: fire warn s3
          10:05:30 lead: resolved crit platform pinduoduo
        """,
        TREE,
    )


INHIBIT = """
inhibit:
  - {name: big, when: {rule: drift, severity: crit}, mutes: {severity: warn, each: shop}, equal: [team]}
"""


def test_configured_inhibition_holds_while_the_other_fires_and_only_where_labels_are_equal():
    play = plays(
        """
        10:00:00 a1 crit
          10:00:00 bot: fire crit a1
        10:01:00 b1 warn
          10:01:30 bot: fire warn b1
        """,
        INHIBIT,
    )
    play.fire({"shop": "pinduoduo:a1"}, "other", "warn")
    assert "inhibition big: drift|shop=pinduoduo:a1" in [t.reason for t in play.desk.traces]
    play.fire({"shop": "pinduoduo:a1"}, "drift", "ok")
    assert [t.verdict for t in play.desk.traces if t.step == "inhibit"] == ["held", "released"]


def test_an_inhibitor_that_falls_to_a_warning_releases():
    play = plays("10:00:00 a1 crit\n  10:00:00 bot: fire crit a1", INHIBIT)
    play.fire({"shop": "pinduoduo:a1"}, "other", "warn")
    play.fire({"shop": "pinduoduo:a1"}, "drift", "warn")
    assert [t.verdict for t in play.desk.traces if t.step == "inhibit"] == ["held", "released"]


def test_a_silence_until_resolved_ends_with_the_last_of_what_it_matches():
    play = plays(
        """
        10:00:00 s1 crit
        10:00:00 s2 crit
          10:00:00 bot: fire crit s1
          10:00:00 bot: fire crit s2
        10:01:00 silence q shop=*:s* resolved
        10:02:00 s3 crit
        10:03:00 s1 ok
        10:04:00 s3 ok
        10:05:00 s2 ok
          10:05:00 bot: resolved crit s1
          10:05:30 bot: resolved crit s2
        10:10:00 s1 crit
          10:10:00 bot: fire crit s1
        """
    )
    assert not play.desk.desk().books.silences
    assert ("ended", "all that it matched is over") in [(t.verdict, t.reason) for t in play.desk.traces]


def test_a_silence_until_resolved_of_nothing_is_refused():
    play = plays("10:00:00 silence q shop=*:s1 resolved\n10:01:00 s1 crit\n  10:01:00 bot: fire crit s1")
    assert ("refused", "nothing fires that it matches") in [(t.verdict, t.reason) for t in play.desk.traces]


def test_at_a_silences_end_what_still_fires_is_told_once():
    plays(
        """
        10:00:00 s1 crit
          10:00:00 bot: fire crit s1
        10:01:00 silence q shop=*:s* 10m
        10:02:00 s2 crit
        10:05:00 silence r shop=*:s* 20m
          10:25:00 bot: fire crit s2, still crit s1
          14:25:00 bot: repeat crit s2, repeat crit s1
        """
    )


def test_silences_by_team_tier_and_label():
    plays(
        """
        10:00:00 silence q tier=A labels.region=n* 1h
        10:01:00 a1 crit
        10:01:00 b1 crit
          10:01:00 bot: fire crit b1
        """
    )


def test_why_names_the_stage_and_reason_also_of_what_has_not_fired():
    play = plays("23:00:00 s1 warn", TREE)
    assert "mute held: mute time nights, until " + str(ms("d2 08:00")) in play.why("s1")
    assert play.why("a1") == [
        "rule ok: it does not fire",
        (
            "route would: as a warning: route tier=A → leads on lead; "
            "route severity=warn, the default receiver → managers on bot"
        ),
        "mute would hold: as a warning: mute time nights",
        (
            "route would: as a critical alert: route tier=A → leads on lead; "
            "route severity=crit,labels.region=north → managers on bot"
        ),
    ]


def test_a_route_that_is_not_named_is_called_by_what_it_matches():
    names = [node.name for node in parsed(TREE).policy().tree.all()]
    assert names == ["", "blind", "tier=A", "severity=warn", "severity=crit,labels.region=north"]
