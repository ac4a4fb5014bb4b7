"""Another alerting.yaml takes force while alerts fire: what goes on as it was, and what is led anew."""

from dataclasses import replace

from alerting.policy.records import Ack, Health
from alerting.policy.rulings import Node, Receiver, Step
from tests.alerting.desk_plays import HOUSE, Play
from tests.alerting.worlds import T0, Memory, Shard, policy

UP = """
    escalations:
      up: [{after: 3m, receivers: [leads]}, {after: 10m, receivers: [phones]}]
    route: {escalate: up}
"""


def changed(script, before, at, after, rest):
    play = Play(before)
    play.run(script)
    play.run(f"{at} tick")
    play.use(after)
    play.run(rest)
    return play.seen


def test_a_running_escalation_keeps_its_steps_and_times():
    seen = changed("10:00:00 s1 crit", UP, "10:01:00", UP.replace("3m", "9m"), "10:20:00 tick")
    assert seen == [
        "10:00:00 bot: fire crit s1",
        "10:03:00 lead: escalate crit s1",
        "10:10:00 sms: escalate crit s1 → laowang",
    ]


def test_an_alert_keeps_its_way_though_routes_would_lead_it_elsewhere_now():
    other = "route: {receivers: [leads]}"
    seen = changed(
        "10:00:00 s1 crit", "{}", "10:01:00", other, "10:02:00 s1 ok\n10:03:00 s1 crit\n10:03:01 tick"
    )
    assert seen == [
        "10:00:00 bot: fire crit s1",
        "10:02:30 bot: resolved crit s1",
        "10:03:00 lead: fire crit s1",
    ]


def test_new_quiet_hours_hold_what_waits_and_old_ones_release_it():
    quiet = """
    mute_times: {night: {timezone: Asia/Shanghai, when: [{hours: ["10:00-12:00"]}]}}
    route: {mute: [night]}
    """
    seen = changed("10:00:00 s1 warn", "{}", "10:00:10", quiet, "12:00:00 tick")
    assert seen == ["12:00:00 bot: fire warn s1"]
    seen = changed("10:00:00 s1 warn", quiet, "10:00:10", "{}", "10:00:30 tick")
    assert seen == ["10:00:30 bot: fire warn s1"]


def phones_gone():
    """The house, and no receiver of phones any more."""
    play = Play(UP)
    play.run("10:00:00 s1 crit\n10:04:00 tick")
    known = play.desk.policy
    left = {name: one for name, one in known.receivers.items() if name != "phones"}
    steps = {"up": (Step(180_000, ("leads",)),)}
    return play, replace(known, receivers=left, tree=Node(escalate="up"), escalations=steps)


def test_a_stage_whose_receiver_is_gone_tells_the_default_receiver_in_its_turn():
    play, left = phones_gone()
    play.desk.use(left, play.now)
    play.run("10:20:00 tick")
    assert play.seen[2:] == ["10:10:00 bot: escalate crit s1"]
    assert "phones" in HOUSE


def test_who_has_an_alert_keeps_it_when_a_receiver_of_it_goes():
    """Nobody is told anew of what somebody has taken; when that ends, those whom the routes name now are."""
    desk, shard = Memory(policy(ack_holds_ms=600_000)), Shard()
    desk.fold(shard(0, severity="crit", notify="both"))
    desk.told(1)
    desk.hear(Ack(T0 + 2_000, "drift|shop=pinduoduo:s1", "李"))
    desk.use(policy(receivers={"managers": Receiver("managers", ("bot",))}, ack_holds_ms=600_000), T0 + 3_000)
    assert desk.queued() == [("lapsed", "crit", 602)]
    assert desk.queued("hook") == []
    (alert,) = desk.desk().books.alerts.values()
    assert alert.acked_by == "李"


def test_what_waited_for_a_receiver_that_is_gone_is_told_to_others_once():
    desk, shard = Memory(policy()), Shard()
    desk.fold(shard(0, severity="crit", notify="both"))
    desk.use(policy(receivers={"managers": Receiver("managers", ("bot",))}), T0 + 3_000)
    assert [kind for kind, *_ in desk.queued()] == ["fire"]
    assert desk.queued("hook") == []
    before = dict(desk.intents)
    desk.use(desk.policy, T0 + 4_000)
    assert desk.intents == before


def test_the_alert_of_a_broken_account_ends_with_the_account():
    desk = Memory(policy())
    desk.hear(Health(T0, "hook", ok=False, detail="unknown key"))
    assert [kind for kind, *_ in desk.queued()] == ["fire"]
    desk.told(1)
    desk.use(policy(receivers={"managers": Receiver("managers", ("bot",))}), T0 + 3_000)
    assert [kind for kind, *_ in desk.queued()] == ["resolved"]


def test_inhibitions_of_the_new_file_hold_from_then_on():
    rule = "inhibit: [{name: b-waits, when: {shop: '*:a1'}, mutes: {shop: '*:b1'}}]"
    seen = changed(
        "10:00:00 a1 crit", "{}", "10:01:00", rule, "10:02:00 b1 crit\n10:05:00 a1 ok\n10:06:00 tick"
    )
    assert seen == [
        "10:00:00 bot: fire crit a1",
        "10:05:00 bot: fire crit b1",
        "10:05:30 bot: resolved crit a1",
    ]
