"""Inhibition: while one alert fires, others that it explains are held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerting.policy.match import matches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Place = tuple[int, tuple[str, ...]]  # of an inhibition, with the values of the labels that must be equal


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert fires that ``when`` matches, those that ``mutes`` matches are held.

    Both must have the same value of every label in ``equal``, and have one.
    """

    name: str
    when: Mapping[str, str | tuple[str, ...]]
    mutes: Mapping[str, str | tuple[str, ...]]
    equal: tuple[str, ...] = ()


# A source or platform that sends nothing says why its shops look bad, or that nobody knows.
BLIND = (
    Inhibition("source", {"each": "source"}, {"each": ("shop", "agent")}, ("source",)),
    Inhibition(
        "platform", {"each": "platform", "verdict": "no_data"}, {"each": ("shop", "agent")}, ("platform",)
    ),
)


@dataclass(slots=True)
class _Found:
    by: set[str] = field(default_factory=set)  # alerts that hold
    held: set[str] = field(default_factory=set)  # alerts that are held while there are any


class Inhibitions:
    """Which alerts hold which, kept up to date alert by alert.

    Args:
        given: Those of the configuration; a blind source or platform always mutes its shops.
    """

    def __init__(self, given: Sequence[Inhibition]) -> None:
        self._all = (*BLIND, *given)
        self._places: dict[Place, _Found] = {}
        self._of: dict[str, tuple[list[Place], list[Place]]] = {}  # alert → where it holds, where it is held

    def note(self, alert: str, labels: Mapping[str, str], *, firing: bool) -> set[str]:
        """Take in how an alert is now; the alerts for which that may be news."""
        before = set(self._of[alert][0]) if alert in self._of else set()
        self.forget(alert)
        holds = list(self._matching("when", labels)) if firing else []
        held = list(self._matching("mutes", labels))
        if holds or held:
            self._of[alert] = holds, held
        news: set[str] = set()
        for place in holds:
            self._places.setdefault(place, _Found()).by.add(alert)
        for place in held:
            self._places.setdefault(place, _Found()).held.add(alert)
        for place in before.symmetric_difference(holds):
            found = self._places.get(place)
            if found and not found.by - {alert}:
                news |= found.held - {alert}
        return news

    def forget(self, alert: str) -> None:
        """Strike an alert."""
        holds, held = self._of.pop(alert, ([], []))
        for place in holds:
            self._places[place].by.discard(alert)
        for place in held:
            self._places[place].held.discard(alert)
        for place in (*holds, *held):
            if place in self._places and not (self._places[place].by or self._places[place].held):
                del self._places[place]

    def by(self, alert: str, labels: Mapping[str, str]) -> str:
        """Why an alert of these labels is held; empty: it is not."""
        for place in self._matching("mutes", labels):
            found = self._places.get(place)
            others = found.by - {alert} if found else ()
            if others:
                rule = self._all[place[0]]
                same = place[1][0] if place[1] else ""
                blind = f"{rule.name} {same} is blind" if rule in BLIND else f"inhibition {rule.name}"
                return f"{blind}: {min(others)}"
        return ""

    def _matching(self, side: str, labels: Mapping[str, str]) -> Iterator[Place]:
        for i, one in enumerate(self._all):
            if matches(getattr(one, side), labels):
                values = tuple(labels.get(name, "") for name in one.equal)
                if all(values):
                    yield i, values
