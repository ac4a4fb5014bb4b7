"""A shard is split only when its stored state knows all that it has told: else the new one tells it again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from monitor.engine.records import Record
from monitor.errors import MonitorError
from monitor.rulebook import Plan
from monitor.runtime.cluster import split as module
from monitor.shard.restore import plan_in
from monitor.shard.shard import Shard
from monitor.store.sqlite import SqliteStore
from rules.load import load_pack
from rules.rule import Compare, Level, Rule, RuleSet
from tests.shard.test_checkpoint import NOW_MS, asked

PACK = """
pack: mall
version: "1"
timezone: Asia/Shanghai
service_hours: ["00:00-24:00"]
measures:
  reply: {title: 回复, kind: reply_rate, within: 1m}
"""
MISS = Rule("miss", measure="reply", warn=Level(Compare("late", ">=", (1, 1), ">= 1")))
PLAN = Plan({"mall": (load_pack(text=PACK),)}, RuleSet({"miss": MISS}))
SHOP = next(shop for shop in ("a", "b", "c", "d") if module.partition_of(f"mall:{shop}", 2) == 1)


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "store.db")
    yield store
    store.close()


def steps(shard, store, epoch, records):
    outputs = shard.step(records)
    if outputs.transitions:
        store.commit_step(0, epoch, records[-1].position, outputs.transitions)
    return outputs.transitions


def save(shard, store, epoch):
    while (taken := shard.checkpoint(100)) is not None:
        store.save_state(0, epoch, taken.rows, taken.floor, taken.floor_clock_ms)


@pytest.mark.parametrize("killed", [True, False])
def test_what_was_told_beyond_the_stored_state_is_told_once(store, monkeypatch, killed):
    topic = SimpleNamespace(records=lambda: iter(()))  # behind the floor lie ticks alone
    admin = SimpleNamespace(describe_topics=lambda _: [{"partitions": [0, 1]}], close=lambda: None)
    monkeypatch.setattr(module, "Topic", lambda *_: topic)
    monkeypatch.setattr(module, "KafkaAdminClient", lambda **_: admin)
    link = SimpleNamespace(options=dict, brokers=["a:1"])
    epoch, shard = store.take(0).epoch, Shard(PLAN)
    steps(shard, store, epoch, [Record(0, NOW_MS, [asked(1, NOW_MS, shop=SHOP)], "erp")])
    steps(shard, store, epoch, [Record(n, NOW_MS + 1_000 * n, heard={}) for n in range(1, 30)])
    save(shard, store, epoch)
    told = steps(shard, store, epoch, [Record(n, NOW_MS + 1_000 * n, heard={}) for n in range(30, 70)])
    assert [one.to_state for one in told] == ["firing"]
    if not killed:
        shard.end()
        save(shard, store, epoch)
    if killed:  # the miss would be told once more by shard 1, after the fact
        with pytest.raises(MonitorError, match="told of partition 0 is not in the stored state"):
            module.split(link, SimpleNamespace(topic="events"), store, 2, NOW_MS)
        return
    assert module.split(link, SimpleNamespace(topic="events"), store, 2, NOW_MS) == 1
    lease, rows = store.take(1), list(store.load_state(1))
    child = Shard(PLAN, 1, name=plan_in(rows))
    child.restore(rows, lease.floor, lease.floor_clock_ms)
    later_ms = [NOW_MS + 1_000 * second for second in range(70, 110)]
    told = child.step(
        [Record(n, at_ms, heard={"erp": at_ms}) for n, at_ms in enumerate(later_ms)]
    ).transitions
    assert [one for one in told if one.from_state == "ok"] == []
