"""A silence is asked only where it can hold, and the answer is that of asking them all."""

import random

import pytest

from alerting.desk import Desk
from alerting.policy import silence as module
from alerting.policy.match import exact, literal, matches
from alerting.policy.records import Silence, Unsilence
from alerting.policy.silence import Silences
from tests.alerting.worlds import HOUR, MINUTE, SECOND, T0, Memory, Shard, policy

PATTERNS = {
    "shop": ("pinduoduo:s1", "pinduoduo:s2", "pinduoduo:*", "!pinduoduo:s1", literal("*"), ""),
    "rule": ("drift", "dr?ft", "countdown", "!drift"),
    "team": ("east", "", "e*"),
}
LABELS = [
    {"shop": shop, "rule": rule} | ({"team": team} if team else {})
    for shop in ("pinduoduo:s1", "pinduoduo:s2", "*", "")
    for rule in ("drift", "countdown")
    for team in ("east", "")
]


def longest(silences, labels, at_ms):
    holding = [s for s in silences.values() if at_ms < s.until_ms and matches(s.matcher, labels)]
    return max(holding, key=lambda s: (s.until_ms, s.id), default=None)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_that_holds_is_found_as_if_all_were_asked(seed):
    chance = random.Random(seed)
    silences = Silences()
    for n in range(60):
        names = chance.sample(sorted(PATTERNS), chance.randint(1, 3))
        matcher = {name: chance.choice(PATTERNS[name]) for name in names}
        silences.put(Silence(T0, f"q{n % 40}", matcher, T0 + chance.randrange(5) * MINUTE, "li"))
        if n % 4 == 0:
            silences.drop(f"q{chance.randrange(40)}")
        for labels in LABELS:
            for at_ms in (T0, T0 + 2 * MINUTE, T0 + 4 * MINUTE):
                assert silences.active(labels, at_ms) == longest(silences, labels, at_ms)
    assert set(silences) == {s.id for s in silences.values()}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("east", "east"),
        ("", ""),
        (literal("a*?!"), "a*?!"),
        (literal("!x"), "!x"),
        ("!x", None),
        ("e*", None),
    ],
)
def test_the_one_text_that_a_pattern_fits(pattern, text):
    assert exact(pattern) == text


@pytest.fixture
def asked(monkeypatch):
    """How often a silence was asked whether it fits."""
    count = []
    monkeypatch.setattr(module, "matches", lambda *given: count.append(1) or matches(*given))
    return count


def storm(desk, shops):
    shard = Shard()
    desk.fold([shard(1, shop=f"s{n}", severity="crit") for n in range(shops)])
    return [shard(2, "ok", shop=f"s{n}", severity="crit") for n in range(shops)]


def test_silences_of_other_shops_cost_a_storm_nothing(asked):
    desk = Desk(policy())
    desk.fold(
        [(n, Silence(T0, f"q{n}", {"shop": f"pinduoduo:z{n}"}, T0 + HOUR, "li")) for n in range(1, 201)]
    )
    storm(desk, 100)
    assert asked == []


def test_the_end_of_a_storm_asks_a_silence_until_resolved_once_for_each_alert(asked):
    desk = Desk(policy())
    ends = storm(desk, 100)
    desk.fold([(1, Silence(T0, "q", {"rule": "drift"}, T0 + HOUR, "li", "", until_resolved=True))])
    asked.clear()
    desk.fold(ends)
    assert len(asked) < 1_000  # and not 100 × 100
    assert not desk.books.silences


def test_a_shorter_silence_within_a_longer_one_changes_nothing():
    desk, shard = Memory(policy()), Shard()
    desk.hear(Silence(T0, "long", {"shop": "pinduoduo:*"}, T0 + 2 * HOUR, "li"))
    desk.fold(shard(1, severity="crit"))
    before = desk.queued()
    assert before == [("fire", "crit", 7_200)]
    desk.hear(Silence(T0 + 2 * SECOND, "short", {"shop": "pinduoduo:s1"}, T0 + HOUR, "li"))
    assert desk.queued() == before
    desk.hear(Unsilence(T0 + 3 * SECOND, "short", "li"))
    assert desk.queued() == before
    desk.hear(Unsilence(T0 + 4 * SECOND, "long", "li"))
    assert desk.queued() == [("fire", "crit", 1)]


def test_when_the_longer_of_two_is_ended_the_shorter_holds():
    desk, shard = Memory(policy()), Shard()
    desk.hear(Silence(T0, "long", {"shop": "pinduoduo:*"}, T0 + 2 * HOUR, "li"))
    desk.hear(Silence(T0, "short", {"shop": "pinduoduo:s1"}, T0 + HOUR, "li"))
    desk.fold(shard(1, severity="crit"))
    desk.hear(Unsilence(T0 + 3 * SECOND, "long", "li"))
    assert desk.queued() == [("fire", "crit", 3_600)]
