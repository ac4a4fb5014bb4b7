"""A figure explained from the journal is the one explained from everything that ever came."""

from __future__ import annotations

from monitor.rulebook import Plan
from monitor.shard.shard import Shard
from monitor.sources.wire import pack_events
from monitor.store.journal import Journal
from monitor.workbench.evidence import KINDS, JournalHistory, evidence_in
from monitor.workbench.explain import explain
from monitor.workbench.witness import Witness
from tests.properties.strategies import random_case
from tests.waiting import PATIENCE_S
from tests.workbench.test_explain import busiest


def journal_of(path, stream):
    """A journal in which each event arrived when the stream says, a tick before each."""
    now_ms = [0]
    with Journal(path, lambda: now_ms[0], synced=False) as journal:
        for arrival_ms, event in stream:
            now_ms[0] = arrival_ms
            journal.tick({}).result(PATIENCE_S)
            journal.append("erp", pack_events([event]), 1).result(PATIENCE_S)
        return journal.reader()


def test_what_lies_before_the_days_that_decide_is_not_needed(tmp_path):
    """Of every measure of every shop, on the busiest day of streams that last for many."""
    compared = 0
    for seed in range(15):
        case = random_case(seed, size=200)
        reader = journal_of(tmp_path / f"{seed}.db", case.stream)
        plan, at_ms = Plan(packs=case.packs, quiet_gaps=True), busiest(case.stream)
        for platform, shop_id in sorted({(e.platform, e.shop_id) for _, e in case.stream if e.shop_id}):
            whole = Witness(Shard(plan), platform, shop_id)
            whole.watch(((arrival_ms, [event]) for arrival_ms, event in case.stream), at_ms=at_ms)
            if whole.shop is None:
                continue
            number = whole.shop.day_number(at_ms)
            pack = whole.shard.book.pack_on(platform, f"{platform}:{shop_id}", number)
            for measure in (m.id for m in (pack.measures.values() if pack else ()) if m.kind in KINDS):
                part = Witness(Shard(plan), platform, shop_id)
                found = evidence_in(JournalHistory(reader), part, measure, number, str, at_ms=at_ms)
                expected = explain(whole, measure, number)
                assert found["figure"] == expected.figure, (seed, platform, shop_id, measure)
                assert [unit["unit"] for unit in found["units"]] == [unit.unit for unit in expected.units]
                compared += sum(expected.figure.values()) > 0
        reader.close()
    assert compared > 10
