"""The runtime's part of the store: epochs, positions, transitions, state, plans."""

import pytest

from alerting.errors import Fenced, StoreFull
from alerting.policy.records import Cursor
from monitor.store import database
from monitor.store.port import ShardLease
from rules.transition import Transition


def transition(position, n=0, **fields):
    given = {
        "at_ms": position * 1000,
        "rule": "r",
        "subject": {"shop": f"pinduoduo:s{position}"},
        "from_state": "ok",
        "to_state": "firing",
        "severity": "crit",
        "verdict": "crit",
        "reason": "rose",
    }
    return Transition(**(given | fields), shard=0, position=position, n=n)


def stored(store):
    return [(t.position, t.n) for t in store.transitions_after(Cursor({}))]


def test_each_taking_raises_the_epoch_and_fences_the_owner_before(store):
    first = store.take(0)
    assert first == ShardLease(epoch=1, position=-1, floor=0, floor_clock_ms=0)
    assert store.take(0).epoch == 2
    assert not store.owned(0, 1)
    assert store.owned(0, 2)
    with pytest.raises(Fenced, match="shard 0: epoch 1 was taken over"):
        store.commit_step(0, 1, 5, [transition(5)])
    with pytest.raises(Fenced):
        store.save_state(0, 1, [("s", "head", 5, b"x")], 5, 0)
    assert stored(store) == []
    assert list(store.load_state(0)) == []


def test_a_step_is_its_own_retry(store):
    epoch = store.take(0).epoch
    assert store.commit_step(0, epoch, 7, [transition(6), transition(7, 0), transition(7, 1)]) == 3
    assert store.commit_step(0, epoch, 7, [transition(6), transition(7, 0), transition(7, 1)]) == 0
    assert store.commit_step(0, epoch, 8, [transition(7, 0), transition(8)]) == 1
    assert stored(store) == [(6, 0), (7, 0), (7, 1), (8, 0)]
    assert store.take(0).position == 8


def test_parts_are_stored_with_the_step_once_and_only_by_the_owner(store):
    first, other = store.take(0).epoch, store.take(1).epoch
    store.commit_step(0, first, 7, [], [(5, 5_000, b"a"), (7, 10_000, b"b")])
    store.commit_step(0, first, 8, [], [(7, 10_000, b"again"), (8, 15_000, b"c")])
    store.commit_step(1, other, 3, [], [(3, 10_000, b"d")])
    with pytest.raises(Fenced):
        store.commit_step(0, first - 1, 9, [], [(9, 20_000, b"e")])
    every = [(5_000, 0, b"a"), (10_000, 0, b"b"), (10_000, 1, b"d"), (15_000, 0, b"c")]
    assert store.parts(0, 100) == every
    assert store.parts(0, 2) == every[:1]  # the second at the end may not be whole
    assert store.parts(6_000, 100) == every[1:]
    assert store.latest_parts() == [every[3], every[2]]
    assert store.drop_parts(10_000) == 1
    assert store.parts(0, 100) == every[1:]


def test_a_position_never_goes_back(store):
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 9, [])
    store.commit_step(0, epoch, 4, [])
    assert store.take(0).position == 9


def test_transitions_come_back_as_they_were(store):
    given = transition(3, items=(), notify="managers", after_the_fact=True)
    store.commit_step(0, store.take(0).epoch, 3, [given])
    assert store.transitions_after(Cursor({})) == [given]
    assert store.transitions_after(Cursor({0: 3})) == []


def test_the_transitions_of_one_record_are_read_together_however_many(store, monkeypatch):
    monkeypatch.setattr("alerting.limits.READ_ROWS", 4)
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 2, [transition(1), *(transition(2, n) for n in range(9))])
    store.commit_step(0, epoch, 3, [transition(3)])
    read = store.transitions_after(Cursor({}))
    assert [t.position for t in read] == [1] + [2] * 9
    assert [t.position for t in store.transitions_after(Cursor({0: 2}))] == [3]


def test_state_rows_are_replaced_and_deleted_and_carry_the_floor(store):
    epoch = store.take(0).epoch
    rows = [("b", "head", 4, b"1"), ("a", "day", 4, b"2"), ("a", "c1", 4, b"3")]
    store.save_state(0, epoch, rows, 3, 9_000)
    store.save_state(0, epoch, [("a", "day", 6, b"4"), ("b", "head", 6, None)], 5, 11_000)
    assert list(store.load_state(0)) == [("a", "c1", 4, b"3"), ("a", "day", 6, b"4")]
    assert store.take(0) == ShardLease(epoch=2, position=-1, floor=5, floor_clock_ms=11_000)


