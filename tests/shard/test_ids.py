"""Ids are remembered for twice the lateness, whatever table they lie in, stored and taken back."""

from __future__ import annotations

import random

import pytest

from monitor.engine.fields import seed_of
from monitor.engine.ids import CONTENT_MASK, DUPLICATE, NEW, REUSED, Ids

LATENESS_MS = 5_000
SHOP = seed_of("p:1")


class Naive:
    """What was seen when, in a dict."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], tuple[int, int]] = {}

    def check(self, shop: str, event_id: str, content: int, now_ms: int) -> int:
        self.seen = {key: at for key, at in self.seen.items() if at[1] >= now_ms - 2 * LATENESS_MS}
        known = self.seen.get((shop, event_id))
        if known is None:
            self.seen[shop, event_id] = (content & CONTENT_MASK, now_ms)
            return NEW
        return DUPLICATE if known[0] == content & CONTENT_MASK else REUSED


@pytest.mark.parametrize("seed", range(6))
def test_what_is_said_of_an_id_is_what_a_dict_of_all_would_say_also_after_a_restore(seed):
    """With bursts, silences longer than the horizon, and a new table from what was stored now and then."""
    rng, naive, ids = random.Random(seed), Naive(), Ids(LATENESS_MS)
    now_ms, number, stored, taken = 1_000_000, 0, [], 0
    for _ in range(300):
        now_ms += rng.choice([0, 1, 10, 400, 400, 30_000 if rng.random() < 0.05 else 50])
        for _ in range(rng.choice([1, 2, 5, 100 if rng.random() < 0.1 else 3])):
            number += rng.random() < 0.7
            event_id, content = f"e{number - rng.choice([0, 0, 1, 50])}", rng.choice([7, 7, 7, (1 << 60) + 8])
            shop = rng.choice(["1", "1", "1", "2"])
            said = naive.check(shop, event_id, content, now_ms)
            assert ids.check(seed_of(f"p:{shop}"), event_id, content, now_ms) == said
        assert len(ids) == len(naive.seen)
        if rng.random() < 0.2:
            stored.append(ids.since(taken))
            taken = ids.taken
        if rng.random() < 0.05:
            stored.append(ids.since(taken))
            from_ms, ids = ids.oldest_ms, Ids(LATENESS_MS)
            for row in stored:
                ids.remember(row, from_ms)
            taken = ids.taken
            assert len(ids) == len(naive.seen)


def test_a_table_that_was_large_for_a_while_is_small_again():
    ids = Ids(LATENESS_MS)
    for number in range(20_000):
        assert ids.check(SHOP, f"e{number}", 1, 1_000 + number // 100) == NEW
    assert ids.check(SHOP, "e19999", 1, 1_300) == DUPLICATE
    for second in range(40):
        assert ids.check(SHOP, f"later {second}", 1, 20_000 + 1_000 * second) == NEW
    assert len(ids) == 11
    assert ids.taken == 20_040
    assert sum(ids.since(20_000).counts) == 11, "the others are forgotten"
    assert ids.check(SHOP, "later 39", 2, 59_000) == REUSED
