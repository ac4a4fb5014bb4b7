"""Names in ``alerting.yaml`` that mean nothing, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import InitErrorDetails, PydanticCustomError

from alerting.config.routing import NO_ESCALATION
from alerting.policy.match import NAMES, is_name
from rules.problems import closest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from alerting.config.account import Place
    from alerting.config.model import Alerting
    from alerting.config.routing import RouteSettings


class Mistake(NamedTuple):
    """What is wrong, where, and what stands there."""

    loc: Place
    text: str
    found: object

    def error(self) -> InitErrorDetails:
        """As pydantic tells it."""
        error = PydanticCustomError("unknown_name", "{text}", {"text": self.text})
        return InitErrorDetails(type=error, loc=self.loc, input=self.found)


def mistakes(given: Alerting, people: Collection[str] | None) -> Iterator[Mistake]:
    """Every name of the file that nothing bears; ``people`` None: people are not known."""
    for name, receiver in given.receivers.items():
        yield from _unknown("account", receiver.accounts, given.accounts, "receivers", name, "accounts")
        yield from _labels("group", receiver.group_by, "receivers", name, "group_by")
        if people is not None:
            known = {*people, *given.schedules}
            yield from _unknown("person or schedule", receiver.to, known, "receivers", name, "to")
    for name, receivers in given.routes.items():
        yield from _unknown("receiver", receivers, given.receivers, "routes", name)
    yield from _unknown("receiver", (given.default,), given.receivers, "default", one=True)
    if given.self_alerts:
        yield from _unknown("receiver", (given.self_alerts,), given.receivers, "self_alerts", one=True)
    if given.route.match.matcher() or given.route.goes_on:
        text = "the first route takes all alerts: put `match` and `continue` into one of its `routes`"
        yield Mistake(("route",), text, None)
    yield from _of_route(given, given.route, "route")
    for i, one in enumerate(given.inhibit):
        yield from _labels("label", one.equal, "inhibit", i, "equal")
    for name, steps in given.escalations.items():
        yield from _of_chain(given, name)
        for i, step in enumerate(steps):
            yield from _unknown(
                "receiver", step.receivers, given.receivers, "escalations", name, i, "receivers"
            )
    for name, schedule in given.schedules.items():
        for place, person in schedule.named() if people is not None else ():
            yield from _unknown("person", (person,), people or (), "schedules", name, *place, one=True)


def _of_route(given: Alerting, route: RouteSettings, *loc: str | int) -> Iterator[Mistake]:
    yield from _unknown("receiver", route.receivers, given.receivers, *loc, "receivers")
    yield from _labels("group", route.group_by or (), *loc, "group_by")
    yield from _unknown("mute time", route.mute or (), given.mute_times, *loc, "mute")
    if route.escalate and route.escalate != NO_ESCALATION:
        yield from _unknown("escalation", (route.escalate,), given.escalations, *loc, "escalate", one=True)
    for i, below in enumerate(route.routes):
        yield from _of_route(given, below, *loc, "routes", i)


def _of_chain(given: Alerting, name: str) -> Iterator[Mistake]:
    """Steps come one after the other."""
    if name == NO_ESCALATION:
        yield Mistake(("escalations", name), "`none` means no escalation; name it otherwise", name)
    before_ms = 0
    for i, step in enumerate(given.escalations[name]):
        if step.after <= before_ms:
            text = "must be longer than that of the step before; each counts from when the alert was due"
            yield Mistake(("escalations", name, i, "after"), text, None)
        before_ms = step.after


def _labels(kind: str, names: Iterable[str], *loc: str | int) -> Iterator[Mistake]:
    wrong = {name for name in names if not is_name(name)}
    for i, name in enumerate(names):
        if name in wrong:
            yield from _unknown(kind, (name,), (*NAMES, "labels.NAME"), *loc, i, one=True)


def _unknown(
    kind: str, names: Iterable[str], known: Collection[str], *loc: str | int, one: bool = False
) -> Iterator[Mistake]:
    for i, name in enumerate(names):
        if name not in known:
            meant = closest(name, known)
            some = ", ".join(sorted(known)[:20]) or "none"
            hint = f", did you mean {meant}?" if meant else f", there are {some}"
            yield Mistake(loc if one else (*loc, i), f"no {kind} {name}{hint}", name)
