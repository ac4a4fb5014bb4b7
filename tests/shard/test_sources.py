"""What a shard says of its sources, told second by second."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.engine.events import Event
from monitor.engine.records import Record
from monitor.rulebook import Plan, SourcePlan
from monitor.shard.shard import Shard
from rules.load import load_packs, load_rules, starter_rules
from rules.pack import Text
from rules.rule import Compare, Level, Rule, RuleSet

NOON_MS = int(datetime(2026, 11, 11, 4, 0, tzinfo=UTC).timestamp() * 1000)  # 12:00 in Shanghai
MINUTE_MS = 60_000
NEAR = Level(Compare("seconds_left", "<=", (80_000, 1), "<= 80"))
COUNTDOWN = Rule("countdown", Text("countdown"), measure="reply_rate_3m", each="conversation", warn=NEAR)


class Log:
    """A shard and the log it is given: ticks each second, events when said."""

    def __init__(self, **sources: SourcePlan) -> None:
        packs = load_packs()
        rules = RuleSet(load_rules(starter_rules(), packs).rules | {"countdown": COUNTDOWN})
        self.shard = Shard(Plan(packs, rules, sources=sources))
        self.now_ms = NOON_MS
        self.position = 0
        self.told: list[tuple[int, str, str, str]] = []  # minutes since noon, rule, state, reason

    def put(self, *events: Event, source: str = "") -> None:
        heard = None if events else {}
        outputs = self.shard.step([Record(self.position, self.now_ms, list(events), source, heard)])
        self.position += 1
        for t in outputs.transitions:
            if "source" in t.subject or t.rule == "countdown":
                self.told.append(((t.at_ms - NOON_MS) // MINUTE_MS, t.rule, t.to_state, t.reason))

    def tick(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_ms += 1000
            self.put()

    def ask(self, customer: str) -> None:
        ids = {"shop_id": "s1", "conversation_id": customer, "customer_id": customer}
        event = Event(
            type="message", id=f"{customer} {self.now_ms}", at=self.now_ms, platform="pinduoduo", **ids
        )
        event.actor = "customer"
        self.put(event, source="erp")


def test_a_source_that_is_silent_by_nature_is_not_paged_for_every_quiet_five_minutes():
    log = Log(erp=SourcePlan(silent_after_ms=60 * MINUTE_MS))
    log.ask("u1")
    log.tick(59 * 60)
    assert [told for told in log.told if told[1] == "source-silent"] == []
    log.tick(3 * 60)
    assert [told for told in log.told if told[1] == "source-silent"] == [
        (60, "source-silent", "firing", "silent")
    ]


def test_a_source_that_promised_heartbeats_and_was_never_heard_is_told_of():
    log = Log(never=SourcePlan(promised_ms=10_000))
    log.tick(6 * 60)
    assert log.told == [(5, "source-silent", "firing", "silent")]


def test_service_hours_that_end_do_not_mend_a_silent_source():
    """It went blind at noon: closing at 23:00 and opening at 08:00 mend nothing, its first event does."""
    log = Log(erp=SourcePlan(promised_ms=10_000))
    log.ask("u1")
    log.tick(6 * 60)
    for hour in range(1, 22):
        log.now_ms = NOON_MS + hour * 60 * MINUTE_MS
        log.tick(4)
    silent = [told for told in log.told if told[1] == "source-silent"]
    assert silent == [(5, "source-silent", "firing", "silent")]
    log.ask("u2")
    log.tick(2)
    assert [told[2:] for told in log.told if told[1] == "source-silent"][-1] == ("ok", "heard")


def test_a_lost_conversation_ends_its_alert_without_a_recovery():
    log = Log(erp=SourcePlan(silent_after_ms=60 * MINUTE_MS))
    log.ask("u1")
    log.tick(200)
    assert [told[2:] for told in log.told][-1] == ("ok", "gone")


def test_no_countdown_runs_on_while_the_source_is_blind():
    log = Log(erp=SourcePlan(promised_ms=10_000))
    log.ask("u1")
    log.tick(200)
    assert [told for told in log.told if told[1] == "countdown"] == []
