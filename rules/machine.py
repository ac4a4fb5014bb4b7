"""The state machine of an alert: one pure step from state, verdict and time to state and change.

Live, in tests and in back-tests this is the one function that moves an alert. States: ok (kept as None),
pending (a level holds, not yet for long enough), firing, holding (no level holds any more, not yet clear),
ended (the day is over). Times are epoch milliseconds on whole seconds of the shard's clock; 0 is never.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import xxhash

from rules.pack import Text
from rules.transition import Facts, Item, RuleState, Transition

if TYPE_CHECKING:
    from rules.judge import Judgement
    from rules.rule import Level, Rule


class Reason(StrEnum):
    """Why an alert changed its state."""

    REACHED = "reached"
    ROSE = "rose"
    FELL = "fell"
    RETURNED = "returned"
    EASED = "eased"
    CLEARED = "cleared"
    TOO_FEW = "too_few"
    GONE = "gone"
    PASSED = "passed"
    LATE_REPLY = "late_reply"
    SILENT = "silent"
    HEARD = "heard"
    UPDATE = "update"
    DAY_ENDED = "day_ended"
    RULE_REMOVED = "rule_removed"


REASON_TEXTS: Final[dict[Reason, Text]] = {
    Reason.REACHED: Text("达到告警条件", "the condition holds"),
    Reason.ROSE: Text("升为严重", "rose to critical"),
    Reason.FELL: Text("降为警告", "fell to a warning"),
    Reason.RETURNED: Text("再次达到告警条件", "the condition holds again"),
    Reason.EASED: Text("好转，等待确认恢复", "eased, not yet clear"),
    Reason.CLEARED: Text("已恢复", "cleared"),
    Reason.TOO_FEW: Text("样本不足，不再判断，并非已恢复", "too few to judge by, not recovered"),
    Reason.GONE: Text("会话已答复或已超时", "the conversations were answered or lost"),
    Reason.PASSED: Text("未持续到告警时长", "passed before it had held long enough"),
    Reason.LATE_REPLY: Text("回复记录晚到，超时已撤回", "reply arrived late, the miss is taken back"),
    Reason.SILENT: Text("来源没有数据", "nothing heard from the source"),
    Reason.HEARD: Text("来源恢复数据", "the source is heard again"),
    Reason.UPDATE: Text("会话有变化", "the conversations changed"),
    Reason.DAY_ENDED: Text("考核日结束", "the service day ended"),
    Reason.RULE_REMOVED: Text("规则已移除", "rule removed"),
}

_RANK: Final = {"": 0, "warn": 1, "crit": 2}


class Change(NamedTuple):
    """What a step did to an alert."""

    from_state: str
    to_state: str
    severity: str
    reason: Reason
    since_ms: int  # when the alert began to fire; 0: not yet


def step(
    rule: Rule,
    state: RuleState | None,
    judgement: Judgement,
    now_ms: int,
    *,
    retracted: bool = False,
) -> tuple[RuleState | None, Change | None]:
    """Move an alert to ``now_ms``.

    Args:
        rule: the rule, for its durations.
        state: None while all is well.
        judgement: of the reading at ``now_ms``; verdict ``unknown`` stops every clock of the alert.
        now_ms: a whole second, never less than at the step before.
        retracted: a late-arriving answer took a miss back at this second.

    Returns:
        The new state, the same object when nothing moved, and what changed, if anything did.
    """
    if state is None:
        if not judgement.severity:
            return None, None
        return _hold(rule, RuleState("ok"), judgement, now_ms)
    if judgement.verdict == "unknown":
        if state.paused_ms:
            return state, None
        return msgspec.structs.replace(state, paused_ms=now_ms, due_ms=0), None
    if state.paused_ms:
        state = _resumed(state, now_ms)
    if judgement.severity:
        return _hold(rule, state, judgement, now_ms)
    return _ease(rule, state, judgement, now_ms, retracted=retracted)


def close(state: RuleState, reason: Reason) -> Change:
    """What the end of the day (``DAY_ENDED``) or rule (``RULE_REMOVED``) does to an alert; its state goes."""
    ended = reason is Reason.DAY_ENDED and state.state != "pending"
    return Change(state.state, "ended" if ended else "ok", state.severity, reason, state.fired_ms)


def transition(
    rule: Rule,
    subject: dict[str, str],
    change: Change,
    judgement: Judgement,
    facts: Facts,
    at_ms: int,
    *,
    after_the_fact: bool = False,
) -> Transition:
    """The transition that tells of a change; the shard adds its place in the log."""
    return Transition(
        at_ms=at_ms,
        rule=rule.id,
        subject=subject,
        from_state=change.from_state,
        to_state=change.to_state,
        severity=change.severity,
        verdict=judgement.verdict,
        reason=change.reason.value,
        since_ms=change.since_ms,
        facts=facts,
        items=judgement.items,
        notify=rule.notify,
        shadow=rule.shadow,
        after_the_fact=after_the_fact,
    )


def _hold(rule: Rule, state: RuleState, judgement: Judgement, now_ms: int) -> tuple[RuleState, Change | None]:
    """A level holds: pend, fire, rise, fall, or stay."""
    bad_since_ms = state.bad_since_ms or now_ms
    crit_since_ms = (state.crit_since_ms or now_ms) if judgement.severity == "crit" else 0
    warn_due_ms = bad_since_ms + _for_ms(rule.warn)
    crit_due_ms = crit_since_ms + _for_ms(rule.crit)
    severity = _reached(rule, state, judgement, now_ms, warn_due_ms, crit_due_ms)

    due_ms = 0
    if judgement.severity == "crit" and severity != "crit":
        due_ms = crit_due_ms
    if not severity and rule.warn:
        due_ms = _sooner(due_ms, warn_due_ms)

    to_state = "firing" if severity else "pending"
    reason = _reason_to_hold(rule, state, to_state, severity)
    told_ms, told_items = state.told_ms, state.told_items
    if severity and judgement.items:
        items = _items_hash(judgement.items)
        if items != told_items and reason is None:
            if now_ms >= told_ms + rule.interval_ms:
                reason = Reason.UPDATE
            else:
                due_ms = _sooner(due_ms, told_ms + rule.interval_ms)
        if reason:
            told_ms, told_items = now_ms, items

    if (
        reason is None  # so neither state nor severity moved, nor what was told
        and due_ms == state.due_ms
        and bad_since_ms == state.bad_since_ms
        and crit_since_ms == state.crit_since_ms
    ):
        return state, None
    after = RuleState(
        state=to_state,
        severity=severity,
        due_ms=due_ms,
        bad_since_ms=bad_since_ms,
        crit_since_ms=crit_since_ms,
        fired_ms=state.fired_ms or (now_ms if severity else 0),
        told_ms=told_ms,
        told_items=told_items,
    )
    change = Change(state.state, to_state, severity, reason, after.fired_ms) if reason else None
    return after, change


def _sooner(due_ms: int, other_ms: int) -> int:
    """The sooner of two moments, of which 0 is never."""
    return min(due_ms, other_ms) if due_ms else other_ms


def _reached(
    rule: Rule, state: RuleState, judgement: Judgement, now_ms: int, warn_due_ms: int, crit_due_ms: int
) -> str:
    """The severity that has held for long enough; an alert that fires stays at it without a new wait."""
    if rule.no_data:
        return judgement.severity
    if judgement.severity == "crit" and (state.severity == "crit" or now_ms >= crit_due_ms):
        return "crit"
    return "warn" if rule.warn and (state.severity or now_ms >= warn_due_ms) else ""


def _reason_to_hold(rule: Rule, state: RuleState, to_state: str, severity: str) -> Reason | None:
    if state.state == to_state and state.severity == severity:
        return None
    rise = _RANK[severity] - _RANK[state.severity]
    if state.state == "firing":
        return Reason.ROSE if rise > 0 else Reason.FELL
    if state.state == "holding":
        return Reason.ROSE if rise > 0 else Reason.RETURNED
    return Reason.SILENT if rule.no_data else Reason.REACHED


def _ease(
    rule: Rule, state: RuleState, judgement: Judgement, now_ms: int, *, retracted: bool
) -> tuple[RuleState | None, Change | None]:
    """No level holds: forget what pended, hold what fired until it is clear for long enough."""
    if state.state == "pending":
        return None, Change("pending", "ok", "", Reason.PASSED, 0)
    retracted = state.retracted or (retracted and state.state == "firing")
    quiet_since_ms = state.quiet_since_ms or now_ms
    clear_since_ms = (state.clear_since_ms or now_ms) if judgement.clear else 0
    due_ms = max(clear_since_ms + _for_ms(rule.clear), quiet_since_ms + rule.keep_firing_for_ms)
    if judgement.clear and now_ms >= due_ms:
        reason = Reason.LATE_REPLY if retracted else _reason_to_clear(rule, judgement)
        return None, Change(state.state, "ok", state.severity, reason, state.fired_ms)
    if not judgement.clear:
        due_ms = 0
    if state.state == "holding" and clear_since_ms == state.clear_since_ms and due_ms == state.due_ms:
        return state, None  # quiet since it holds, and what eased it is known since then
    after = RuleState(
        state="holding",
        severity=state.severity,
        due_ms=due_ms,
        fired_ms=state.fired_ms,
        quiet_since_ms=quiet_since_ms,
        clear_since_ms=clear_since_ms,
        told_ms=state.told_ms,
        told_items=state.told_items,
        retracted=retracted,
    )
    if state.state == "firing":
        return after, Change("firing", "holding", state.severity, Reason.EASED, state.fired_ms)
    return after, None


def _reason_to_clear(rule: Rule, judgement: Judgement) -> Reason:
    if judgement.verdict == "too_few":
        return Reason.TOO_FEW
    return Reason.HEARD if rule.no_data else Reason.CLEARED


def _for_ms(level: Level | None) -> int:
    return level.for_ms if level else 0


def _resumed(state: RuleState, now_ms: int) -> RuleState:
    """The state with every running clock moved on by the time for which it was paused."""
    by_ms = now_ms - state.paused_ms
    moved = {name: getattr(state, name) + by_ms for name in _CLOCKS if getattr(state, name)}
    return msgspec.structs.replace(state, paused_ms=0, **moved)


_CLOCKS: Final = ("due_ms", "bad_since_ms", "crit_since_ms", "quiet_since_ms", "clear_since_ms")


def _items_hash(items: tuple[Item, ...]) -> int:
    """Which conversations these are, as a number that is the same on every machine."""
    text = "\n".join(f"{item.conversation_id}\t{item.ask_ms}" for item in items)
    return xxhash.xxh64_intdigest(text.encode())
