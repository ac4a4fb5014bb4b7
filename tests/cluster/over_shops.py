"""Rules on teams, platforms and agents in a cluster of tests, and what an undisturbed run makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.policy.records import alert_key
from monitor.aggregate.aims import aims_of
from monitor.aggregate.shard import AGGREGATE_SHARD, AggregateShard, Cut, decode_row, position_of
from monitor.aggregate.sums import decode_part
from monitor.runtime.plan_book import PlanBook
from monitor.store.postgres import PostgresStore
from tests.cluster.workers import SHOPS, Verdict, all_transitions, firings, told
from tests.oracle.naive import Oracle

if TYPE_CHECKING:
    from monitor.aggregate.sums import AimSums
    from monitor.engine.records import Record
    from monitor.rulebook import Plan

LATENESS_MS = 10_000
missing_in = msgspec.msgpack.Decoder(list[int]).decode
STEPS = [50 * 2**n for n in range(14)]  # as many misses are an alert each
TEAMS = {f"s{n}": ("red", "blue", "red", "")[n % 4] for n in range(SHOPS)}
SHOPS_YAML = "shops:\n" + "".join(
    f"  mall:{shop}: {{team: {team}}}\n" for shop, team in TEAMS.items() if team
)
PEOPLE_YAML = "people:\n  li: {name: 小李, agent_ids: [a0, a1]}\n"


def rules_over_shops(rate: int) -> str:
    """So many misses of a team and a platform, so many answers of a person; and what comes and goes."""
    found = ""
    for each, what in (("team", "late"), ("platform", "late"), ("agent", "asked")):
        found += "".join(
            f"""
  - id: {each}-{step}
    title: {{zh: 合计满{step}, en: {step} of all}}
    each: {each}
    measure: reply
    crit: {{{what}: ">= {step}"}}
"""
            for step in STEPS
        )
    open_of_red = (
        rate * 6 // 10
    )  # half of the shops; 0.8 of the questions are open for 1 s, the others for 2 s
    busy = f"""
  - id: team-busy
    title: {{zh: 小组忙, en: busy team}}
    each: team
    measure: reply
    warn: {{open: ">= {open_of_red}"}}
    shadow: true
"""
    return found + busy


def judged_ms(server, address: str) -> tuple[int, int]:
    """The last cut in the aggregate's stored state, and the last one that every shard has published."""
    last = "select coalesce(min(at_ms), 0) from (select max(at_ms) as at_ms from part where shard <> %d"
    last = last % AGGREGATE_SHARD + " group by shard) as ends"
    stored = f"select coalesce(max(floor_clock_ms), 0) from shard where shard = {AGGREGATE_SHARD}"
    return server.execute(address, stored)[0][0], server.execute(address, last)[0][0]


def compare_sums(address: str, verdict: Verdict) -> int:
    """Assert that what is told of sums is what an undisturbed run tells; how many alerts of people.

    Every part that was published is the offline one; the aggregate's transitions are those of one run over
    the offline parts, with the cuts that were gone on without somebody as they were noted; the sums of the
    last cut of which all is known are the oracle's; and every number that was reached by then was told.
    """
    store, plans = PostgresStore(address, "verdict on sums"), PlanBook()
    lease = store.take(AGGREGATE_SHARD)
    rows = store.parts(0, 10**9)
    published = {(shard, at_ms): decode_part(body) for at_ms, shard, body in rows if shard != AGGREGATE_SHARD}
    offline = {(shard, part.at_ms): part for shard, parts in verdict.parts.items() for part in parts}
    assert published == {place: offline[place] for place in published}, "each part as an undisturbed run's"
    end_ms = decode_row(next(iter(store.load_state(AGGREGATE_SHARD)))[-1]).at_ms
    lost = {place for place in offline if place not in published and place[1] <= end_ms}
    assert not lost, "none lost"
    notes = {at_ms: missing_in(body) for at_ms, shard, body in rows if shard == AGGREGATE_SHARD}
    for name in sorted({part.plan for part in published.values()}):
        plans.fetch(store, name)
    first = min(part.plan for part in published.values())
    aggregate, expected, whole = AggregateShard(plans.known[first], plans.known, first), [], (0, {})
    for at_ms in sorted({at_ms for _, at_ms in published if at_ms <= end_ms}):
        parts = {shard: part for (shard, second), part in published.items() if second == at_ms}
        missing = notes.get(at_ms, sorted(verdict.parts.keys() - parts))
        parts = [part for shard, part in parts.items() if shard not in missing]
        expected += aggregate.fold(Cut(at_ms, parts, missing))
        if not aggregate.unknown and not any_dark(aggregate.sums):
            whole = at_ms, aggregate.sums
    stored = [t for t in all_transitions(store) if t.shard == AGGREGATE_SHARD]
    store.close()
    assert told(stored) == told(expected)
    assert lease.position <= position_of(end_ms)
    verdict.fired |= firings(expected)
    fired = [
        (t.at_ms, alert_key(t.rule, t.subject)) for t in expected if t.to_state == "firing" and not t.shadow
    ]
    assert len({key for _, key in fired}) == len(fired), "none doubled"
    due = {key for at_ms, key in fired if at_ms <= whole[0]}
    assert due == reached(verdict, aggregate.plan, *whole), "each number that was reached, and no other"
    return len(fired)


def any_dark(sums: AimSums) -> bool:
    """Whether a source is blind, as it is after 5 s of which nobody has heard; its shops are not summed."""
    return any(one.dark for subjects in sums.values() for one in subjects.values())


def reached(verdict: Verdict, plan: Plan, end_ms: int, last: AimSums) -> set[str]:
    """Assert that the last whole sums are the oracle's; the alerts that are due by these."""
    oracle = Oracle(plan.packs, LATENESS_MS)
    records: list[Record] = sorted(verdict.log, key=lambda record: record.arrival_ms)
    for record in records:
        if record.arrival_ms < end_ms:
            for event in record.events:
                oracle.feed(event, record.arrival_ms)
    wanted: dict[tuple[str, str], tuple[int, int]] = {}
    for shop in oracle.figures(end_ms)["shops"]:
        day = shop["measures"]["reply"]["day"]
        subjects = [("platform", "mall", day["asked"], day["late"])]
        subjects.append(("team", TEAMS[shop["shop_id"]], day["asked"], day["late"]))
        for agent, counts in shop["agents"].get("reply", {}).items():
            person = "li" if agent in ("a0", "a1") else f"mall:{shop['shop_id']}:{agent}"
            subjects.append(("agent", person, counts["answered"], counts["late"]))
        for each, subject, asked, late in subjects:
            before = wanted.get((each, subject), (0, 0))
            wanted[each, subject] = (before[0] + asked, before[1] + late)
    del wanted["team", ""]
    found = {
        (aim.each, subject): (sums.asked, sums.late)
        for number, aim in enumerate(aims_of(plan))
        for subject, sums in last.get(number, {}).items()
    }
    assert found == wanted, "the sums are the oracle's"
    return {
        alert_key(f"{each}-{step}", {each: subject})
        for (each, subject), (asked, late) in wanted.items()
        for step in STEPS
        if step <= (asked if each == "agent" else late)
    }
