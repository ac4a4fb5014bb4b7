"""What a shard stores beside its shops: where its log is folded again from, and the ids it remembers."""

from __future__ import annotations

import pytest

from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.rulebook import Plan
from monitor.shard.restore import plan_in
from monitor.shard.shard import Shard
from rules.load import load_packs
from tests.runtime.live import PACK

NOW_MS = 1_794_362_400_000  # 2026-11-11 10:00 in Shanghai
LATENESS_MS = 10_000


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "mall.yaml").write_text(PACK)
    return Plan(load_packs(tmp_path), lateness_ms=LATENESS_MS)


def asked(n: int, at_ms: int, *, shop: str = "s1", name: str = "", source: str = "") -> Event:
    return Event(
        type="message",
        id=name or f"e{n}",
        at=at_ms,
        platform="mall",
        shop_id=shop,
        conversation_id=f"c{n}",
        customer_id=f"u{n}",
        actor="customer",
        source=source,
    )


def shard_of(plan: Plan, rest_ms: int = 0, mark_records: int = 1) -> Shard:
    """A shard that keeps a mark each second, however few records lie between."""
    shard = Shard(plan, rest_ms=rest_ms)
    shard.checkpoints.mark_records = mark_records
    return shard


def tick(position: int, second: int) -> Record:
    return Record(position, NOW_MS + 1_000 * second, heard={})


