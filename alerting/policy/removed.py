"""What the configuration has no longer: rules of alerts, receivers and accounts they were on their way to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerting.policy import life
from alerting.policy.rulings import OWN_RULES
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


def reroute(books: Ledger, at_ms: int) -> None:
    """Tell anew what was on its way to a receiver or account that is configured no longer."""
    known = {(r.name, account) for r in books.policy.receivers.values() for account in r.accounts}
    for alert in list(books.alerts.values()):
        if all((way.receiver, way.account) in known for way in alert.ways):
            continue
        life.withdraw(books, alert, at_ms, "its receiver or account is configured no longer")
        if alert.over:
            books.leave(alert)
        else:
            life.begin(books, alert.key, alert, msgspec.structs.replace(alert.transition, at_ms=at_ms))
