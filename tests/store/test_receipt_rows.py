"""What carriers report, in whatever order and however often, on both databases."""

import itertools

import pytest

from alerting import limits
from alerting.policy.acts import Act
from alerting.policy.records import Delivery, Intent, Report, Result
from rules.transition import Transition

NOW = 1_795_399_200_000
BAD, GOOD = Report("s1", delivered=False, code="MBBLOCK"), Report("s1", delivered=True, code="DELIVRD")


def intent(n=1):
    t = Transition(NOW, "drift", {"shop": "p:s1"}, "ok", "firing", "crit", "crit", "rose", position=n)
    key = "drift|shop=p:s1"
    return Intent(f"i{n}", key, f"{key}@1", "night", "sms", "g", "fire", "crit", NOW, NOW, t)


def accepted(store, ids="s1", n=1, state="accepted"):
    """A delivery of one intent that the provider took, as the sender leaves it."""
    from alerting.policy.records import Changes, Cursor

    epoch, cursor = store.take_desk()
    store.commit_desk(epoch, Changes(intents=[intent(n)]), Cursor({}, cursor.inputs))
    store.lease("sms", "me", NOW, NOW + 30_000)
    number = store.begin(Delivery("sms", "night", (intent(n),), b"payload", NOW, crit=True), "me")
    result = Result(NOW, state, "sms", "night", [(f"i{n}", intent(n).alert, "fire")], "", number)
    store.finish(number, state, result, provider_id=ids)
    return number


def told(store):
    return [(item.state, item.reason) for _, item in store.inputs_after(0) if isinstance(item, Result)][1:]


def report(store, *reports):
    return store.report("sms", reports, NOW, NOW - limits.RECEIPT_LIFE_MS)


def test_a_receipt_says_that_it_arrived_and_the_desk_hears_of_it(store):
    accepted(store)
    assert report(store, GOOD) == 1
    assert told(store) == [("delivered", "the carrier's receipt: DELIVRD")]
    assert store.unreported("sms", 0, 10) == []


def test_a_receipt_says_that_nobody_has_it(store):
    accepted(store)
    assert report(store, BAD) == 1
    assert told(store) == [("failed", "the carrier's receipt: MBBLOCK")]


@pytest.mark.parametrize("order", list(dict.fromkeys(itertools.permutations((BAD, BAD, GOOD, GOOD)))))
def test_in_any_order_and_however_often_what_arrived_stays_arrived(store, order):
    accepted(store)
    for one in order:
        report(store, one)
    assert told(store)[-1][0] == "delivered"
    assert [state for state, _ in told(store)] in (["delivered"], ["failed", "delivered"])


def test_of_several_phones_one_is_enough_and_all_must_fail(store):
    accepted(store, "s1,s2,s3")
    assert report(store, BAD, Report("s2", delivered=False)) == 0
    assert [one.ids for one in store.unreported("sms", 0, 10)] == [("s1", "s2", "s3")]
    assert report(store, Report("s3", delivered=False)) == 1
    assert [state for state, _ in told(store)] == ["failed"]
    accepted(store, "t1,t2", 2)
    assert report(store, Report("t2", delivered=True)) == 1
    assert [state for state, _ in told(store)] == ["failed", "accepted", "delivered"]


def test_a_receipt_that_comes_before_the_answer_is_written_down_is_not_lost(store):
    assert report(store, GOOD) == 0
    accepted(store)
    assert [state for state, _ in told(store)] == ["delivered"]


def test_a_receipt_of_another_account_an_unknown_id_or_a_pattern_changes_nothing(store):
    accepted(store, "s1,s2")
    assert store.report("other", [GOOD], NOW, 0) == 0
    for id_ in ("s", "1", "s1,s2", "%", "s_", ""):
        assert report(store, Report(id_, delivered=True)) == 0
    assert told(store) == []


def test_what_somebody_acknowledged_stays_acknowledged(store):
    from alerting.policy.records import Changes, Cursor

    accepted(store)
    epoch, cursor = store.take_desk()
    store.commit_desk(epoch, Changes(acknowledged=[intent().incident]), Cursor({}, cursor.inputs))
    store.record(Act(NOW, "x", "acknowledge", "drift", "i"))
    assert report(store, BAD) == 0
    assert told(store) == []


def test_receipts_are_forgotten_with_the_deliveries(store):
    report(store, GOOD)
    store.prune(NOW + 36 * 86_400_000)
    accepted(store)
    assert told(store) == []
