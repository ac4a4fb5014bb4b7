"""The desk's and the sender's part of the store."""

import msgspec
import pytest

from alerting import limits
from alerting.errors import Fenced, StoreFull
from alerting.policy.records import (
    Ack,
    Changes,
    Cursor,
    Delivery,
    Health,
    Intent,
    Result,
    Silence,
    Tick,
    Trace,
    Unsilence,
    Waits,
)
from rules.transition import Transition

DAY_MS = 86_400_000
T = Transition(1, "r", {"shop": "p:s"}, "ok", "firing", "crit", "crit", "reached", position=1)


def intent(name, at_ms=0, severity="crit", kind="fire", incident="r|shop=p:s@1"):
    return Intent(name, "r|shop=p:s", incident, "managers", "bot", "g", kind, severity, at_ms, at_ms, T)


def put(store, *intents, **changes):
    epoch, cursor = store.take_desk()
    store.commit_desk(epoch, Changes(intents=list(intents), **changes), cursor)


def due(store, now_ms=10**9):
    return [queued.intent.id for queued in store.due("bot", now_ms, 100)]


def send(store, *intents, at_ms=100, again=False, owner="one"):
    store.lease("bot", owner, at_ms, at_ms + 30_000)
    return store.begin(Delivery("bot", "managers", intents, b"{}", at_ms, True, again), owner)


def result(*intents, state="accepted", at_ms=200):
    return Result(at_ms, state, "bot", "managers", [(i.id, i.alert, i.kind) for i in intents])


# The desk


def test_every_kind_of_input_comes_back_as_it_was(store):
    given = [
        Ack(1, "r|shop=p:s", "李"),
        Silence(2, "s", {"shop": "p:*"}, 99, "李", "why"),
        Unsilence(3, "s", "李"),
        Result(4, "accepted", "bot", "managers", [("0.1.0-0", "r|shop=p:s", "fire")], "ok", 7),
        Health(5, "bot", ok=False, detail="93000"),
        Tick(6),
    ]
    assert [store.add_input(item) for item in given] == [1, 2, 3, 4, 5, 6]
    assert store.inputs_after(0) == list(enumerate(given, 1))
    assert store.inputs_after(4) == [(5, given[4]), (6, given[5])]


def test_rows_intents_traces_and_cursor_are_one_transaction(store):
    store.take(3)
    epoch, cursor = store.take_desk()
    assert cursor == Cursor({}, 0)
    changes = Changes({("alert", "a"): b"1", ("alert", "b"): b"2"}, [intent("i1")])
    changes.traces.append(Trace("a", 5, "rule", "firing", "why"))
    store.commit_desk(epoch, changes, Cursor({3: 9}, 4))
    store.commit_desk(epoch, Changes({("alert", "a"): None}), Cursor({3: 11}, 4))
    assert list(store.desk_rows()) == [("alert", "b", b"2")]
    assert due(store) == ["i1"]
    assert store.traces("a") == [Trace("a", 5, "rule", "firing", "why")]
    assert store.take_desk() == (epoch + 1, Cursor({3: 11}, 4))


def test_a_desk_that_was_taken_over_writes_nothing(store):
    epoch, cursor = store.take_desk()
    store.take_desk()
    with pytest.raises(Fenced, match="the desk's epoch 1 was taken over"):
        store.commit_desk(epoch, Changes({("alert", "a"): b"1"}, [intent("i1")]), cursor)
    assert (list(store.desk_rows()), due(store)) == ([], [])


def test_one_of_several_desks_leads_until_its_lease_runs_out(store):
    assert store.lead_desk("one", 0, 30)
    epoch, _ = store.take_desk("one")
    assert not store.lead_desk("two", 29, 60)
    with pytest.raises(Fenced, match="another desk leads than two; this desk waits"):
        store.take_desk("two")
    assert store.lead_desk("one", 29, 59)
    assert store.lead_desk("two", 59, 90)
    store.commit_desk(epoch, Changes(), Cursor({}, 1))  # its lease ran out, but nobody took the desk yet
    assert store.take_desk("two") == (epoch + 1, Cursor({}, 1))
    with pytest.raises(Fenced):
        store.commit_desk(epoch, Changes(), Cursor({}, 2))


def test_a_desk_that_stops_lets_go_of_the_lead(store):
    assert store.lead_desk("one", 0, 30)
    assert store.lead_desk("one", 10, 10)
    assert store.lead_desk("two", 10, 40)


def test_an_intent_written_again_stays_as_it_is(store):
    put(store, intent("i1"))
    send(store, intent("i1"))
    put(store, intent("i1"))
    assert due(store) == []


def test_moves_and_voids_touch_only_what_is_queued(store):
    put(store, intent("a"), intent("b"), intent("c"))
    send(store, intent("c"))
    put(store, moves={"a": 5_000, "c": 5_000}, voids=[("b", 7, "over"), ("c", 7, "over")])
    assert due(store, 4_999) == []
    assert [q.intent.not_before_ms for q in store.due("bot", 5_000, 9)] == [5_000]
    states = store._db.read("select id, state, note from intent order by id")
    assert states == [("a", "queued", ""), ("b", "expired", "over"), ("c", "sending", "")]


