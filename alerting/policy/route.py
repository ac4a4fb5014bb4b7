"""Who is told of an alert: from a rule's ``notify`` to receivers and their accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.policy.group import group_key
from alerting.policy.records import Intent, alert_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.transition import Transition

# The desk's own alert on an account that stopped working; its subject is {"account": name}.
CHANNEL_RULE = "slawatch-channel"
# The daemon's own alert that nothing is judged, since its log takes no tick; told without a record.
JOURNAL_RULE = "slawatch-journal"
OWN_RULES = frozenset({CHANNEL_RULE, JOURNAL_RULE})


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody to tell, and how often. Durations in milliseconds.

    Alerts whose ``group_by`` values are equal share a message: a warning waits ``group_wait_ms`` for
    company, and the next message of its group comes ``group_interval_ms`` later at the earliest.
    ``group_by`` names ``rule``, ``severity``, ``platform`` or a name of the subject.
    """

    name: str
    accounts: tuple[str, ...]
    group_by: tuple[str, ...] = ("rule",)
    group_wait_ms: int = 30_000
    group_interval_ms: int = 120_000
    repeat_interval_ms: int = 14_400_000
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class Policy:
    """All the desk decides by. ``routes`` give a ``notify`` label several receivers."""

    receivers: Mapping[str, Receiver]
    default: str
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    self_receiver: str = ""  # of alerts about slawatch itself; empty: the default receiver
    sources: Mapping[str, str] = field(default_factory=dict)  # shop → the source its events come from
    rules: frozenset[str] | None = None  # those in force; None: not known, and none is taken for removed
    digest_after_ms: int = 32_400_000  # ended days are named 9 h after midnight, or in a digest before


@dataclass(frozen=True, slots=True)
class Route:
    """Where an alert goes, and why there."""

    ways: tuple[tuple[Receiver, str], ...]  # receiver, account
    reason: str


def route(policy: Policy, transition: Transition) -> Route:
    """Find who is told of ``transition``.

    A name that no receiver or route bears goes to the default receiver: nothing is lost by a typing error.
    """
    if transition.rule == CHANNEL_RULE:
        return _round_about(policy, transition.subject["account"])
    label = policy.self_receiver if transition.rule == JOURNAL_RULE else transition.notify
    names = policy.routes.get(label) or ((label,) if label in policy.receivers else ())
    reason = f"notify: {label}"
    if not names:
        names = (policy.default,)
        reason = f"no receiver {label!r}, so the default" if label else "the default receiver"
    receivers = [policy.receivers[name] for name in names]
    ways = tuple((receiver, account) for receiver in receivers for account in receiver.accounts)
    return Route(ways, f"{reason} → {', '.join(f'{r.name} on {account}' for r, account in ways) or 'nobody'}")


def _round_about(policy: Policy, broken: str) -> Route:
    """Tell of a broken account over the others: the operator's receiver first, else anybody's."""
    own = policy.receivers[policy.self_receiver or policy.default]
    for receiver in (own, *policy.receivers.values()):
        ways = tuple((receiver, account) for account in receiver.accounts if account != broken)
        if ways:
            return Route(ways, f"{broken} is broken → {receiver.name} on {', '.join(a for _, a in ways)}")
    return Route((), f"{broken} is broken and there is no other account")


def first_intents(policy: Policy, t: Transition) -> list[Intent]:
    """The intents that the desk will make of a transition to critical, before it can be asked.

    They have the ids the desk gives them, so that its own are known as repeats later.
    """
    if t.to_state != "firing" or t.severity != "crit" or t.shadow or t.reason == "update":
        return []
    key = alert_key(t.rule, t.subject)
    return [
        Intent(
            id=f"{t.shard}.{t.position}.{t.n}-{number}",
            alert=key,
            incident=f"{key}@{t.since_ms or t.at_ms}",
            receiver=receiver.name,
            account=account,
            group=group_key(receiver, t),
            kind="fire",
            severity=t.severity,
            created_ms=t.at_ms,
            not_before_ms=t.at_ms,
            transition=t,
        )
        for number, (receiver, account) in enumerate(route(policy, t).ways)
    ]
