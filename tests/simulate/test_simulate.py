"""What a simulation promises: repeatable, lazy, in order of arrival, and faulty as networks are."""

from __future__ import annotations

from collections import Counter

import msgspec

from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, make_world

TEN_MS = 1_794_362_400_000  # 2026-11-11T10:00:00+08:00


def small_world(seed=7, hours=2, **options):
    return make_world(options.pop("shops", 12), seed, TEN_MS, TEN_MS + hours * HOUR_MS, **options)


def as_bytes(seed):
    return [(arrival_ms, msgspec.json.encode(event)) for arrival_ms, event in Simulation(small_world(seed))]


def test_a_seed_says_all():
    """The same seed gives the same bytes at the same times, another seed others."""
    assert as_bytes(1) == as_bytes(1)
    assert as_bytes(1) != as_bytes(2)


def test_arrivals_never_go_back_and_repeats_are_identical():
    arrivals = list(Simulation(small_world()))
    times = [arrival_ms for arrival_ms, _ in arrivals]
    assert times == sorted(times)
    contents = {}
    for _, event in arrivals:
        assert contents.setdefault(event.id, msgspec.json.encode(event)) == msgspec.json.encode(event)
    ids = Counter(event.id for _, event in arrivals)
    assert set(ids.values()) == {1, 2}


def test_some_events_overtake_others():
    """Order of arrival is not order of happening, but nothing is later than the default lateness."""
    lag_ms = [
        arrival_ms - event.at
        for arrival_ms, event in Simulation(small_world(hours=4))
        if event.source != "erp-4"
    ]
    assert max(lag_ms) > 60_000
    assert max(lag_ms) < 600_000 + 180_000  # 8 minutes late, and repeated up to 3 minutes after that
    assert sum(lag < 1_000 for lag in lag_ms) / len(lag_ms) > 0.9


def test_a_dead_source_is_silent_and_then_tells_everything():
    world = small_world(hours=5)
    heard = [
        (arrival_ms, event) for arrival_ms, event in Simulation(world) if event.source == world.dead_source
    ]
    assert not [
        event for arrival_ms, event in heard if arrival_ms in world.dead and arrival_ms > world.dead.from_ms
    ]
    backfill = [event for arrival_ms, event in heard if event.at in world.dead and event.type != "heartbeat"]
    assert len(backfill) > 20
    assert all(arrival_ms >= world.dead.until_ms for arrival_ms, event in heard if event in backfill)


def test_sizes_have_a_long_tail():
    """The largest tenth of the shops has about half of the conversations; every shop has some."""
    world = small_world(shops=100, hours=12)
    per_shop = Counter(
        event.shop_id
        for _, event in Simulation(world)
        if event.type == "message" and event.actor == "customer"
    )
    sizes = sorted(per_shop.values(), reverse=True)
    assert len(sizes) == 100
    assert 0.3 < sum(sizes[:10]) / sum(sizes) < 0.7


def test_a_slow_agent_shows():
    """Where an agent is slow, that agent's shop is late far more often than others."""
    world = small_world(shops=60, hours=10)
    simulation = Simulation(world)
    for _ in simulation:
        pass
    asked, late = Counter(), Counter()
    for key, day in simulation.truth.days():
        rounds = simulation.truth.figures(key, day, world.until_ms).rounds
        slow = bool(next(shop for shop in world.shops if shop.key == key).slow_agent)
        asked[slow] += rounds.asked
        late[slow] += rounds.late
    assert late[True] / asked[True] > 1.5 * late[False] / asked[False]


def test_memory_holds_what_goes_on_and_not_the_day():
    """However long the day, what is made and not yet given out is a small part of it."""
    simulation = Simulation(small_world(shops=40, hours=24))
    most = 0
    for _ in simulation:
        if simulation.sent % 500 == 0:
            most = max(most, sum(len(batch) for batch in simulation._due.values()))
    assert simulation.sent > 50_000
    assert most < simulation.sent / 10


def test_names_of_shops_are_their_own():
    names = [shop.name for shop in small_world(shops=2_000).shops]
    assert len(set(names)) == 2_000