def test_a_full_disk_leaves_the_desk_where_it_was(small_disk):
    store = small_disk.store
    epoch, _ = store.take_desk()
    small_disk.fill()
    changes = Changes({("alert", str(i)): b"x" * 900 for i in range(200)})
    with pytest.raises(StoreFull):
        store.commit_desk(epoch, changes, Cursor({0: 5}, 5))
    assert list(store.desk_rows()) == []
    small_disk.make_room()
    store.commit_desk(epoch, changes, Cursor({0: 5}, 5))
    assert store.take_desk()[1] == Cursor({0: 5}, 5)


# The sender


def test_due_is_critical_first_and_then_the_oldest(store):
    put(
        store,
        intent("late", 300),
        intent("warn", 100, "warn"),
        intent("crit", 200),
        intent("over", 50, kind="resolved"),
        intent("future", 10**10),
    )
    assert due(store) == ["crit", "late", "over", "warn"]
    assert store.next_due_ms("bot", 10**9) == 10**10
    assert store.next_due_ms("other", 0) is None


def test_what_is_held_for_ever_is_never_due_next(store):
    put(store, intent("held", limits.NEVER_MS))
    assert store.next_due_ms("bot", 0) is None


def test_ended_alerts_are_found_before_they_are_due(store):
    put(store, intent("e", 10**10, kind="ended"), intent("f", 0))
    assert [q.intent.id for q in store.ended("bot", 9)] == ["e"]


def test_a_lease_belongs_to_one_until_it_runs_out(store):
    assert store.lease("bot", "one", 0, 30)
    assert not store.lease("bot", "two", 29, 60)
    assert store.lease("bot", "one", 29, 59)
    assert store.lease("bot", "two", 59, 90)
    with pytest.raises(Fenced, match="account bot: another sender took it over"):
        store.begin(Delivery("bot", "m", (), b"", 60, True), "one")
    store.begin(Delivery("bot", "m", (), b"", 95, True), "two")  # ran out, but nobody took it
    assert not store.lease("bot", "one", 100, 200)


def test_an_accepted_delivery_is_told_to_the_desk_in_the_same_transaction(store):
    put(store, intent("a"), intent("b"))
    number = send(store, intent("a"), intent("b"))
    assert due(store) == []
    traces = [Trace("r|shop=p:s", 200, "send", "accepted", "ok")]
    store.finish(number, "accepted", result(intent("a"), intent("b")), code="0", traces=traces)
    assert store.inputs_after(0) == [(1, result(intent("a"), intent("b")))]
    assert store.traces("r|shop=p:s") == traces
    (sibling, _) = store.siblings(["r|shop=p:s@1"], "bot")["r|shop=p:s@1"]
    assert (sibling.state, sibling.done_ms) == ("accepted", 200)
    assert store.recover("bot", 300) == 0


def test_a_delivery_is_finished_once_however_often_it_is_told(store):
    put(store, intent("a"))
    number = send(store, intent("a"))
    for _ in range(2):
        store.finish(number, "accepted", result(intent("a")), traces=[Trace("x", 1, "send", "accepted", "")])
    assert store.inputs_after(0) == [(1, result(intent("a")))]
    assert len(store.traces("x")) == 1


def test_what_a_dead_sender_says_after_it_was_recovered_changes_nothing(store):
    put(store, intent("a"))
    number = send(store, intent("a"))
    store.recover("bot", 300)
    store.finish(number, "accepted", result(intent("a")))
    assert [queued.again for queued in store.due("bot", 10**9, 9)] == [True]
    assert store.inputs_after(0) == []


def test_a_sender_that_stops_lets_go_of_its_account(store):
    assert store.lease("bot", "one", 0, 30)
    assert store.lease("bot", "one", 10, 10)
    assert store.lease("bot", "two", 10, 40)


def test_siblings_are_found_for_any_number_of_incidents(store):
    put(store, *(intent(f"i{n}", incident=f"in{n}") for n in range(250)))
    found = store.siblings([f"in{n}" for n in range(251)], "bot")
    assert [len(found[f"in{n}"]) for n in range(251)] == [1] * 250 + [0]
    assert store.siblings([], "bot") == {}


def test_a_text_with_a_nul_in_it_does_no_harm(store):
    put(store, intent("a"))
    store.finish(send(store, intent("a")), "accepted", result(intent("a")), detail="what a\0provider says")
    assert due(store) == []


def test_what_was_not_delivered_is_queued_again(store):
    put(store, intent("a"))
    store.finish(send(store, intent("a")), "failed", result(intent("a")), requeue=True)
    store.finish(send(store, intent("a")), "failed", result(intent("a")), requeue=True, bad=True)
    (queued,) = store.due("bot", 10**9, 9)
    assert (queued.intent.id, queued.fails, queued.again) == ("a", 1, False)
    assert store.inputs_after(0) == []