def test_positions_may_be_of_any_size(store):
    """Statements that were prepared with small numbers take large ones."""
    epoch = store.take(0).epoch
    for position in (*range(10), 1 << 15, 1 << 31, 1 << 52):
        store.commit_step(0, epoch, position, [transition(position, at_ms=position)])
        store.save_state(
            0, epoch, [("a", "head", position, b"x"), ("b", "head", 1, b"y")], position, position
        )
    assert list(store.load_state(0)) == [("a", "head", 1 << 52, b"x"), ("b", "head", 1, b"y")]
    assert store.take(0) == ShardLease(epoch + 1, 1 << 52, 1 << 52, 1 << 52)


def test_shards_do_not_see_each_other(store):
    store.save_state(0, store.take(0).epoch, [("a", "head", 1, b"0")], 1, 0)
    store.save_state(1, store.take(1).epoch, [("a", "head", 1, b"1")], 1, 0)
    assert [row[3] for row in store.load_state(1)] == [b"1"]


def test_plans_and_meta(store):
    assert store.plan_in_force() == ""
    assert store.apply_plan("h", b"plan", first=True) == "000001-h"
    assert store.apply_plan("h", b"plan") == "000001-h", "it is in force already"
    assert store.apply_plan("i", b"another", first=True) == "000001-h", "not the first one"
    assert store.apply_plan("i", b"another") == "000002-i"
    assert store.apply_plan("h", b"never read again") == "000003-h"
    assert store.plan_in_force() == "000003-h"
    assert [store.plan_named(name) for name in ("000001-h", "000002-i", "000003-h")] == [
        b"plan",
        b"another",
        b"plan",
    ]
    assert store.plan_in_force() == "000003-h"
    store.put_meta("j:1", b"1")
    store.put_meta("j:2", b"2")
    store.put_meta("k", b"1")
    assert store.metas("j:") == {"j:1": b"1", "j:2": b"2"}
    store.put_meta("j:1", None)
    assert store.metas("j:") == {"j:2": b"2"}
    store.put_meta("k", b"2")
    assert store.get_meta("k") == b"2"


def test_a_plan_that_only_the_log_knows_is_lost_for_good_and_later_names_are_higher(store):
    store.apply_plan("h", b"plan")
    assert store.plan_named("000007-lost") is None
    assert store.plan_in_force() == "000008-h"
    assert store.plan_named("000002-older") is None
    assert store.plan_in_force() == "000008-h"
    assert store.apply_plan("lost", b"found again") == "000009-lost"
    assert store.plan_named("000007-lost") is None, "a log that is folded again gives what it gave"
    assert store.plan_named("000009-lost") == b"found again"
    assert store.plan_named("000012-h") == b"plan"
    assert store.plan_in_force() == "000013-lost"


def test_a_full_disk_is_named_and_nothing_is_half_written(small_disk):
    store = small_disk.store
    epoch = store.take(0).epoch
    store.commit_step(0, epoch, 1, [transition(1)])
    small_disk.fill()
    many = [transition(2, n, notify="x" * 3000) for n in range(50)]
    with pytest.raises(StoreFull, match="the disk is full, nothing was written; free some space"):
        store.commit_step(0, epoch, 2, many)
    assert stored(store) == [(1, 0)]
    small_disk.make_room()
    assert store.commit_step(0, epoch, 2, many) == 50


def test_a_large_part_is_cut_into_rows_of_bounded_size_and_comes_back_whole(store):
    epoch = store.take(0).epoch
    large, size = bytes(range(256)) * (10 << 10), database.STATE_ROW_BYTES
    store.save_state(0, epoch, [("a", "head", 1, large), ("b", "head", 1, b"")], 1, 0)
    cut = store._db.read("select key, chunk, length(data) from shard_state order by key, chunk")
    assert cut == [("a", 0, size), ("a", 1, size), ("a", 2, len(large) - 2 * size), ("b", 0, 0)]
    assert list(store.load_state(0)) == [("a", "head", 1, large), ("b", "head", 1, b"")]
    store.save_state(0, epoch, [("a", "head", 2, large[: size + 1]), ("b", "head", 2, None)], 2, 0)
    assert list(store.load_state(0)) == [("a", "head", 2, large[: size + 1])]
    store.save_state(0, epoch, [("a", "head", 3, b"x")], 3, 0)
    assert store._db.read("select key, chunk from shard_state") == [("a", 0)]
    store.save_state(0, epoch, [("a", "head", 4, None)], 4, 0)
    assert store._db.read("select key, chunk from shard_state") == []


def test_state_is_read_page_by_page_and_none_is_left_out(store, monkeypatch):
    monkeypatch.setattr(database, "PAGE_ROWS", 3)
    monkeypatch.setattr(database, "STATE_ROW_BYTES", 2)
    given = [(f"店{key}", part, 7, b"12345"[: key % 6]) for key in range(9) for part in ("c", "day", "头")]
    store.save_state(0, store.take(0).epoch, given, 1, 0)
    assert list(store.load_state(0)) == sorted(given)
