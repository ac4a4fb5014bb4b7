"""Who is told of an alert, and in what manner: from its labels through the tree of routes to accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from alerting.policy.group import group_key
from alerting.policy.match import labels_of, matches
from alerting.policy.records import Intent, alert_key
from alerting.policy.rulings import ACCOUNT_RULES, SELF_RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alerting.policy.rulings import Node, Policy, Receiver
    from rules.transition import Transition


class To(NamedTuple):
    """One way on which an alert is told: whom, over which account, by which node of the tree."""

    receiver: Receiver
    account: str
    node: str


class Route(NamedTuple):
    """Where an alert goes, and why there."""

    ways: tuple[To, ...]
    reason: str
    nodes: tuple[str, ...] = ()  # of the tree that it was led to


def route(policy: Policy, t: Transition) -> Route:
    """Find who is told of ``t``.

    A route that names no receivers leaves that to the rule's ``notify``; a name that no receiver or label
    bears goes to the default receiver: nothing is lost by a typing error.
    """
    if t.rule in ACCOUNT_RULES:
        return _round_about(policy, t.subject["account"])
    labels = labels_of(t, policy.shops, policy.sources)
    label = policy.self_receiver if t.rule in SELF_RULES else t.notify
    ways: dict[tuple[str, str], To] = {}
    reasons: list[str] = []
    nodes = list(walk(policy.tree, labels))
    for node in nodes:
        names, reason = (node.receivers, "") if node.receivers else _named(policy, label)
        new = [
            To(manner(policy, name, node.name), account, node.name)
            for name in names
            for account in policy.receivers[name].accounts
            if (name, account) not in ways
        ]
        ways |= {(to.receiver.name, to.account): to for to in new}
        said = ", ".join(part for part in (f"route {node.name}" if node.name else "", reason) if part)
        shown = ", ".join(f"{to.receiver.name} on {to.account}" for to in new) or "nobody else"
        reasons.append(f"{said or 'the first route'} → {shown}")
    return Route(tuple(ways.values()), "; ".join(reasons), tuple(node.name for node in nodes))


def walk(node: Node, labels: Mapping[str, str]) -> Iterator[Node]:
    """The nodes that an alert is led to: of the routes below one the first that matches.

    One that has ``continue`` lets those after it match too; where none matches, the node itself.
    """
    led = False
    for below in node.routes:
        if matches(below.match, labels):
            yield from walk(below, labels)
            led = True
            if not below.goes_on:
                break
    if not led:
        yield node


def manner(policy: Policy, name: str, node: str) -> Receiver:
    """A receiver with what a node of the tree says otherwise; the default one where it is known no longer."""
    receiver = policy.receivers.get(name) or policy.receivers[policy.default]
    at = policy.nodes.get(node)
    if at is None or not at.manner:
        return receiver
    grouped = at.manner.keys() & {"group_by", "group_wait_ms", "group_interval_ms"}
    return replace(receiver, **at.manner, scope=node if grouped else "")


def _named(policy: Policy, label: str) -> tuple[tuple[str, ...], str]:
    names = policy.routes.get(label) or ((label,) if label in policy.receivers else ())
    if names:
        return names, f"notify: {label}"
    return (policy.default,), f"no receiver {label!r}, so the default" if label else "the default receiver"


def _round_about(policy: Policy, broken: str) -> Route:
    """Tell of a broken account over the others: the operator's receiver first, else anybody's."""
    for receiver in (policy.operator, *policy.receivers.values()):
        ways = tuple(To(receiver, account, "") for account in receiver.accounts if account != broken)
        if ways:
            named = ", ".join(to.account for to in ways)
            return Route(ways, f"{broken} is broken → {receiver.name} on {named}")
    return Route((), f"{broken} is broken and there is no other account")


def first_intents(policy: Policy, t: Transition) -> list[Intent]:
    """The intents that the desk will make of a transition to critical, before it can be asked.

    They have the ids the desk gives them, so that its own are known as repeats later.
    """
    if t.to_state != "firing" or t.severity != "crit" or t.shadow or t.reason == "update":
        return []
    key, labels = alert_key(t.rule, t.subject), labels_of(t, policy.shops, policy.sources)
    return [
        Intent(
            id=f"{t.shard}.{t.position}.{t.n}-{number}",
            alert=key,
            incident=f"{key}@{t.since_ms or t.at_ms}",
            receiver=to.receiver.name,
            account=to.account,
            group=group_key(to.receiver, labels),
            kind="fire",
            severity=t.severity,
            created_ms=t.at_ms,
            not_before_ms=t.at_ms,
            transition=t,
        )
        for number, to in enumerate(route(policy, t).ways)
    ]