def test_what_was_in_flight_is_queued_again_marked_however_often_its_sender_dies(store):
    """Nobody knows whether it left, also of a second try: each death repeats it, none loses it."""
    put(store, intent("a"))
    for deaths in range(1, 4):
        number = send(store, intent("a"), again=deaths > 1)
        (flight,) = store.flights("bot", 0)
        assert (flight.delivery, [one.id for one in flight.intents]) == (number, ["a"])
        assert store.recover("bot", 300) == 1
        (queued,) = store.due("bot", 10**9, 9)
        assert queued.again
    assert store.inputs_after(0) == []
    assert store.flights("bot", 0) == []


def test_attempts_and_closing_outlive_the_process(store):
    put(store, intent("a"), intent("b"))
    send(store, intent("a"), at_ms=100)
    send(store, intent("b"), at_ms=200)
    store.close_account("bot", 5_000)
    assert store.account("bot", 150).sent == ((200, True),)
    assert store.account("bot", 0).closed_until_ms == 5_000


def test_an_acknowledgement_shows_on_what_was_sent(store):
    put(store, intent("a"))
    store.finish(send(store, intent("a")), "accepted", result(intent("a")))
    put(store, acknowledged=["r|shop=p:s@1"])
    assert store._db.read("select state from delivery") == [("acknowledged",)]
    (sibling,) = store.siblings(["r|shop=p:s@1"], "bot")["r|shop=p:s@1"]
    assert sibling.state == "acknowledged"


def test_settled_intents_are_told_to_the_desk(store):
    put(store, intent("a"))
    gone = msgspec.structs.replace(result(intent("a"), state="expired"), reason="too late")
    store.settle(gone, [Trace("x", 1, "settle", "expired", "too late")])
    assert due(store) == []
    assert store.inputs_after(0) == [(1, gone)]
    assert len(store.traces("x")) == 1


# Retention


def test_prune_takes_what_is_old_and_folded_and_nothing_else(store):
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 2, [T, msgspec.structs.replace(T, position=2)])
    store.add_input(Tick(0))
    store.add_input(Tick(0))
    sent = intent("sent")
    put(store, sent, intent("queued"), traces=[Trace("x", 0, "rule", "ok", "")])
    store.finish(send(store, sent, at_ms=0), "accepted", result(sent, at_ms=0))
    send(store, intent("queued"), at_ms=0)
    desk, _ = store.take_desk()
    store.commit_desk(desk, Changes(), Cursor({0: 1}, 1))

    assert store.prune(DAY_MS) == 0
    assert store.prune(100 * DAY_MS) == 5  # transition 1, input 1, the sent intent, its delivery, the trace
    assert store.prune(100 * DAY_MS) == 0
    assert [t.position for t in store.transitions_after(Cursor({}))] == [2]
    assert [seq for seq, _ in store.inputs_after(0)] == [2, 3]
    assert store.recover("bot", 1) == 1
    assert due(store) == ["queued"]


def test_traces_are_bounded_in_number(store, monkeypatch):
    monkeypatch.setattr(limits, "TRACES_MAX", 3)
    put(store, traces=[Trace("x", i, "rule", "ok", "") for i in range(8)])
    assert store.prune(0) == 5
    assert [trace.at_ms for trace in store.traces("x")] == [5, 6, 7]


def test_prune_is_bounded(store, monkeypatch):
    monkeypatch.setattr(limits, "PRUNE_ROWS", 3)
    put(store, traces=[Trace("x", i, "rule", "ok", "") for i in range(8)])
    assert [store.prune(100 * DAY_MS) for _ in range(4)] == [3, 3, 2, 0]


# The auditor


def test_what_is_overdue_is_found_by_account_and_severity(store):
    put(
        store,
        intent("crit", 100),
        intent("late", 40),
        intent("warn", 100, "warn"),
        intent("old", 10, "warn"),
        intent("sent", 5),
    )
    send(store, intent("sent", 5))
    assert store.overdue(99, 9) == [Waits("bot", 1, 40)]
    assert store.overdue(100, 10) == [Waits("bot", 3, 10)]
    assert store.overdue(30, 9) == []


def test_a_desk_that_has_news_is_behind_until_it_has_folded_them(store):
    lease = store.take(0)
    epoch, _ = store.take_desk()
    assert store.desk_behind() == (False, 0)
    store.commit_step(0, lease.epoch, 4, [msgspec.structs.replace(T, position=4)])
    assert store.desk_behind() == (True, 0)
    store.commit_desk(epoch, Changes(), Cursor({0: 4}, 0))
    assert store.desk_behind() == (False, 4)
    store.commit_step(0, lease.epoch, 9, [])  # a step without transitions is no news
    assert store.desk_behind() == (False, 4)
    store.add_input(Tick(0))
    assert store.desk_behind() == (True, 4)
    store.commit_desk(epoch, Changes(), Cursor({0: 4}, 1))
    assert store.desk_behind() == (False, 5)


def test_whether_anybody_was_told_of_an_alert_since(store):
    put(store, intent("a", 50))
    assert not store.told_since("r|shop=p:s", 0)
    store.finish(send(store, intent("a", 50)), "accepted", result(intent("a", 50)))
    assert store.told_since("r|shop=p:s", 50)
    assert not store.told_since("r|shop=p:s", 51)
