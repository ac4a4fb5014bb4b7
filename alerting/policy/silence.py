"""Silences: which of them holds an alert, asked only of those that can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from alerting.policy.match import exact, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerting.policy.records import Silence

Place = tuple[str, str]  # a label and its value; ("", "") of those that may hold anywhere

_TELLING = ("shop", "source", "account", "team")  # labels that few alerts share, which are asked first
_ANYWHERE: Place = ("", "")


class Silences(Mapping[str, "Silence"]):
    """All silences by id.

    Each lies where the alerts are that it can hold: at the value of one label that it matches exactly. So an
    alert asks those at its own labels, the longest first, and not all: 200 silences of a shop each cost an
    alert of another shop nothing.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Silence] = {}
        self._places: dict[Place, list[Silence]] = {}
        self._labels: tuple[str, ...] = ()  # of the places

    def __getitem__(self, name: str) -> Silence:
        return self._by_id[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def put(self, silence: Silence) -> None:
        """Enter a silence, or replace the one of that id."""
        self.drop(silence.id)
        self._by_id[silence.id] = silence
        at = self._places.setdefault(_place(silence), [])
        at.append(silence)
        at.sort(key=_length, reverse=True)
        self._labels = tuple({label for label, _ in self._places})

    def drop(self, name: str) -> Silence | None:
        """Strike a silence; the one struck."""
        silence = self._by_id.pop(name, None)
        if silence:
            place = _place(silence)
            self._places[place].remove(silence)
            if not self._places[place]:
                del self._places[place]
                self._labels = tuple({label for label, _ in self._places})
        return silence

    def until_resolved(self, labels: Mapping[str, str]) -> list[Silence]:
        """Those that fit an alert of these labels and end with the last of what they hold."""
        return [
            silence
            for label in self._labels
            for silence in self._places.get((label, labels.get(label, "")), ())
            if silence.until_resolved and matches(silence.matcher, labels)
        ]

    def active(self, labels: Mapping[str, str], at_ms: int) -> Silence | None:
        """The silence that holds an alert of these labels longest at ``at_ms``, if any does.

        One that was asked for later holds too: what is folded late, after an outage, is not told in spite of
        it.
        """
        found: Silence | None = None
        for label in self._labels:
            for silence in self._places.get((label, labels.get(label, "")), ()):
                if silence.until_ms <= at_ms or (found and _length(silence) < _length(found)):
                    break
                if matches(silence.matcher, labels):
                    found = silence
                    break
        return found


def _length(silence: Silence) -> tuple[int, str]:
    return silence.until_ms, silence.id


def _place(silence: Silence) -> Place:
    fixed = {label: text for label, p in silence.matcher.items() if (text := exact(p)) is not None}
    label = next((label for label in (*_TELLING, *fixed) if label in fixed), "")
    return (label, fixed[label]) if label else _ANYWHERE
