"""The streams are as mean as they promise, and the oracle keeps the design's promises on them."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from monitor.engine.events import ACTIONS
from tests.oracle.naive import Oracle
from tests.properties.strategies import (
    LATENESS_MS,
    ORDERLY,
    all_ways_of_counting,
    at_once,
    batched,
    cases,
    packs_of_all_combinations,
    random_case,
    shuffled_within_lateness,
)


def fed(packs, stream):
    oracle = Oracle(packs)
    return oracle, Counter(oracle.feed(event, arrival) for arrival, event in stream)


def test_a_seed_reproduces_a_case():
    assert random_case(7) == random_case(7)
    assert random_case(7).stream != random_case(8).stream


def test_streams_hold_every_type_actor_action_and_outcome_and_arrive_in_order():
    types, actors, actions, outcomes, ties = Counter(), Counter(), set(), Counter(), 0
    for seed in range(40):
        case = random_case(seed)
        arrivals = [arrival for arrival, _ in case.stream]
        assert arrivals == sorted(arrivals)
        for _, event in case.stream:
            types[event.type] += 1
            actors[event.actor] += 1
            actions.add((event.type, event.action))
        ties += len(case.stream) - len({(e.platform, e.shop_id, e.at) for _, e in case.stream})
        outcomes += fed(case.packs, case.stream)[1]
    assert len(types) == 9
    assert len(actors) == 6  # None is every other type
    assert {(t, a) for t in ACTIONS for a in ACTIONS[t]} <= actions
    reasons = ("reused", "ahead", "no_shop", "before_2000")
    expected = {"accepted", "duplicate", "late_dropped", *(f"rejected:{r}" for r in reasons)}
    assert set(outcomes) == expected
    assert outcomes["accepted"] > outcomes["late_dropped"] > 100
    assert ties > 100


def test_an_orderly_stream_is_accepted_whole():
    for seed in range(10):
        case = random_case(seed, mischief=ORDERLY)
        assert set(fed(case.packs, case.stream)[1]) == {"accepted"}


def test_every_way_of_counting_is_in_a_pack_and_streams_make_each_count():
    packs = list(packs_of_all_combinations())
    measures = [m for pack in packs for m in pack.measures.values()]
    assert measures == list(all_ways_of_counting())
    assert len(measures) == 252
    counted = set()
    for case, pack in itertools.product((random_case(seed) for seed in range(4)), packs):
        if counted.issuperset(pack.measures):
            continue
        oracle, _ = fed({platform: [pack] for platform in case.packs}, case.stream)
        for shop in oracle.figures(case.stream[-1][0])["shops"]:
            counted |= {name for name, figures in shop["measures"].items() if figures["7d"]["asked"]}
    assert counted == {m.id for m in measures}


def parts(figures):
    """Every dict of integers in the figures."""
    for value in figures.values() if isinstance(figures, dict) else figures:
        if isinstance(value, dict | list):
            yield from parts(value)
    if isinstance(figures, dict):
        yield figures


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_late_and_open_are_apart_and_within_asked(case):
    oracle, _ = fed(case.packs, case.stream)
    for part in parts(oracle.figures(case.stream[-1][0])):
        if "asked" in part:
            assert 0 <= part["late"] <= part["asked"] - part["open"] <= part["asked"]


@pytest.mark.parametrize("seed", range(25))
def test_any_order_of_arrival_within_lateness_gives_the_same_figures(seed):
    case = random_case(seed, size=120)
    rng = random.Random(seed)
    streams = [at_once(case.stream), *(shuffled_within_lateness(case.stream, rng) for _ in range(3))]
    last = max(stream[-1][0] for stream in streams)
    for now_ms in (last + LATENESS_MS + 1, last + 86_400_000):
        first, *others = (fed(case.packs, stream)[0].figures(now_ms) for stream in streams)
        for other in others:
            assert other == first


def test_batches_hold_the_whole_stream_in_order():
    case = random_case(1)
    batches = batched(case.stream, random.Random(1))
    assert [pair for batch in batches for pair in batch] == case.stream
    assert len(batches) > 1
