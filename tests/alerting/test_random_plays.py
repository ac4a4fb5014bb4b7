"""Random days of a desk: whoever was told that an alert fires hears of its end, once; nothing is left behind.

Severities rise and fall by different routes, alerts are taken, closed and silenced, accounts fail, receipts
come late, sources go blind and alerting.yaml changes. ``TEST_SEEDS`` says how many days (20), ``TEST_SEED``
the first.
"""

import os
import random

import pytest

from tests.alerting.desk_plays import Play, ms, shown

SEEDS = int(os.environ.get("TEST_SEEDS", "20"))
FIRST = int(os.environ.get("TEST_SEED", "0"))
SHOPS = ("s1", "a1", "b1")
TREE = """
    route:
      routes:
        - {match: {severity: crit}, receivers: [leads], escalate: up}
        - {match: {tier: A}, receivers: [managers, duty], mute: [night]}
        - {match: {}, receivers: [managers], mute: [night], escalate: slow}
    mute_times: {night: {when: [{hours: ["22:00-08:00"]}]}}
    escalations:
      up: [{after: 3m, receivers: [duty], unaccepted: 1m}, {after: 10m, receivers: [phones]}]
      slow: [{after: 20m, receivers: [duty]}]
    acknowledge: {holds: 20m, remind: 2m}
"""
OTHERS = (
    TREE,
    TREE.replace("22:00-08:00", "10:00-12:00").replace("after: 3m", "after: 5m"),
    TREE.replace("receivers: [leads]", "receivers: [managers]"),
)
PAUSES_S = (0, 0, 1, 1, 29, 30, 31, 60, 180, 600, 1_200, 7_200)


class Day(Play):
    """A play that keeps what each receiver believes of each firing."""

    def __init__(self, seed):
        super().__init__(TREE)
        self.random = random.Random(seed)
        self.now = ms(f"{self.random.randrange(24):02d}:{self.random.randrange(60):02d}")
        self.belief = {}  # (incident, receiver, account) → fires, over, or ? after a receipt
        self.state = dict.fromkeys(SHOPS, "ok")

    def tell(self, account, draft):
        for ready in draft.items if account not in self.refused else ():
            intent = ready.intent
            who = intent.incident, intent.receiver, account
            if intent.kind in ("resolved", "ended"):
                knew = self.belief.get(who) in ("fires", "?") or ready.missed
                assert knew, f"{shown(self.now)}: the end of what {who} did not know of"
                self.belief[who] = "over"
            else:
                self.belief[who] = "fires"
        super().tell(account, draft)

    def step(self):
        pick, shop = self.random.choice, self.random.choice(SHOPS)
        roll = self.random.randrange(100)
        if roll < 45:
            to = pick(
                ("warn", "crit") if self.state[shop] == "ok" else ("warn", "crit", "holding", "ok", "ended")
            )
            self.state[shop] = "ok" if to in ("ok", "ended") else to
            self.do(shop, to)
        elif roll < 55:
            self.do("ack", shop, "li", *pick([(), ("5m",)]))
        elif roll < 59:
            self.do("close", shop, "li")
        elif roll < 66:
            what = pick((f"shop=*:{shop}", "severity=warn", "rule=*"))
            self.do("silence", f"q{self.random.randrange(3)}", what, pick(("2m", "30m", "resolved")))
        elif roll < 70:
            self.do("unsilence", f"q{self.random.randrange(3)}")
        elif roll < 78:
            self.do(pick(("down", "up", "up")), pick(("bot", "lead", "app", "sms")))
        elif roll < 82:
            self.do("source", "erp", pick(("crit", "ok")))
        elif roll < 87 and self.last:
            self.receipt(pick(sorted(self.last)), pick(("failed", "delivered")))
        elif roll < 91:
            self.use(pick(OTHERS))
        else:
            self.do("tick")

    def receipt(self, account, state):
        receiver = self.last[account].receiver
        for who in self.belief:
            if who[1:] == (receiver, account):
                self.belief[who] = "?"
        self.do("receipt", account, state)

    def close(self):
        """Everything ends, everything is released, and days go by."""
        self.down.clear()
        for name in ("q0", "q1", "q2"):
            self.do("unsilence", name)
        self.do("source", "erp", "ok")
        for shop in SHOPS:
            if self.state[shop] != "ok":
                self.do(shop, "ok")
        self.pass_to(self.now + 3 * 86_400_000)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_who_is_told_that_it_fires_hears_of_its_end_once(seed):
    day = Day(seed)
    for _ in range(day.random.randrange(5, 60)):
        day.pass_to(day.now + day.random.choice(PAUSES_S) * 1_000)
        day.step()
        day.send()
    day.close()
    assert [who for who, knows in day.belief.items() if knows == "fires"] == []
    assert day.desk.intents == {}
    assert day.desk.desk().books.alerts == {}
