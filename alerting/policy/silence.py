"""What a silence holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerting.policy.match import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alerting.policy.records import Silence


def active(silences: Iterable[Silence], labels: Mapping[str, str], at_ms: int) -> Silence | None:
    """The silence that holds an alert of these labels longest at ``at_ms``, if any does.

    One that was asked for later holds too: what is folded late, after an outage, is not told in spite of it.
    """
    holding = [s for s in silences if at_ms < s.until_ms and matches(s.matcher, labels)]
    return max(holding, key=lambda s: (s.until_ms, s.id), default=None)
