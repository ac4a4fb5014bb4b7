"""What the desk decides to tell, to whom, and when."""

import msgspec
import pytest

from alerting import limits
from alerting.policy.records import Ack, Health, Result, Silence, Tick, Unsilence
from alerting.policy.rulings import Receiver
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, Memory, Shard, item, policy


@pytest.fixture
def desk():
    return Memory(policy())


@pytest.fixture
def shard():
    return Shard()


KEY = "drift|shop=pinduoduo:s1"


def test_a_warning_waits_for_company_and_a_critical_one_does_not(desk, shard):
    desk.fold(shard(0), shard(10, shop="s2"), shard(12, severity="crit", shop="s3"))
    assert desk.queued() == [("fire", "crit", 12), ("fire", "warn", 30), ("fire", "warn", 30)]
    assert len({i.group for i in desk.intents.values()}) == 1


def test_the_next_message_of_a_group_comes_after_its_interval(desk, shard):
    desk.fold(shard(0), shard(40, shop="s2"), shard(160, shop="s3"), shard(950, shop="s4"))
    assert [at for _, _, at in desk.queued()] == [30, 150, 270, 980]


def test_conversations_that_run_out_are_not_held_back(desk, shard):
    desk.fold(shard(0, items=(item(80),)))
    assert desk.queued() == [("fire", "warn", 0)]


def test_every_account_of_a_receiver_has_its_own_intent(desk, shard):
    desk.fold(shard(0, severity="crit", notify="both"))
    assert desk.queued("bot") == desk.queued("hook") == [("fire", "crit", 0)]


def test_an_unknown_receiver_goes_to_the_default_and_says_so(desk, shard):
    desk.fold(shard(0, severity="crit", notify="mangers"))
    assert desk.queued() == [("fire", "crit", 0)]
    assert "no receiver 'mangers', so the default → managers on bot" in [t.reason for t in desk.traces]


def test_a_route_label_reaches_several_receivers(shard):
    given = policy(
        receivers={"a": Receiver("a", ("bot",)), "b": Receiver("b", ("hook",))},
        default="a",
        routes={"night": ("a", "b")},
    )
    desk = Memory(given)
    desk.fold(shard(0, severity="crit", notify="night"))
    assert desk.queued("bot") == desk.queued("hook") == [("fire", "crit", 0)]


def test_a_rise_is_told_at_once_and_voids_an_acknowledgement(desk, shard):
    desk.fold(shard(0))
    desk.told(30)
    desk.hear(Ack(T0 + 60 * SECOND, KEY, "李经理"))
    assert desk.queued() == []
    desk.fold(shard(90, severity="crit"))
    assert desk.queued() == [("rise", "crit", 90)]
    assert ("acknowledge", "voided", "rose to crit") in [(t.step, t.verdict, t.reason) for t in desk.traces]


def test_a_rise_before_the_first_message_makes_one_message(desk, shard):
    desk.fold(shard(0), shard(10, severity="crit"))
    assert desk.queued() == [("fire", "crit", 10)]


