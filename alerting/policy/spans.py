"""Time as a table: mute times as spans, and who is on call as shifts. Made outside, where zones are known."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spans:
    """Half-open spans in epoch ms, ascending; they neither overlap nor touch."""

    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def until(self, at_ms: int) -> int:
        """The end of the span that ``at_ms`` lies in; 0: it lies in none."""
        i = bisect_right(self.starts, at_ms) - 1
        return self.ends[i] if i >= 0 and at_ms < self.ends[i] else 0


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is on call: from ``starts[i]`` on those of ``people[i]``; before the first start nobody.

    ``fallback`` stand in where nobody is.
    """

    starts: tuple[int, ...] = ()
    people: tuple[tuple[str, ...], ...] = ()
    fallback: tuple[str, ...] = ()

    def at(self, at_ms: int) -> tuple[str, ...]:
        """Who is to be told at ``at_ms``."""
        i = bisect_right(self.starts, at_ms) - 1
        return (self.people[i] if i >= 0 else ()) or self.fallback
