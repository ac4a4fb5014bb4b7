"""Alerts of rules that are in force no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.policy.route import OWN_RULES
from rules.machine import Reason

if TYPE_CHECKING:
    from alerting.policy.ledger import Ledger
    from rules.transition import Transition


def removals(books: Ledger, at_ms: int) -> list[Transition]:
    """The ends of alerts whose rule is gone and whose shard kept no state that could say so.

    That is so after a crash: the alert was stored with its step, the state it came from was not yet, and the
    log is folded again without the rule.
    """
    rules = books.policy.rules
    if rules is None:
        return []
    open_now = (alert.transition for alert in books.alerts.values() if not alert.over)
    gone = [t for t in open_now if t.rule not in rules and t.rule not in OWN_RULES]
    return [
        msgspec.structs.replace(
            t,
            at_ms=max(at_ms, t.at_ms),
            from_state=t.to_state,
            to_state="ok",
            verdict="ok",
            reason=Reason.RULE_REMOVED.value,
            items=(),
        )
        for t in gone
    ]
