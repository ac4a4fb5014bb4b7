"""What would become of an alert of some labels: the desk itself is asked, on empty books."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alerting.policy import life
from alerting.policy.ledger import Ledger
from alerting.policy.match import NAMES
from alerting.policy.records import alert_key
from alerting.policy.route import manner, route
from rules.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alerting.policy.records import Trace
    from alerting.policy.rulings import Policy

SUBJECTS = ("source", "platform", "team", "account", "daemon")
_OF_SHOP = frozenset({"team", "tier"})


@dataclass(frozen=True, slots=True)
class TriedWay:
    """One way on which the alert would be told, and when."""

    stage: int  # of an escalation; 0: told first
    route: str
    receiver: str
    account: str
    people: tuple[str, ...]  # whom of it; nobody named: all that the account reaches
    at_ms: int
    group: str
    held_by: str = ""  # why not at once; empty: but for its group, or its turn


@dataclass(frozen=True, slots=True)
class Trial:
    """Where an alert would go, and the steps on its way."""

    routes: tuple[str, ...]
    ways: tuple[TriedWay, ...]
    steps: tuple[Trace, ...]


def trial(policy: Policy, labels: Mapping[str, str], at_ms: int) -> Trial:
    """Have an alert of these labels fire at ``at_ms``, with nothing else firing and no silence.

    Labels of a shop that are given hold in place of those that the policy knows.
    """
    t = _transition(labels, at_ms)
    policy = _with_labels(policy, t.subject.get("shop", ""), labels)
    books, key = Ledger(policy), alert_key(t.rule, t.subject)
    books.begin_item("trial")
    life.begin(books, key, None, t)
    alert, changes = books.alerts[key], books.take_changes()
    groups = {intent.id: intent.group for intent in changes.intents}
    ways = [
        TriedWay(
            way.stage,
            way.node,
            way.receiver,
            way.account,
            policy.people(manner(policy, way.receiver, way.node), waiting.not_before_ms),
            waiting.not_before_ms,
            groups[intent],
            books.hold(alert, way.node, at_ms, waiting.base_ms).reason,
        )
        for way in alert.ways
        for intent, waiting in way.queued.items()
    ]
    return Trial(route(policy, t).nodes, tuple(ways), tuple(changes.traces))


def _transition(labels: Mapping[str, str], at_ms: int) -> Transition:
    each = labels.get("each", "")
    if each in SUBJECTS:
        subject = {each: labels.get(each, each)}
    elif (
        not labels.get("shop")
        and not labels.get("platform")
        and (found := [s for s in SUBJECTS if s in labels])
    ):
        subject = {found[0]: labels[found[0]]}
    else:
        subject = {"shop": labels.get("shop") or f"{labels.get('platform', 'any')}:any"}
    if "shop" in subject and "agent" in labels:
        subject["agent"] = labels["agent"]
    severity = labels.get("severity", "warn")
    verdict = labels.get("verdict", severity)
    rule, notify = labels.get("rule", "any"), labels.get("notify", "")
    return Transition(at_ms, rule, subject, "ok", "firing", severity, verdict, "trial", notify=notify)


def _with_labels(policy: Policy, shop: str, labels: Mapping[str, str]) -> Policy:
    if not shop:
        return policy
    own = {name: value for name, value in labels.items() if name in _OF_SHOP or name not in NAMES}
    sources = {shop: labels["source"]} if "source" in labels else {}
    shops = {shop: {**policy.shops.get(shop, {}), **own}}
    return replace(policy, shops={**policy.shops, **shops}, sources={**policy.sources, **sources})