def test_a_fall_is_not_told(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    before = desk.queued()
    desk.fold(shard(20, severity="warn"))
    assert [(kind, at) for kind, _, at in before] == [(kind, at) for kind, _, at in desk.queued()]


def test_what_still_fires_is_repeated_after_the_interval(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(1)
    assert desk.queued() == [("repeat", "crit", 1 + 4 * 3600)]
    desk.told(1 + 4 * 3600)
    assert desk.queued() == [("repeat", "crit", 1 + 8 * 3600)]


def test_an_acknowledged_alert_is_not_repeated_but_its_end_is_told(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    changes = desk.hear(Ack(T0 + SECOND, KEY, "李"))
    assert changes.acknowledged == [f"{KEY}@{T0}"]
    assert desk.queued() == []
    desk.fold(shard(60, "ok", "crit"))
    assert desk.queued() == [("resolved", "crit", 90)]
    assert not next(iter(desk.intents.values())).urgent


def test_an_acknowledgement_of_what_does_not_fire_is_refused(desk):
    desk.hear(Ack(T0, KEY, "李"))
    assert [(t.alert, t.verdict, t.reason) for t in desk.traces] == [(KEY, "refused", "it does not fire")]


def test_the_end_carries_since_when_it_fired(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    desk.fold(shard(600, "ok", "crit"))
    (end,) = desk.intents.values()
    assert end.transition.since_ms == T0
    desk.told(700)
    assert desk.rows == {}


def test_an_alert_that_ends_before_it_was_sent_leaves_one_resolved_line(desk, shard):
    desk.fold(shard(0), shard(10, "ok"))
    assert [kind for kind, _, _ in desk.queued()] == ["resolved"]


def test_a_day_that_ended_waits_for_the_next_digest(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    desk.fold(shard(HOUR // SECOND, "ended", "crit"))
    assert desk.queued() == [("ended", "crit", 3600 + 9 * 3600)]


def test_an_alert_that_fires_again_before_its_end_was_told_withdraws_that_end(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    desk.fold(shard(60, "ok", "crit"), shard(70, severity="crit"))
    assert desk.queued() == [("fire", "crit", 70)]
    assert {i.incident for i in desk.intents.values()} == {f"{KEY}@{T0}"}


def test_an_end_that_was_already_leaving_when_it_fired_again_is_corrected(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    desk.fold(shard(60, "ok", "crit"))
    ((leaving, intent),) = desk.intents.items()
    desk.fold(shard(70, severity="crit"))
    desk.told(71)
    desk.hear(Result(T0 + 72_000, "accepted", "bot", "managers", [(leaving, intent.alert, "resolved")]))
    assert desk.queued() == [("fire", "crit", 72)]


def test_updates_are_told_with_their_items_but_not_to_who_has_it(desk, shard):
    desk.fold(shard(0, items=(item(80),)))
    desk.told(0)
    desk.fold(shard(30, items=(item(90),), reason="update"))
    assert desk.queued() == [("update", "warn", 30)]
    desk.hear(Ack(T0 + 31_000, KEY, "李"))
    desk.fold(shard(60, items=(item(120),), reason="update"))
    assert desk.queued() == []


def test_an_update_before_the_message_left_replaces_its_figures(desk, shard):
    desk.fold(shard(0), shard(10, reason="update", items=(item(80),)))
    assert desk.queued() == [("fire", "warn", 30)]
    assert [i.transition.items for i in desk.intents.values()] == [(item(80),)]


def test_a_shadow_rule_never_notifies(desk, shard):
    desk.fold(shard(0, severity="crit", shadow=True))
    assert desk.queued() == []
    assert desk.rows == {}
    assert [(t.step, t.verdict) for t in desk.traces] == [("rule", "firing crit"), ("route", "dropped")]


def test_after_the_fact_is_told_once(desk, shard):
    desk.fold(shard(0, severity="crit", after_the_fact=True))
    desk.told(0)
    assert desk.queued() == []
    desk.fold(shard(60, "ok", "crit"))
    assert desk.queued() == []
    assert desk.rows == {}


def test_a_silence_that_is_ended_early_releases_at_once(desk, shard):
    desk.hear(Silence(T0, "s1", {"rule": "dr?ft", "severity": "crit"}, T0 + HOUR, "李"))
    desk.fold(shard(10, severity="crit"))
    assert desk.queued() == [("fire", "crit", 3600)]
    desk.hear(Unsilence(T0 + 20_000, "s1", "李"))
    assert desk.queued() == [("fire", "crit", 10)]


def test_a_silence_leaves_others_alone(desk, shard):
    desk.hear(Silence(T0, "s1", {"shop": "pinduoduo:s9"}, T0 + HOUR, "李"))
    desk.fold(shard(10, severity="crit"))
    assert desk.queued() == [("fire", "crit", 10)]


def test_silences_are_bounded_in_number_and_length(desk, shard, monkeypatch):
    monkeypatch.setattr(limits, "SILENCES_MAX", 1)
    desk.hear(Silence(T0, "s1", {}, T0 + 10**12, "李"))
    desk.hear(Silence(T0, "s2", {}, T0 + HOUR, "李"))
    assert list(desk.desk().books.silences) == ["s1"]
    assert desk.desk().books.silences["s1"].until_ms == T0 + limits.SILENCE_MS_MAX
    assert desk.traces[-1].verdict == "refused"


def test_a_silence_that_is_over_keeps_no_place(desk, monkeypatch):
    monkeypatch.setattr(limits, "SILENCES_MAX", 1)
    desk.hear(Silence(T0, "s1", {}, T0 + HOUR, "李"))
    desk.hear(Silence(T0 + HOUR, "s2", {}, T0 + 2 * HOUR, "李"))
    assert list(desk.desk().books.silences) == ["s1", "s2"]


def test_an_alert_that_has_eased_is_held_until_it_returns(desk, shard):
    desk.fold(shard(0), shard(10, "holding"))
    assert desk.queued()[0][2] > 10**9
    desk.fold(shard(50))
    assert desk.queued() == [("fire", "warn", 30)]


def test_a_broken_account_is_told_over_another_one(desk):
    desk.hear(Health(T0, "bot", ok=False, detail="93000 invalid webhook url"))
    assert desk.queued("bot") == []
    assert desk.queued("hook") == [("fire", "crit", 0)]
    desk.told(1)
    desk.hear(Health(T0 + MINUTE, "bot", ok=True))
    assert [k for k, _, _ in desk.queued("hook")] == ["resolved"]


def test_the_only_account_broken_is_at_least_traced():
    desk = Memory(policy(receivers={"managers": Receiver("managers", ("bot",))}))
    desk.hear(Health(T0, "bot", ok=False))
    assert "bot is broken and there is no other account" in [t.reason for t in desk.traces]


def test_a_repeated_transition_changes_nothing(desk, shard):
    first, second = shard(0, severity="crit"), shard(5, severity="crit", shop="s2")
    desk.fold(first, second)
    changes = desk.fold(first, second)
    assert (changes.intents, changes.rows, changes.traces) == ([], {}, [])


def test_what_waited_for_an_account_no_longer_configured_goes_another_way(desk, shard):
    desk.fold(shard(0, severity="crit", notify="both"))
    desk.policy = policy(receivers={"managers": Receiver("managers", ("bot2",))})
    desk.hear(Tick(T0 + SECOND))
    assert desk.queued("bot") == desk.queued("hook") == []
    assert desk.queued("bot2") == [("fire", "crit", 1)]


def test_what_is_over_is_forgotten(desk, shard):
    desk.hear(Silence(T0, "s1", {"rule": "none"}, T0 + SECOND, "李"))
    desk.fold(shard(0), shard(1, "ok"))
    desk.told(60)
    assert set(desk.rows) == {("silence", "s1"), ("group", "managers|drift")}
    desk.hear(Tick(T0 + 2 * 86_400_000))
    assert desk.rows == {}


def test_explain_says_how_an_alert_stands(desk, shard):
    desk.fold(shard(0, severity="crit"))
    desk.told(0)
    desk.hear(Silence(T0 + SECOND, "s1", {"rule": "drift"}, T0 + HOUR, "李"))
    steps = desk.desk().explain("drift", {"shop": "pinduoduo:s1"}, T0 + 2 * SECOND)
    assert [(s.step, s.verdict) for s in steps] == [
        ("rule", "firing crit"),
        ("route", "routed"),
        ("silence", "held"),
        ("intent", "queued"),
        ("send", "told"),
    ]
    assert steps[2].reason == f"silence s1 by 李, until {T0 + HOUR}"


def test_explain_says_what_would_become_of_a_rule_that_has_not_fired(desk):
    desk.hear(Silence(T0, "s1", {"rule": "drift"}, T0 + HOUR, "李"))
    steps = desk.desk().explain("drift", {"shop": "pinduoduo:s1"}, T0, notify="both")
    assert [(s.step, s.verdict, s.reason) for s in steps] == [
        ("rule", "ok", "it does not fire"),
        ("route", "would", "notify: both → both on bot, both on hook"),
        ("silence", "would hold", "silence s1 by 李"),
    ]


def test_rows_that_an_older_slawatch_stored_still_read():
    """As of the first version: no chains, no nodes, no stages; silences without "until resolved"."""
    fired = Shard()(0, severity="crit")
    alert = {
        "key": KEY, "incident": f"{KEY}@{T0}", "state": "firing", "since_ms": T0,
        "transition": msgspec.to_builtins(fired), "acked_by": "",
        "ways": [["managers", "bot", T0, {"0.1.0-1": ["repeat", T0 + HOUR, T0 + HOUR]}]],
    }  # fmt: skip
    silence = {"at_ms": T0, "id": "s", "matcher": {"shop": "x"}, "until_ms": T0 + HOUR, "who": "li"}
    rows = [
        ("alert", KEY, msgspec.msgpack.encode(alert)),
        ("group", "managers|drift", msgspec.msgpack.encode(T0)),
        ("silence", "s", msgspec.msgpack.encode({"type": "silence", **silence})),
    ]
    desk = Memory(policy())
    desk.rows = {row[:2]: row[2] for row in rows}
    desk.fold(Shard()(60, "ok", "crit"))
    assert desk.queued() == [("resolved", "crit", 90)]
    assert [trace.verdict for trace in desk.traces if trace.step == "intent"] == ["withdrawn", "queued"]
