"""The engine's figures are the oracle's, under any stream, and whatever way it comes."""

from __future__ import annotations

import os
import random

import msgspec
import pytest

from monitor.engine.engine import Engine
from monitor.plan import engine_spec
from tests.oracle.naive import Oracle
from tests.properties.reading import differences, read
from tests.properties.strategies import (
    LATENESS_MS,
    Case,
    Stream,
    at_once,
    random_case,
    shuffled_within_lateness,
)
from tests.seeds import seeds

FIRST_SEED = int(os.environ.get("TEST_SEED", "0"))
SEEDS = seeds()
FOUND = (
    100241,  # an answer hours late, past one measure's limit and not past its twin's
    100456,  # a day begun after it would have settled, then the clock 26 years ahead
    100806,  # a message in an open round, between a deadline of it and the whole second that judges it
)


ENTRANCE = ("no_shop", "no_id", "no_conversation", "no_actor", "action")  # refused before the engine


def engine_for(case: Case) -> Engine:
    return Engine(engine_spec(case.packs, LATENESS_MS, pace_all=True))


def outcome(engine: Engine, event, arrival_ms) -> str:
    before = engine.counts.as_dict()
    engine.advance(arrival_ms)
    engine.fold([event], engine.now_ms)
    after = engine.counts.as_dict()
    names = {
        "accepted": "accepted",
        "duplicates": "duplicate",
        "late_dropped": "late_dropped",
        "rejected": "rejected",
    }
    return next(said for name, said in names.items() if after[name] > before[name])


def run(case: Case, stream: Stream) -> Engine:
    engine = engine_for(case)
    faults = Oracle(case.packs, LATENESS_MS)
    for arrival_ms, event in stream:
        if faults.fault(event) in ENTRANCE:
            continue
        engine.advance(arrival_ms)
        engine.fold([event], engine.now_ms)
    return engine


@pytest.mark.parametrize("seed", [*range(FIRST_SEED, FIRST_SEED + SEEDS), *FOUND])
def test_figures_are_the_oracles(seed):
    """Every event is taken or refused as the oracle does, and at any clock every figure is its figure."""
    case = random_case(seed)
    rng = random.Random(f"clocks {seed}")
    engine, oracle = engine_for(case), Oracle(case.packs, LATENESS_MS)
    for number, (arrival_ms, event) in enumerate(case.stream):
        if event.type == "heartbeat" or oracle.fault(event) in ENTRANCE:
            continue
        wanted = oracle.feed(event, arrival_ms).split(":")[0]
        assert wanted == outcome(engine, event, arrival_ms), (seed, number, event)
        following_ms = case.stream[number + 1][0] if number + 1 < len(case.stream) else None
        now_ms = (engine.now_ms // 1000 + 1) * 1000
        if following_ms is None or (rng.random() < 0.2 and following_ms >= now_ms):
            engine.advance(now_ms)
            found = differences(oracle.figures(now_ms), read(engine, case.packs, now_ms))
            assert not found, (seed, number, found[:6])
    for later_ms in (700_000, 7_300_000, 100_000_000, 200_000_000):
        now_ms = (oracle.clock + later_ms) // 1000 * 1000
        engine.advance(now_ms)
        found = differences(oracle.figures(now_ms), read(engine, case.packs, now_ms))
        assert not found, (seed, later_ms, found[:6])


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS // 12))
def test_who_moved_a_conversation_changes_nothing(seed):
    """A source may say who handed a conversation over or closed it: what was done counts."""
    case = random_case(seed)
    told = [
        (at, msgspec.structs.replace(one, actor="agent") if one.type == "conversation" else one)
        for at, one in case.stream
    ]
    engine, other = run(case, case.stream), run(case, told)
    now_ms = engine.now_ms // 1000 * 1000 + 1000
    for one in (engine, other):
        one.advance(now_ms)
    assert not differences(read(engine, case.packs, now_ms), read(other, case.packs, now_ms))


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS // 4))
def test_any_arrival_order_within_lateness_gives_the_same_figures(seed):
    """Nothing depends on the order in which events came, nor on which of two repeats was first."""
    case = random_case(seed)
    events = at_once(case.stream)
    straight = run(case, events)
    rng = random.Random(f"orders {seed}")
    for _ in range(3):
        shuffled = run(case, shuffled_within_lateness(events, rng))
        now_ms = (max(straight.now_ms, shuffled.now_ms) + LATENESS_MS) // 1000 * 1000 + 1000
        for engine in (straight, shuffled):
            engine.advance(now_ms)
        found = differences(read(straight, case.packs, now_ms), read(shuffled, case.packs, now_ms))
        assert not found, (seed, found[:6])