class Disk:
    """The rows of a shard as a store keeps them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.floor, self.clock_ms = 0, 0

    def save(self, shard: Shard, shops: int = 100) -> None:
        while (taken := shard.checkpoint(shops)) is not None:
            self.take(taken)

    def take(self, taken) -> None:
        for key, part, applied, data in taken.rows:
            self.rows.pop((key, part), None)
            if data is not None:
                self.rows[key, part] = (applied, data)
        self.floor, self.clock_ms = taken.floor, taken.floor_clock_ms

    def restored(self, plan: Plan, plans: dict[str, Plan] | None = None, rest_ms: int = 0) -> Shard:
        rows = [(*place, *row) for place, row in sorted(self.rows.items())]
        name = plan_in(rows)
        shard = Shard((plans or {}).get(name, plan), 0, plans, name, rest_ms)
        shard.restore(rows, self.floor, self.clock_ms)
        return shard

    def parts(self, begins: str) -> list[str]:
        return sorted(part for key, part in self.rows if not key and part.startswith(begins))


def test_the_floor_of_a_shard_that_hears_nothing_moves_with_its_ticks(plan):
    shard, disk = shard_of(plan), Disk()
    shard.step([Record(0, NOW_MS, [asked(1, NOW_MS)], "erp")])
    disk.save(shard)
    shard.step([tick(n, n) for n in range(1, 100)])
    disk.save(shard)
    assert disk.floor == 99
    assert len(shard.checkpoints.marks) == 1, "and what was kept for it is let go"
    assert shard.checkpoint(100) is None, "nothing more until the clock has moved"


def test_a_shard_that_hears_little_keeps_a_mark_every_few_seconds_only(plan):
    shard = shard_of(plan, mark_records=10)
    shard.step([tick(n, n) for n in range(20)])
    assert [mark.position for mark in shard.checkpoints.marks] == [0, 1, 6, 11, 16]
    shard.step([tick(20 + n, 20 + n // 10) for n in range(40)])
    assert [mark.position for mark in shard.checkpoints.marks][5:] == [21, 31, 41, 51], "ten a second"


def test_what_is_stored_at_a_stop_is_not_folded_again(plan):
    """The last mark is seconds old, and a topic is split only where no event waits behind the floor."""
    shard, disk = shard_of(plan, mark_records=100), Disk()
    shard.end()
    assert shard.checkpoint(100) is None, "nothing was folded"
    log = [Record(n, NOW_MS + 300 * n, [asked(n, NOW_MS)], "erp") for n in range(10)]
    shard.step(log)
    shard.end()
    disk.save(shard)
    assert (disk.floor, disk.clock_ms) == (10, NOW_MS + 2_700)
    again = disk.restored(plan)
    assert again.step([Record(10, NOW_MS + 3_000, log[9].events, "erp")]).counts["duplicates"] == 1
    again.end()
    disk.save(again)
    assert disk.floor == 11


def test_a_shard_remembers_across_a_restart_which_ids_it_saw_and_what_they_said(plan):
    shard, disk = shard_of(plan), Disk()
    shard.step([Record(0, NOW_MS, [asked(1, NOW_MS)], "erp"), *(tick(n, n) for n in range(1, 6))])
    disk.save(shard)
    again = disk.restored(plan)
    assert disk.floor == 5
    repeated, reused = asked(1, NOW_MS), asked(2, NOW_MS, name="e1")
    outputs = again.step([tick(5, 5), Record(6, NOW_MS + 6_000, [repeated, reused], "erp")])
    assert outputs.counts["duplicates"] == 1
    assert [(event.conversation_id, why) for event, why in outputs.rejected] == [("c2", "reused")]


def test_ids_are_stored_once_and_forgotten_after_twice_the_lateness(plan):
    shard, disk = shard_of(plan), Disk()
    for second in range(60):
        at_ms = NOW_MS + 1_000 * second
        shard.step([Record(second, at_ms, [asked(second, at_ms)], "erp")])
        disk.save(shard)
    assert len(disk.parts("seen")) == 21, "of the last 20 s before the floor"
    again = disk.restored(plan)
    assert len(again.engine.ids) == 21
    repeated = [asked(n, NOW_MS + 1_000 * n) for n in (20, 38, 39, 58)]
    outputs = again.step([Record(59, NOW_MS + 59_000, repeated, "erp")])
    assert outputs.counts["duplicates"] == 2, "39 and 58; 20 and 38 arrived more than 20 s ago"


def test_a_slice_that_was_not_stored_holds_the_floor_for_every_shop_that_was_in_it(plan):
    """Also when the next slice takes fewer shops: nothing of the others is beyond the floor then."""
    shard, disk = shard_of(plan), Disk()
    shard.step([Record(n, NOW_MS + 1_000 * n, [asked(n, NOW_MS, shop=f"s{n}")], "erp") for n in range(5)])
    shard.step([tick(n, n) for n in range(5, 30)])
    failed = shard.checkpoint(100)
    assert failed is not None
    shard.checkpoint_failed(failed)
    taken = shard.checkpoint(1)
    assert taken is not None
    assert taken.floor == 1, "s1 changed there, and is not stored"
    disk.take(taken)
    assert disk.restored(plan).engine.ids.taken == 1, "nor is the id of its event"


def test_late_events_are_counted_by_the_source_they_name(plan):
    shard = shard_of(plan)
    shard.step([Record(0, NOW_MS, [asked(1, NOW_MS)], "topic")])
    shard.step([tick(n, n) for n in range(1, 40)])
    old = [
        asked(1, NOW_MS - 1, name="old", source="erp"),
        asked(1, NOW_MS - 2, name="older", source="crm"),
        asked(1, NOW_MS - 3, name="oldest", source="crm"),
        asked(1, NOW_MS - 4, name="of none"),
    ]
    outputs = shard.step([Record(40, NOW_MS + 40_000, old, "topic")])
    assert outputs.late == {"erp": 1, "crm": 2, "topic": 1}


def test_a_shop_stored_beyond_the_floor_sleeps_through_the_records_it_holds_already(plan):
    log = [
        Record(0, NOW_MS, [asked(1, NOW_MS)], "erp"),
        tick(1, 1),
        tick(2, 2),
        Record(3, NOW_MS + 3_000, [asked(2, NOW_MS + 3_000, shop="s2")], "erp"),
        Record(4, NOW_MS + 4_000, [asked(3, NOW_MS + 4_000)], "erp"),
        *(tick(n, n) for n in range(5, 8)),
        Record(8, NOW_MS + 8_000, [asked(4, NOW_MS + 8_000)], "erp"),
    ]
    shard, disk = shard_of(plan, rest_ms=1_000), Disk()
    shard.step(log[:7])
    taken = shard.checkpoint(1)
    assert taken is not None
    disk.take(taken)
    assert (disk.floor, disk.rows["mall:s1", "shop"][0]) == (3, 6), "s2 is not stored, s1 up to the sixth"
    again = disk.restored(plan, rest_ms=1_000)
    shop = again.engine.shops["mall:s1"]
    assert again.step(log[3:7]).counts["accepted"] == 1
    assert shop.packed
    again.step(log[7:])
    assert sorted(shop.conversations) == ["c1", "c3", "c4"]
