"""Shops in which nothing happens sleep as bytes, and nothing that a shard gives out shows it.

The same log goes through a shard whose shops never sleep, and through one whose shops do so early, with rules
on every figure, sources that go blind, midnights. TEST_SEEDS=1000 asks for more than the usual logs.
"""

from __future__ import annotations

import random

import msgspec
import pytest

from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.engine.state import STEP_BYTES
from monitor.rulebook import Plan, SourcePlan
from monitor.shard.shard import Shard
from monitor.shard.slumber import Slumber
from rules.rule import RuleSet
from tests.shard.test_when_judged import FIRST_SEED, SECONDS, SEEDS, random_events, random_pack

STARTS = (1_794_355_200_000, 1_794_362_100_000, 1_794_411_000_000)  # 08:00, 09:55, 23:30 in Shanghai
SHOPS = ("A", "B", "C")


def a_log(rng: random.Random, start_ms: int) -> list[Record]:
    """A tick a second, now and then none for a while; shops with much, little and next to nothing."""
    events = []
    for shop in SHOPS:
        share = rng.choice([1.0, 0.2, 0.05])
        for arrival_ms, event in random_events(rng, start_ms):
            if rng.random() < share:
                event.shop_id, event.id = shop, f"{shop}{event.id}"
                events.append((arrival_ms, event))
    events.sort(key=lambda pair: pair[0])
    records: list[Record] = []
    down_until = 0
    for second in range(SECONDS + 400):
        now_ms = start_ms + second * 1000
        if second >= down_until and rng.random() < 0.001:
            down_until = second + rng.choice([4, 20])
        if second >= down_until:
            records.append(Record(len(records), now_ms, heard={"erp": now_ms}))
        while events and events[0][0] < now_ms + 1000:
            arrival_ms, event = events.pop(0)
            if second >= down_until:
                records.append(Record(len(records), arrival_ms, [event], "erp"))
    return records


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_what_is_told_is_what_shops_tell_that_never_sleep(rules, seed, monkeypatch):
    rng = random.Random(f"slumber {seed}")
    some = rng.sample(sorted(rules.rules), rng.choice([1, 2, 8]))
    alone = RuleSet({name: rules.rules[name] for name in some})
    silent_after = SourcePlan(silent_after_ms=rng.choice([0, 60_000]))
    plan = Plan({"pdd": (random_pack(rng),)}, alone, other_sources=silent_after, lateness_ms=60_000)
    records = a_log(rng, rng.choice(STARTS))
    monkeypatch.setattr("monitor.shard.slumber.AGAIN_MS", 1_000)
    straight, resting = Shard(plan), Shard(plan, rest_ms=rng.choice([1_000, 5_000, 20_000]))
    half = rng.randrange(len(records))
    for part in (records[:half], records[half:]):
        assert straight.step(part).transitions == resting.step(part).transitions
        assert counted(straight) == counted(resting)


def counted(shard: Shard) -> dict[str, list[object]]:
    """All that each shop counts as who reads it sees it, awake or not."""
    found: dict[str, list[object]] = {}
    now_ms = shard.engine.judged_ms
    for sleeper in shard.engine.shops.values():
        shop = shard.slumber.read(sleeper)
        windows = [(key, log.read(now_ms)) for key, log in sorted(shop.state_windows.items())]
        of_shop = found[shop.key] = [windows]
        for number, day in sorted(shop.days.items()):
            tallies = [tally for track in day.tracks for tally in track.tallies]
            units = [(tally.open, tally.late, tally.good, tally.agents) for tally in tallies]
            paces = [(tally.asked.read(now_ms), tally.missed.read(now_ms)) for tally in tallies]
            of_shop.append((number, units, paces, day.waiting))
    return found


def quiet_shard(rules: RuleSet, *names: str) -> tuple[Shard, int]:
    """A shard with one shop that asked and was answered at 09:55, a minute later."""
    rng, start_ms = random.Random(0), STARTS[1]
    plan = Plan({"pdd": (random_pack(rng),)}, RuleSet({name: rules.rules[name] for name in names}))
    shard = Shard(plan, rest_ms=10_000)
    question = random_events(random.Random(1), start_ms)[0][1]
    question.type, question.action, question.actor, question.exclude = "message", "", "customer", ""
    question.conversation_id, question.customer_id, question.at = "c", "u", start_ms
    shard.step([Record(0, start_ms, [question], "erp")])
    for second in range(1, 60):
        now_ms = start_ms + second * 1_000
        shard.step([Record(second, now_ms, heard={"erp": now_ms})])
    return shard, start_ms + 60_000


def answer_at(at_ms: int, conversation: str = "c") -> Event:
    """An answer in its conversation, or in another."""
    answer = random_events(random.Random(1), at_ms)[0][1]
    answer.type, answer.action, answer.at, answer.id, answer.exclude = "message", "", at_ms, f"a{at_ms}", ""
    answer.conversation_id, answer.actor, answer.agent_id = conversation, "agent", "x"
    answer.customer_id = f"u{conversation}"
    return answer


