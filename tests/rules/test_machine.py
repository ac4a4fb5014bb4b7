"""The state machine: what an alert does over time, told as the transitions a person would see."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rules.judge import CRIT, NOT_CLEAR, OK, PARTIAL, TOO_FEW, UNKNOWN, WARN, Judgement
from rules.machine import REASON_TEXTS, Change, Reason, close, step, transition
from rules.rule import Compare, Level, NoData, Rule
from rules.transition import Facts, Item, RuleState

ANYTHING = Compare("late", ">=", (1, 1), ">= 1")
START = 1_800_000_000_000
SILENT = Judgement("no_data", "crit", clear=False)


def level(seconds: int = 0) -> Level:
    return Level(ANYTHING, for_ms=seconds * 1000)


def rule(
    warn: int | None = 0, crit: int | None = 0, clear: int | None = None, keep: int = 0, **more: Any
) -> Rule:
    """A rule with the given ``for`` of each level, in seconds; None: no such level."""
    levels = {"warn": warn, "crit": crit, "clear": clear}
    made = {name: level(seconds) for name, seconds in levels.items() if seconds is not None}
    return Rule("r", keep_firing_for_ms=keep * 1000, **made, **more)


def story(a_rule: Rule, *told: tuple[int, Judgement], **flags: Any) -> list[tuple[int, str, str, str, str]]:
    """Judge at the given seconds, and at every second a timer asks for; what changed, and when."""
    state: RuleState | None = None
    changes = []
    pending = list(told)
    judgement, now = OK, 0
    while pending or (state and state.due_ms):
        due = (state.due_ms - START) // 1000 if state and state.due_ms else None
        if pending and (due is None or pending[0][0] <= due):
            now, judgement = pending.pop(0)
        else:
            assert due is not None
            assert due > now, "a timer asks for a second that is over"
            now = due
        state, change = step(a_rule, state, judgement, START + now * 1000, **flags)
        if change:
            changes.append((now, change.from_state, change.to_state, change.severity, str(change.reason)))
    return changes


def test_without_for_an_alert_fires_at_once_and_resolves_at_once():
    assert story(rule(), (0, WARN), (9, OK)) == [
        (0, "ok", "firing", "warn", "reached"),
        (9, "firing", "ok", "warn", "cleared"),
    ]


def test_for_is_waited_out_to_the_second_with_nothing_else_happening():
    assert story(rule(warn=60), (5, WARN)) == [
        (5, "ok", "pending", "", "reached"),
        (65, "pending", "firing", "warn", "reached"),
    ]


def test_what_passes_before_its_time_never_fires():
    assert story(rule(warn=60), (5, WARN), (64, OK), (65, WARN), (120, OK)) == [
        (5, "ok", "pending", "", "reached"),
        (64, "pending", "ok", "", "passed"),
        (65, "ok", "pending", "", "reached"),
        (120, "pending", "ok", "", "passed"),
    ]


def test_a_rise_is_told_at_once_and_a_fall_too_inside_one_alert():
    assert story(rule(), (0, WARN), (10, CRIT), (20, WARN), (30, OK)) == [
        (0, "ok", "firing", "warn", "reached"),
        (10, "firing", "firing", "crit", "rose"),
        (20, "firing", "firing", "warn", "fell"),
        (30, "firing", "ok", "warn", "cleared"),
    ]


def test_crit_waits_its_own_for_and_counts_as_warn_meanwhile():
    assert story(rule(warn=10, crit=30), (0, CRIT)) == [
        (0, "ok", "pending", "", "reached"),
        (10, "pending", "firing", "warn", "reached"),
        (30, "firing", "firing", "crit", "rose"),
    ]


def test_crit_without_for_overtakes_a_warn_that_waits():
    assert story(rule(warn=60), (0, WARN), (10, CRIT)) == [
        (0, "ok", "pending", "", "reached"),
        (10, "pending", "firing", "crit", "reached"),
    ]


def test_clear_holds_back_the_end_and_has_its_own_for():
    """Between warn and clear the alert holds; clear must last 300 s; the end comes at 420."""
    assert story(rule(clear=300), (0, WARN), (60, NOT_CLEAR), (120, OK)) == [
        (0, "ok", "firing", "warn", "reached"),
        (60, "firing", "holding", "warn", "eased"),
        (420, "holding", "ok", "warn", "cleared"),
    ]


def test_clear_starts_anew_when_it_is_broken():
    assert story(rule(clear=300), (0, WARN), (60, OK), (200, NOT_CLEAR), (260, OK))[-1] == (
        560,
        "holding",
        "ok",
        "warn",
        "cleared",
    )


def test_keep_firing_for_bridges_a_gap():
    assert story(rule(keep=300), (0, WARN), (60, OK), (100, WARN), (110, OK)) == [
        (0, "ok", "firing", "warn", "reached"),
        (60, "firing", "holding", "warn", "eased"),
        (100, "holding", "firing", "warn", "returned"),
        (110, "firing", "holding", "warn", "eased"),
        (410, "holding", "ok", "warn", "cleared"),
    ]


def test_an_alert_returns_at_the_severity_of_the_moment():
    changes = story(rule(keep=300), (0, CRIT), (60, OK), (70, WARN), (80, OK), (90, CRIT), (99, OK))
    assert changes[2][1:] == ("holding", "firing", "warn", "returned")
    assert changes[4][1:] == ("holding", "firing", "crit", "rose")


def test_a_critical_alert_returns_as_one_without_waiting_its_for_again():
    changes = story(rule(warn=None, crit=30, keep=300), (0, CRIT), (60, OK), (70, CRIT), (71, CRIT))
    assert changes[2:] == [
        (60, "firing", "holding", "crit", "eased"),
        (70, "holding", "firing", "crit", "returned"),
    ]
    changes = story(rule(crit=30, keep=300), (0, CRIT), (60, OK), (70, CRIT), (71, CRIT))
    assert changes[-1] == (70, "holding", "firing", "crit", "returned")


def test_partial_and_too_few_end_an_alert_as_ok_does_but_too_few_says_so():
    for verdict, reason in ((PARTIAL, "cleared"), (TOO_FEW, "too_few")):
        assert story(rule(), (0, WARN), (9, verdict))[-1] == (9, "firing", "ok", "warn", reason)


def test_blind_time_does_not_count_toward_for():
    """Pending at 0, blind from 20 to 120: of 60 s only 20 had passed, so it fires at 160."""
    assert story(rule(warn=60), (0, WARN), (20, UNKNOWN), (120, WARN)) == [
        (0, "ok", "pending", "", "reached"),
        (160, "pending", "firing", "warn", "reached"),
    ]


def test_blind_time_neither_ends_an_alert_nor_begins_one():
    assert story(rule(), (0, UNKNOWN), (50, OK)) == []
    changes = story(rule(clear=60), (0, WARN), (10, OK), (20, UNKNOWN), (500, OK))
    assert changes[-1] == (550, "holding", "ok", "warn", "cleared")


def test_a_reply_that_arrived_late_is_the_reason_also_when_clear_takes_its_time():
    a_rule = rule(clear=60)
    state, _ = step(a_rule, None, WARN, START)
    state, change = step(a_rule, state, OK, START + 5_000, retracted=True)
    assert change == Change("firing", "holding", "warn", Reason.EASED, START)
    state, change = step(a_rule, state, OK, START + 65_000)
    assert state is None
    assert change == Change("holding", "ok", "warn", Reason.LATE_REPLY, START)


def test_a_miss_after_a_retraction_makes_it_an_ordinary_alert_again():
    a_rule = rule(clear=60)
    state, _ = step(a_rule, None, WARN, START)
    state, _ = step(a_rule, state, OK, START + 5_000, retracted=True)
    state, _ = step(a_rule, state, WARN, START + 6_000)
    state, _ = step(a_rule, state, OK, START + 7_000)
    _, change = step(a_rule, state, OK, START + 67_000)
    assert change is not None
    assert change.reason is Reason.CLEARED


def test_a_retraction_after_it_had_eased_is_not_its_reason():
    a_rule = rule(clear=60)
    state, _ = step(a_rule, None, WARN, START)
    state, _ = step(a_rule, state, OK, START + 5_000)
    state, _ = step(a_rule, state, OK, START + 6_000, retracted=True)
    _, change = step(a_rule, state, OK, START + 65_000)
    assert change is not None
    assert change.reason is Reason.CLEARED


def test_a_silent_source_fires_and_is_heard_again():
    a_rule = Rule("r", each="source", no_data=NoData(300_000))
    assert story(a_rule, (300, SILENT), (400, OK)) == [
        (300, "ok", "firing", "crit", "silent"),
        (400, "firing", "ok", "crit", "heard"),
    ]


def items(*names: str) -> Judgement:
    listed = tuple(Item(name, "c", START, START + 180_000) for name in names)
    return Judgement("warn", "warn", clear=False, items=listed)


def test_items_are_told_at_once_and_then_at_most_once_an_interval():
    a_rule = rule(each="conversation")
    told = (
        (0, items("a")),
        (5, items("a", "b")),
        (12, items("b")),
        (70, items("b", "c")),
        (71, items("b", "c")),
    )
    assert story(a_rule, *told) == [
        (0, "ok", "firing", "warn", "reached"),
        (30, "firing", "firing", "warn", "update"),
        (70, "firing", "firing", "warn", "update"),
    ]


def test_items_that_are_the_same_again_at_the_interval_are_not_told():
    a_rule = rule(each="conversation")
    assert len(story(a_rule, (0, items("a")), (5, items("a", "b")), (12, items("a")), (99, items("a")))) == 1


def test_the_day_ends_an_alert_but_only_drops_what_pended():
    assert close(RuleState("firing", "crit", fired_ms=5), Reason.DAY_ENDED) == Change(
        "firing", "ended", "crit", Reason.DAY_ENDED, 5
    )
    assert close(RuleState("holding", "warn", fired_ms=5), Reason.DAY_ENDED).to_state == "ended"
    assert close(RuleState("pending"), Reason.DAY_ENDED).to_state == "ok"


def test_a_removed_rule_resolves_its_alert_and_says_so():
    change = close(RuleState("firing", "crit", fired_ms=5), Reason.RULE_REMOVED)
    assert change == Change("firing", "ok", "crit", Reason.RULE_REMOVED, 5)
    assert REASON_TEXTS[change.reason].en == "rule removed"


def test_every_reason_has_words_in_both_languages():
    assert set(REASON_TEXTS) == set(Reason)
    assert all(text.zh and text.en for text in REASON_TEXTS.values())


def test_a_transition_carries_what_the_desk_needs():
    a_rule = rule(notify="managers", shadow=True)
    _, change = step(a_rule, None, items("a"), START)
    assert change is not None
    told = transition(a_rule, {"shop": "p:s"}, change, items("a"), Facts(late=1), START, after_the_fact=True)
    assert (told.rule, told.subject, told.from_state, told.to_state) == ("r", {"shop": "p:s"}, "ok", "firing")
    assert (told.verdict, told.reason, told.since_ms, told.notify) == ("warn", "reached", START, "managers")
    assert (told.shadow, told.after_the_fact, told.facts.late, len(told.items)) == (True, True, 1, 1)


def test_a_state_is_kept_as_a_compact_row():
    state, _ = step(rule(each="conversation"), None, items("a"), START)
    row = msgspec.msgpack.encode(state)
    assert len(row) < 64
    assert msgspec.msgpack.decode(row, type=RuleState) == state


# properties

JUDGEMENTS = {
    "ok": OK,
    "not_clear": NOT_CLEAR,
    "partial": PARTIAL,
    "too_few": TOO_FEW,
    "unknown": UNKNOWN,
    "warn": WARN,
    "crit": CRIT,
}
seconds = st.integers(0, 12)
rules_ = st.builds(
    rule,
    warn=st.one_of(st.none(), seconds),
    crit=seconds,
    clear=st.one_of(st.none(), seconds),
    keep=seconds,
)
verdicts = st.lists(
    st.tuples(st.integers(1, 15), st.sampled_from(sorted(JUDGEMENTS))), min_size=1, max_size=25
)


def run(a_rule: Rule, timeline: list[str], at: set[int]) -> list[tuple[int, Change]]:
    """Judge a verdict a second, at the seconds of ``at`` and whenever a timer is due."""
    state: RuleState | None = None
    changes = []
    for second, name in enumerate(timeline):
        now_ms = START + second * 1000
        if second in at or (state and state.due_ms == now_ms):
            state, change = step(a_rule, state, JUDGEMENTS[name], now_ms)
            if change:
                changes.append((second, change))
    return changes


def spread(told: list[tuple[int, str]]) -> tuple[list[str], set[int]]:
    """A verdict for every second, and the seconds at which it changed."""
    timeline = [name for length, name in told for _ in range(length)]
    changed = {second for second, name in enumerate(timeline) if second == 0 or timeline[second - 1] != name}
    return timeline, changed


@given(rules_, verdicts, st.sets(st.integers(0, 400)))
def test_judging_at_extra_seconds_changes_nothing(a_rule, told, extra):
    timeline, changed = spread(told)
    plain = run(a_rule, timeline, changed)
    assert run(a_rule, timeline, changed | extra) == plain
    assert run(a_rule, timeline, set(range(len(timeline)))) == plain


@given(rules_, verdicts)
def test_transitions_are_chained_and_each_is_a_change(a_rule, told):
    timeline, changed = spread(told)
    state, severity = "ok", ""
    for _, change in run(a_rule, timeline, changed):
        assert change.from_state == state
        assert (change.to_state, change.severity) != (state, severity)
        state, severity = change.to_state, change.severity


@given(rules_, verdicts)
def test_for_is_never_early_or_late_by_a_second(a_rule, told):
    """By definition: a level fires at the first second by which it has held, without a break, for its ``for``
    of known seconds."""
    timeline, changed = spread(told)
    held = {"warn": -1, "crit": -1}  # known seconds for which the level has held; -1: it does not
    alerting = False
    changes = dict(run(a_rule, timeline, changed))
    for second, name in enumerate(timeline):
        change = changes.get(second)
        if name != "unknown":
            held["warn"] = held["warn"] + 1 if name in ("warn", "crit") else -1
            held["crit"] = held["crit"] + 1 if name == "crit" else -1
            due = [
                severity
                for severity in ("warn", "crit")
                if (one := getattr(a_rule, severity)) and held[severity] >= one.for_ms // 1000
            ]
            if not alerting:
                fired = change is not None and change.to_state == "firing"
                assert fired == bool(due)
                if fired and change:
                    assert change.severity == due[-1]
        else:
            assert change is None
        if change:
            alerting = change.to_state in ("firing", "holding")


@given(rules_, verdicts)
def test_an_alert_ends_only_when_no_level_holds_and_it_is_clear(a_rule, told):
    timeline, changed = spread(told)
    for second, change in run(a_rule, timeline, changed):
        if change.to_state == "ok":
            assert timeline[second] in (
                "ok",
                "partial",
                "too_few",
                *(["not_clear"] * (change.from_state == "pending")),
            )


@given(rules_, verdicts)
def test_with_nothing_more_to_wait_for_there_is_no_timer(a_rule, told):
    """A timer, if set, lies ahead: the shard never spins."""
    timeline, _ = spread(told)
    state: RuleState | None = None
    for second, name in enumerate(timeline):
        now_ms = START + second * 1000
        state, _ = step(a_rule, state, JUDGEMENTS[name], now_ms)
        assert state is None or state.due_ms == 0 or state.due_ms > now_ms
