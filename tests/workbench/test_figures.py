"""What ``replay`` prints is what the oracle counts: to the unit, on a simulated day and on mean streams."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.engine.events import Event
from monitor.rulebook import Plan
from monitor.shard.shard import Shard
from monitor.sources.wire import decode_line
from monitor.workbench.feed import write_lines
from monitor.workbench.replay import replay
from monitor.workbench.report import report
from monitor.workbench.simulate import Simulation
from monitor.workbench.world import HOUR_MS, make_world
from rules.load import load_packs
from tests.oracle.naive import Oracle
from tests.properties.strategies import LATENESS_MS, at_once, cases, random_case
from tests.workbench.events import run

DAY_MS = 86_400_000
NINE_MS = 1_794_358_800_000  # 2026-11-11T09:00:00+08:00
PARTS = {
    "reply_rate": ("asked", "late", "open"),
    "response_time": ("count", "sum_ms", "max_ms", "p50_ms", "p90_ms", "p95_ms"),
    "order_rate": ("count", "of"),
}


def write(path, stream, *, received=True):
    with path.open("wb") as file:
        for arrival_ms, event in stream:
            received_at = arrival_ms if received else ""
            file.write(msgspec.json.encode(msgspec.structs.replace(event, received_at=received_at)) + b"\n")


def recent(stream):
    """The last month of a stream, without what the entrance refuses: the oracle is fed no lines."""
    from_ms = stream[-1][0] - 30 * DAY_MS if stream else 0
    good = [pair for pair in stream if isinstance(decode_line(msgspec.json.encode(pair[1])), Event)]
    return [(arrival_ms, event) for arrival_ms, event in good if arrival_ms > from_ms]


def counted(figures, packs):
    """The parts of every figure, and the counts of agents: of a report or of the oracle."""
    kinds = {m.id: m.kind for versions in packs.values() for pack in versions for m in pack.measures.values()}
    found = {}
    for shop in figures["shops"]:
        measures = {
            measure: {
                period: {name: parts[name] for name in PARTS[kinds[measure]]}
                for period, parts in periods.items()
                if period != "agents"
            }
            for measure, periods in shop["measures"].items()
        }
        found[shop["platform"], shop["shop_id"]] = (measures, shop["waiting"])
    return found


def agents(figures):
    return {
        (shop["platform"], shop["shop_id"], measure): periods["agents"]
        for shop in figures["shops"]
        for measure, periods in shop["measures"].items()
        if "agents" in periods
    }


def oracle_agents(figures, of):
    rows = {(s["platform"], s["shop_id"], m): row for s in figures["shops"] for m, row in s["agents"].items()}
    return {key: rows[key] for key in of}


def fed(packs, stream, lateness_ms=600_000):
    oracle, outcomes = (
        Oracle(packs, lateness_ms),
        dict.fromkeys(("accepted", "duplicates", "late_dropped", "rejected"), 0),
    )
    names = {"duplicate": "duplicates"}
    for arrival_ms, event in stream:
        outcome = oracle.feed(event, arrival_ms).partition(":")[0]
        outcomes[names.get(outcome, outcome)] += 1
    return oracle, outcomes


def test_a_simulated_day_through_the_command(tmp_path):
    """Bursts, repeats, delays, a dead source: the oracle's figures, and those known by construction."""
    world = make_world(6, 11, NINE_MS, NINE_MS + 3 * HOUR_MS, conversations=120)
    simulation = Simulation(world)
    stream = list(simulation)
    with (tmp_path / "day.ndjson").open("wb") as file:
        write_lines(iter(stream), file.write, received_at=True)
    packs = load_packs()
    done = json.loads(run(tmp_path, "replay", "day.ndjson", "--format", "json").stdout)
    oracle, outcomes = fed(packs, stream)
    now_ms = stream[-1][0]
    expected = oracle.figures(now_ms)
    assert counted(done, packs) == counted(expected, packs)
    assert agents(done) == oracle_agents(expected, agents(done))
    assert done["events"] == {"read": len(stream), **outcomes}
    asked = sum(s["measures"]["reply_rate_3m"]["day"]["asked"] for s in done["shops"])
    assert asked > 100
    for shop in done["shops"]:
        key = f"{shop['platform']}:{shop['shop_id']}"
        truth = simulation.truth.figures(key, 20_768, now_ms)
        known = truth.customers if shop["platform"] == "pinduoduo" else truth.rounds
        figure = shop["measures"]["reply_rate_3m"]["day"]
        assert (figure["asked"], figure["late"], figure["open"]) == (known.asked, known.late, known.open)


@settings(max_examples=30)
@given(cases(max_size=80), st.sampled_from([0, 1, 999, 61_001, 700_000, 90_000_000]))
def test_mean_streams_with_their_arrivals(tmp_path_factory, case, after_ms):
    """Any packs and zones, late, repeated and reused events, the clock at any millisecond after them."""
    path = tmp_path_factory.getbasetemp() / "stream.ndjson"
    stream = recent(case.stream)
    assume(stream)
    write(path, stream)
    at_ms = stream[-1][0] + after_ms
    oracle, outcomes = fed(case.packs, stream, LATENESS_MS)
    found = replay([str(path)], Shard(Plan(packs=case.packs, quiet_gaps=True)), at_ms=at_ms)
    shown, expected = report(found), oracle.figures(at_ms)
    assert counted(shown, case.packs) == counted(expected, case.packs)
    assert agents(shown) == oracle_agents(expected, agents(shown))
    if len({e.id for _, e in stream if e.type == "heartbeat"}) == sum(
        e.type == "heartbeat" for _, e in stream
    ):
        # The engine hears a repeated heartbeat again, as the oracle does not: then only figures are compared.
        assert found.events == {"read": len(stream), **outcomes}


@pytest.mark.parametrize("seed", range(12))
def test_an_unordered_file_without_arrivals_is_told_as_it_happened(tmp_path, seed):
    """However the lines lie in the file, events arrive when they happened."""
    case = random_case(seed, size=120)
    stream = recent(at_once(case.stream))
    write(tmp_path / "stream.ndjson", sorted(stream, key=lambda pair: pair[1].id), received=False)
    oracle, _ = fed(case.packs, stream, LATENESS_MS)
    found = replay([str(tmp_path / "stream.ndjson")], Shard(Plan(packs=case.packs, quiet_gaps=True)))
    expected = oracle.figures(stream[-1][0])
    assert counted(report(found), case.packs) == counted(expected, case.packs)