@pytest.mark.parametrize(("others", "sleeps"), [(20, True), (2, False)])
def test_a_deadline_wakes_a_shop_only_where_a_rule_could_say_something_of_it(rules, others, sleeps):
    shard, now_ms = quiet_shard(rules, "drift")  # with a question of a minute ago that waits
    (shop,) = shard.engine.shops.values()
    for number in range(others):
        question, answer = (answer_at(now_ms + 2 * number + n, f"c{number}") for n in (0, 1))
        question.actor = "customer"
        for event in (question, answer):
            shard.step([Record(shard.position + 1, event.at, [event], "erp")])
    late = []
    for second in (60, 300):
        at_ms = now_ms + second * 1_000
        for tick_ms in range(shard.now_ms // 1_000 * 1_000 + 1_000, at_ms + 1, 1_000):
            shard.step([Record(shard.position + 1, tick_ms, heard={"erp": tick_ms})])
        assert (shop.due_ms > at_ms + 3_600_000) == sleeps
        (day,) = shard.slumber.read(shop).days.values()
        late.append([tally.late for track in day.tracks for tally in track.tallies])
    assert late == [[0, 1], [1, 1]]  # of 3 minutes, of 45 s


def test_a_shop_in_which_nothing_happens_sleeps_as_the_bytes_that_are_stored(rules):
    shard, _ = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    assert shop.packed
    assert not shard.watches
    taken = shard.checkpoint(10)
    assert taken is not None
    rows = {part: data for key, part, _, data in taken.rows if key}
    assert rows == {"shop": shop.packed, "rest": shop.packed_rest}


def test_shops_that_sleep_and_are_not_stored_are_counted(rules):
    shard, now_ms = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    assert (bool(shop.packed), shard.asleep_unstored) == (True, 1)
    while shard.checkpoint(10):
        pass
    assert shard.asleep_unstored == 0
    shard.step([Record(shard.position + 1, now_ms, [answer_at(now_ms)], "erp")])
    assert (bool(shop.packed), shard.asleep_unstored) == (False, 0)


def test_rows_have_few_sizes_and_are_read_as_they_were_written_before_they_had(rules):
    shard, _ = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    assert [len(row) % STEP_BYTES for row in (shop.packed, shop.packed_rest)] == [0, 0]
    before = []
    for row in (shop.packed, shop.packed_rest):
        *fields, slack = msgspec.msgpack.decode(row)
        assert set(slack) <= {0}
        before.append(msgspec.msgpack.encode(fields))
    days = shard.slumber.read(shop).days.keys()
    shop.packed, shop.packed_rest = before
    assert shard.slumber.read(shop).days.keys() == days
    shop.wake()
    assert len(shop.shelf()) + len(shop.conversations) == 1


def test_none_is_put_to_rest_in_a_shard_with_few_shops(rules):
    shard, now_ms = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    for spare in (1, 0):
        shard.slumber.spare = spare
        shard.step([Record(shard.position + 1, now_ms, [answer_at(now_ms)], "erp")])
        for _ in range(400):
            now_ms += 1_000
            shard.step([Record(shard.position + 1, now_ms, heard={"erp": now_ms})])
        assert bool(shop.packed) == (spare == 0)


def test_an_event_wakes_a_shop_and_who_reads_it_gets_a_copy(rules):
    shard, now_ms = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    copy = shard.slumber.read(shop)
    assert shop.packed
    assert len(copy.days) == 1
    shard.step([Record(60, now_ms, [answer_at(now_ms)], "erp")])
    assert not shop.packed
    assert shard.slumber.read(shop) is shop


def test_a_blind_source_does_not_wake_shops_of_which_no_rule_could_say_anything(rules, monkeypatch):
    woken = []
    wake = Slumber.wake
    monkeypatch.setattr(Slumber, "wake", lambda self, shop: (woken.append(shop.key), wake(self, shop)))
    for rule, wanted in (("drift", 0), ("slow", 1)):  # of a window time says what nobody can foresee
        shard, now_ms = quiet_shard(rules, rule)
        before = len(woken)
        shard.step([Record(60, now_ms + 20_000, heard={"erp": now_ms + 20_000})])  # time down
        for second in range(21, 40):
            shard.step([Record(40 + second, now_ms + second * 1_000, heard={"erp": now_ms + second * 1_000})])
        assert len(woken) - before >= wanted
        assert bool(len(woken) - before) == bool(wanted), rule


@pytest.mark.parametrize(("every_s", "wanted"), [(15, 2), (200, 3)])
def test_a_shop_in_which_something_happens_all_the_time_is_not_packed_each_time(
    rules, monkeypatch, every_s, wanted
):
    """Each waking costs as much as fifty events: a worker behind by an hour would read it at a tenth."""
    woken = []
    wake = Slumber.wake
    monkeypatch.setattr(Slumber, "wake", lambda self, shop: (woken.append(shop.key), wake(self, shop)))
    shard, now_ms = quiet_shard(rules, "drift")
    (shop,) = shard.engine.shops.values()
    woken.clear()
    for second in range(600):
        at_ms = now_ms + second * 1_000
        events = [answer_at(at_ms)] if second % every_s == 0 else []
        shard.step([Record(60 + second, at_ms, events, "erp")])
    assert len(woken) == wanted
    assert bool(shop.packed) == (every_s == 200)
