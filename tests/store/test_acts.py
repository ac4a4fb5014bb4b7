"""What people did, kept with what the desk folds of it; what they thought of each rule's alerts."""

import pytest

from alerting.errors import StoreFull
from alerting.policy.acts import Act, Standing
from alerting.policy.records import Ack

DAY = 86_400_000


def act(n, what="acknowledge", who="xiaoli", rule="drift", firing=1):
    return Act(n, who, what, f"{rule}|shop=p:s1", f"{rule}|shop=p:s1@{firing}", "why")


def test_an_act_and_what_the_desk_folds_of_it_are_written_together(store):
    store.record(act(5), [Ack(5, "drift|shop=p:s1", "xiaoli")])
    assert store.acts("drift|shop=p:s1@1", 10) == [act(5)]
    assert [item for _, item in store.inputs_after(0)] == [Ack(5, "drift|shop=p:s1", "xiaoli")]


def test_neither_is_written_when_there_is_no_room(small_disk):
    small_disk.store.record(act(1))
    small_disk.fill()

    def fill_up():
        for n in range(2, 10_000):
            small_disk.store.record(act(n, firing=2), [Ack(n, "x" * 4_000, "xiaoli")])

    with pytest.raises(StoreFull):
        fill_up()
    small_disk.make_room()
    inputs = small_disk.store.inputs_after(0)
    assert len(small_disk.store.acts("drift|shop=p:s1@2", 100_000)) == len(inputs)


def test_the_last_acts_of_a_firing_come_oldest_first_and_the_audit_newest_first(store):
    for n in range(1, 5):
        store.record(act(n, firing=n % 2))
    assert [one.at_ms for one in store.acts("drift|shop=p:s1@1", 10)] == [1, 3]
    assert [one.at_ms for one in store.acts("drift|shop=p:s1@1", 1)] == [3]
    assert [one.at_ms for one in store.audit(3)] == [4, 3, 2]


def test_an_opinion_counts_once_for_each_person_and_firing_and_the_last_one_counts(store):
    store.record(act(1, "false_alarm"))
    store.record(act(2, "useful"))
    store.record(act(3, "false_alarm", who="laowang"))
    store.record(act(4, "useful", firing=2))
    store.record(act(5, "false_alarm", rule="blind"))
    store.record(act(6, "acknowledge", rule="quiet"))
    assert store.standings(0) == [Standing("blind", 1, 0), Standing("drift", 1, 2)]
    assert store.standings(4) == [Standing("blind", 1, 0), Standing("drift", 0, 1)]


def test_what_is_older_than_a_year_is_forgotten(store):
    store.record(act(1, "useful"))
    store.record(act(300 * DAY, "useful", firing=2))
    store.prune(450 * DAY)
    assert [one.at_ms for one in store.audit(10)] == [300 * DAY]
    assert store.standings(0) == [Standing("drift", 0, 1)]


def test_all_processes_of_a_store_share_one_secret(store):
    first = store.secret("links", b"a" * 32)
    assert (first, store.secret("links", b"b" * 32)) == (b"a" * 32, b"a" * 32)
